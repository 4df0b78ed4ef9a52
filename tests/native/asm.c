// Assembly against the C that it equals, on a Cortex-M in QEMU (semihosting). Prints "equal", or what differs.
// The files whose inside is compared are included whole.
#include "decode.c"
#if L3_ARMV6M
#include "armv6m/conv.c"
#include "armv6m/decode.c"
#elif L3_ARMV7EM
#include "armv7m/lines.c"
#include "armv7em/decode.c"
#else
#include "armv7m/lines.c"
#include "armv7m/decode.c"
#endif
#include "conv.c"
#include "mel.c"

#define TRIALS 400
#define CHANNELS 5
#define MOST_CHANNELS 60 // whose filters have room for ways of more than 255
#define OUT 400

static uint32_t state = 1;
static uint16_t plane[2000];
static int32_t list[18 * MOST_CHANNELS], lines[2 * 48], asm_line[48];

// What the compiler clears and copies structs with: there is no library.
void *memset(void *to, int value, size_t n) {
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

static uint32_t random32(void) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state;
}

static int32_t pick(int32_t n) {
    return (int32_t)(random32() % (uint32_t)n);
}

static void semihost(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void finish_with(const char *text) {
    semihost(4, text); // SYS_WRITE0
    semihost(0x18, (const void *)0x20026); // SYS_EXIT: ADP_Stopped_ApplicationExit
}

static bool same(const void *a, const void *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i]) {
            return false;
        }
    }
    return true;
}

// A filter of random weights and ways, as lists of rows (groups of four words, three rows a channel) or of taps.
static filter_t random_filter(void) {
    filter_t f = {list, NULL, random32() >> 8, pick(2)};
    int words = f.by_rows ? 12 * (1 + pick(CHANNELS)) : 2 * pick(9 * CHANNELS);
    f.end = list + words;
    for (int i = 0; i < words; i++) {
        bool way = f.by_rows ? i % 4 == 3 : i % 2 == 0;
        list[i] = way ? 2 * pick(16) : pick(2000) - 1000;
    }
    for (int i = 0; i < 2000; i++) {
        plane[i] = (uint16_t)pick(8192);
    }
    return f;
}

// Sums that go to a line: in armv6m, for the pools that conv_blocks does not do
static bool sums(void) {
    filter_t f = random_filter();
    int32_t columns = (f.by_rows ? 4 : 1) + pick(40);
    bool is_signed = pick(2);
    for (int i = 0; i < 2000 && is_signed; i++) {
        plane[i] = (uint16_t)(plane[i] - 4096);
    }
    if (is_signed) {
        sum_row(&f, plane, columns, lines, true);
    } else {
        sum_row(&f, plane, columns, lines, false);
    }
#if L3_ARMV7EM
    f.end = f.by_rows ? pair_weights(list, f.end) : f.end;
#endif
    sum_line(&f, plane, columns, asm_line, is_signed);
    return same(asm_line, lines, 4 * (size_t)columns);
}

#if L3_ARMV6M

static uint16_t values[9 * MOST_CHANNELS];
static uint8_t positions[18 * MOST_CHANNELS];
static int16_t asm_out[OUT], c_out[OUT];
static int32_t c_list[18 * MOST_CHANNELS];

// conv_blocks equals conv_lines: rows, pools, strips that begin within a group, saturation.
static bool blocks(void) {
    filter_t f = random_filter();
    bool pooled = pick(2);
    int32_t columns = (f.by_rows ? 4 : 8) + pick(40 - 8), rows = 1 + pick(5), pool_rows = pooled ? 1 + pick(3) : 1;
    conv_t p = {.pool_rows = pool_rows,
        .pool_columns = pooled ? 2 : 1,
        .most = (1 << (8 + pick(8))) - 1,
        .rows = rows,
        .columns = columns,
        .pitch = columns + 2,
        .within = pick(pool_rows),
        .is_signed = pick(2)};
    p.out_columns = columns / p.pool_columns, p.out_pitch = p.out_columns + pick(3);
    int32_t shift = pick(18);
    for (int i = 0; i < 2000 && p.is_signed; i++) {
        plane[i] = (uint16_t)(plane[i] - 4096);
    }
    for (int i = 0; i < OUT; i++) {
        asm_out[i] = c_out[i] = (int16_t)pick(p.most + 1);
    }
    if (!conv_blocks(&p, &f, shift, plane, asm_out)) { // no whole block in what the pool takes
        return !has_blocks(&f, p.pool_columns * p.out_columns);
    }
    conv_lines(&p, &f, shift, plane, c_out, lines);
    return same(asm_out, c_out, sizeof(c_out));
}

static uint16_t random_half(int rare) {
    static const uint16_t strange[] = {0, 0x8000, 1, 0x83FF, 0x7C00, 0xFC01, 0x0400, 0x7BFF, 0xFBFF};
    return pick(rare) ? (uint16_t)((random32() & 0x83FF) | (uint32_t)(1 + pick(16)) << 10) : strange[pick(9)];
}

// Ascending taps of a filter, in one of the position codes; returns its bytes.
static int32_t encode(int32_t code, const uint8_t *there, int32_t taps) {
    int32_t at = 0, gap = 0, skip = code == NIBBLE_GAPS ? 15 : 255, nibbles = 0;
    for (int32_t i = 0; i < taps; i++) {
        if (code == BITMAP) {
            positions[i >> 3] = (uint8_t)(i & 7 ? positions[i >> 3] : 0) | (uint8_t)(there[i] << (i & 7));
            at = (i >> 3) + 1;
            continue;
        }
        bool last = there[i] != 0;
        if (!last && ++gap < skip) {
            continue;
        }
        if (code == BYTE_GAPS) {
            positions[at++] = (uint8_t)gap;
        } else if (nibbles++ & 1) {
            positions[at++] |= (uint8_t)(gap << 4);
        } else {
            positions[at] = (uint8_t)gap;
        }
        gap = 0;
    }
    return at + (nibbles & 1);
}

static bool same_list(const int32_t *end, const weights_t *d, const int32_t *c_end, const weights_t *c) {
    return end - list == c_end - c_list
        && same(list, c_list, 4 * (size_t)(end - list))
        && d->values == c->values
        && d->positions == c->positions;
}

// decode_quickly equals decode where it decodes, and so does decode with a palette's integers; counts[palette] counts.
static bool decoding(int *counts) {
    static uint8_t there[9 * MOST_CHANNELS];
    static uint16_t halves[256];
    int32_t channels = 1 + pick(pick(2) ? CHANNELS : MOST_CHANNELS), code = pick(4), taps = 9 * channels, n = 0,
            share = 1 + pick(100);
    int rare = pick(4) ? 5000 : 20;
    for (int32_t i = 0; i < taps; i++) {
        there[i] = code == ALL || pick(100) < share;
        n += there[i];
        values[i] = random_half(rare);
        halves[i & 255] = random_half(rare);
    }
    int32_t bytes = code == ALL ? 0 : encode(code, there, taps), by_rows = code == ALL && pick(2);
    bytes -= bytes && pick(4) == 0; // too few
    taps -= code != ALL && pick(4) == 0 ? pick(9) : 0; // positions may leave the filter
    bool palette = pick(2);
    conv_t p = {.code = code, .taps = taps, .pitch = 3 + pick(60), .size = pick(5000)};
    factors_t factors;
    palette_t plain = {.unit = NO_UNIT, .halves = halves};
    weights_t quick = {(const uint8_t *)values, positions, positions + bytes, palette ? &factors.palette : NULL, pick(16) - 2},
              integers = quick, slow = quick;
    slow.palette = palette ? &plain : NULL;
    size_t room = 2 * (size_t)(pick(2) ? 9 * channels : n);
    prepare_palette(&factors.palette, halves);
    prepare_factors(&factors, &p);
    set_factors(&factors, pick(16) - 2);
    int32_t *c_end = decode(&p, &slow, n, by_rows, c_list, room);
    int32_t *end = decode(&p, &integers, n, by_rows, list, room);
    if (!c_end != !end || (end && !same_list(end, &integers, c_end, &slow))) {
        return false;
    }
    end = decode_quickly(&p, &quick, n, by_rows, list, &factors, room);
    counts[palette] += end != NULL;
    return !end || (c_end && same_list(end, &quick, c_end, &slow));
}

// Pairs of bins, of values of every size
static bool pairs(void) {
    static uint32_t z[256], power[129], c_power[129];
    static int32_t cos[65];
    static uint8_t shifts[129], c_shifts[129];
    int32_t top = 1 << pick(7), k = 128 >> bit_length((uint32_t)top);
    int most = 4 + pick(28);
    for (int i = 0; i < 256; i++) {
        z[i] = asr(random32(), pick(most));
    }
    for (int i = 0; i < 65; i++) {
        cos[i] = pick(1 << 17);
    }
    const uint32_t *a = z + 2 * top, *b = z + 2 * (2 * top - 1);
    l3_put_pairs(a, b, power, shifts, cos, 4 * k, 4 * 64);
    put_pairs(a, b, c_power, c_shifts, cos, k, 64);
    return same(power, c_power, sizeof(power)) && same(shifts, c_shifts, sizeof(shifts));
}

static bool passes(void) {
    static uint32_t z[256], c_z[256];
    int shift = 1 + pick(31);
    for (int i = 0; i < 256; i++) {
        z[i] = c_z[i] = random32();
    }
    l3_shift_right(z, z + 256, shift);
    shift_right(c_z, c_z + 256, shift);
    l3_last_stages(z, z + 256);
    last_stages(c_z, c_z + 256);
    return same(z, c_z, sizeof(z));
}

// A whole stage of the DFT, of values that are as large as they get; and a band's power.
static bool mel(void) {
    static uint32_t z[256], c_z[256];
    static int32_t cos[65];
    static uint8_t shifts[40];
    for (int i = 0; i < 256; i++) {
        z[i] = c_z[i] = asr(random32(), 4 + pick(8));
    }
    for (int i = 0; i < 65; i++) {
        cos[i] = pick(1 << 17);
    }
    for (int i = 33; i < 65; i += 1 + pick(20)) {
        cos[i] = cos[64 - i]; // some eighths of a turn
    }
    int32_t size = 8 << pick(5);
    l3_turns(z, z + 256, 4 * size, cos, 4 * (256 / size), 4 * 64);
    turned_butterflies(c_z, c_z + 256, size, cos, 256 / size, 64);
    int32_t n = pick(40), few = 1 + pick(20), exponent = -1, c_exponent = -2;
    for (int i = 0; i < n; i++) {
        shifts[i] = (uint8_t)pick(few);
        z[i] = random32() >> (3 + pick(29));
    }
    return same(z + n, c_z + n, 4 * (size_t)(256 - n))
        && l3_band_power(z, shifts, values, n, &exponent) == sum_band(z, shifts, values, n, &c_exponent)
        && exponent == c_exponent;
}

static void others(void) {
    int decoded[2] = {0, 0};
    for (int i = 0; i < TRIALS; i++) {
        if (!blocks()) {
            finish_with("conv_blocks differs\n");
        }
        if (!mel() || !pairs() || !passes()) {
            finish_with("mel.S differs\n");
        }
        for (int j = 0; j < 5; j++) {
            if (!decoding(decoded)) {
                finish_with("decode_quickly differs\n");
            }
        }
    }
    if (decoded[0] <= TRIALS / 2 || decoded[1] <= TRIALS / 2) {
        finish_with("hardly anything was decoded\n");
    }
}

#else

static void others(void) {
}

#endif

void start(void) {
    for (int i = 0; i < TRIALS; i++) {
        if (!sums()) {
            finish_with("sum_line differs\n");
        }
    }
    others();
    finish_with("equal\n");
}

__attribute__((section(".vectors"), used)) static void *const vectors[] = {(void *)0x20010000, (void *)start};
