// The native module's C under sanitizers: random and hostile parameters over buffers of exactly the lengths that it is told.
//   usage: native_fuzz CALLS SEED. Prints how many calls passed the checks; a sanitizer ends the program on any fault.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l3native.h"

static uint64_t state;

static uint32_t random32(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) ^ (uint32_t)(state >> 13);
}

static int32_t pick(int32_t n) {
    return (int32_t)(random32() % (uint32_t)n);
}

static int32_t hostile(void) {
    static const int32_t worst[] = {
        0, 1, -1, 2, 7, 8, 9, 255, 256, 32767, 65535, 65536, 1 << 28, INT32_MAX, INT32_MIN, INT32_MIN + 1};
    return pick(2) ? worst[pick(16)] : pick(2) ? pick(64) - 8 : (int32_t)random32();
}

static void corrupt(int32_t *slots, int n) {
    for (int i = pick(4); i > 0; i--) {
        slots[pick(n)] = hostile();
    }
}

static void *noise(size_t bytes) {
    uint8_t *p = malloc(bytes ? bytes : 1);
    for (size_t i = 0; i < bytes; i++) {
        p[i] = (uint8_t)random32();
    }
    return p;
}

// As many bits as each filter has values, as far as it has taps.
static void fill_bitmaps(uint8_t *chunk, const conv_t *p) {
    int32_t bytes = (p->taps + 7) / 8;
    for (int32_t f = 0; f < p->filters; f++) {
        uint8_t *bits = chunk + p->positions + f * bytes;
        memset(bits, 0, (size_t)bytes);
        for (int32_t i = 0; i < chunk[p->counts + 2 * f] && i < p->taps; i++) {
            bits[i >> 3] |= (uint8_t)(1 << (i & 7));
        }
    }
}

// A chunk that makes sense more often than noise: half-precision weights of moderate size, finite biases, counts that fit.
static void fill_chunk(uint8_t *chunk, const conv_t *p, int32_t bytes) {
    for (int32_t f = 0; f < p->filters && p->counts + 2 * p->filters <= bytes; f++) {
        chunk[p->biases + 4 * f + 3] = (uint8_t)(0x3c + pick(4));
        chunk[p->counts + 2 * f] = (uint8_t)pick(p->taps + (pick(50) == 0) * 9);
        chunk[p->counts + 2 * f + 1] = 0;
    }
    int32_t halves = p->palette ? p->palette : p->values, stop = p->palette ? bytes : p->positions;
    for (int32_t i = halves; i + 1 < stop && i + 1 < bytes; i += 2) {
        uint32_t w = (uint32_t)((random32() & 0x83FF) | (uint32_t)(10 + pick(5)) << 10);
        chunk[i] = (uint8_t)w, chunk[i + 1] = (uint8_t)(w >> 8);
    }
    for (int32_t i = p->positions; i < p->end && i < bytes; i++) {
        chunk[i] = (uint8_t)(pick(100) ? pick(3) : 255);
    }
    if (p->code == BITMAP && pick(4)) {
        fill_bitmaps(chunk, p);
    }
}

static bool fuzz_conv(void) {
    int32_t channels = 1 + pick(4), columns = 1 + pick(20), rows = 1 + pick(5), filters = 1 + pick(4), dense = pick(4) == 0;
    int32_t taps = dense ? 1 + pick(30) : 9 * channels, pitch = dense ? 0 : columns + 2, size = (rows + 2) * pitch;
    int32_t pool = dense ? 1 : 1 + pick(columns < 3 ? columns : 3), groups = (rows + pool - 1) / pool;
    rows = dense ? 1 : rows, columns = dense ? 1 : columns;
    int32_t n_values = filters * taps, code = pick(4), palette = pick(2);
    uint16_t *parts = noise(8);
    parts[1] = (uint16_t)filters, parts[2] = (uint16_t)(n_values + filters), parts[3] = (uint16_t)n_values;
    int32_t out_pitch = columns / pool;
    layer_t layer = {palette, code, taps, 8, 5, 0, 4095, pick(2), pitch, size, out_pitch, groups * out_pitch, pool, pool, 0};
    conv_t p = {.rows = rows, .columns = columns, .out_columns = out_pitch};
    take_chunk(&p, &layer, parts, 4);
    p.palette = layer.palette = palette ? (p.end + 1) & ~1 : 0;
    int32_t bytes = palette ? p.palette + PALETTE_BYTES : p.end + pick(4);
    size_t n_in = dense ? (size_t)taps : (size_t)(channels * size), n_out = (size_t)(filters * p.out_size);
    size_t n_scratch = (size_t)((pick(4) ? 2 * taps : pick(2 * taps)) + 2 * columns), n_shifts = (size_t)filters;
    conv_buffers_t b = {noise((size_t)bytes), (size_t)bytes, noise(n_shifts), n_shifts, noise(2 * n_in), n_in, noise(2 * n_out),
        n_out, noise(4 * n_scratch), n_scratch};
    fill_chunk((uint8_t *)b.chunk, &p, bytes);
    for (size_t i = 0; i < n_shifts; i++) {
        ((int8_t *)b.shifts)[i] = (int8_t)(pick(20) ? 5 + pick(10) : (int)random32());
    }
    if (!code && !dense && pick(2)) {
        p.within = pick(pool);
    }
    corrupt((int32_t *)&p, sizeof(p) / 4);
    corrupt((int32_t *)&layer, sizeof(layer) / 4);
    bool allowed = (pick(2) || take_chunk(&p, &layer, parts, pick(6))) && conv_allowed(&p, &b);
    free(parts);
    bool done = allowed && conv_chunk(&p, &b) == p.filters;
    free((void *)b.chunk), free((void *)b.shifts), free((void *)b.in), free(b.out), free(b.scratch);
    return done;
}

static bool fuzz_frame(void) {
    int32_t n = 16 << pick(5), bands = 1 + pick(6), bins = n / 2 + 1, samples = pick(3 * n);
    frame_t p = {n, pick(4 * n) - n, 10 + pick(14), pick(5), -42 * 512, bands, -pick(32769)};
    size_t n_weights = (size_t)(bands * 4), n_levels = (size_t)(p.to + bands);
    frame_buffers_t b = {noise(2 * (size_t)samples), noise(2 * n_levels), noise(4 * frame_work_words(n)),
        noise(4 * (size_t)(n / 4 + 1)), noise(2 * (size_t)bins), noise(2 * LOG2_ENTRIES), noise(2 * (size_t)bands),
        noise(2 * (size_t)bands), noise(2 * n_weights), (size_t)samples, n_levels, frame_work_words(n), (size_t)(n / 4 + 1),
        (size_t)bins, LOG2_ENTRIES, (size_t)bands, (size_t)bands, n_weights};
    for (int32_t i = 0; i < bands; i++) {
        ((uint16_t *)b.first)[i] = (uint16_t)pick(bins);
        ((uint16_t *)b.count)[i] = (uint16_t)pick(5);
    }
    if (pick(4) == 0) {
        memset((void *)b.pcm, (int)random32(), 2 * (size_t)samples); // at rest
    }
    corrupt((int32_t *)&p, sizeof(p) / 4);
    int32_t best;
    bool done = frame_allowed(&p, &b) && log_mel_frame(&p, &b, &best);
    free((void *)b.pcm), free(b.levels), free(b.work), free((void *)b.cos), free((void *)b.hann), free((void *)b.log2);
    free((void *)b.first), free((void *)b.count), free((void *)b.weights);
    return done;
}

static bool fuzz_planes(void) {
    int32_t rows = 3 + pick(5), columns = 1 + pick(10), channels = 1 + pick(4), scale[4];
    planes_t p = {channels, rows * (columns + 2), columns + 2, pick(rows), pick(rows)};
    int32_t from = pick(9), pitch = columns + pick(3);
    rows_t r = {rows - 2, columns, from, pitch, columns + 3, columns + 2, pick(65536) - 32768};
    size_t n = (size_t)(channels * p.size);
    uint16_t *plane = noise(2 * n);
    for (int i = 0; i < 4; i++) {
        scale[i] = hostile();
    }
    scale[3] = pick(2) ? pick(32) : scale[3];
    corrupt((int32_t *)&p, 5);
    corrupt((int32_t *)&r, sizeof(r) / 4);
    bool done = false;
    if (planes_allowed(&p, n)) {
        planes_slide(&p, plane);
        done = true;
        planes_clear(&p, plane);
    }
    columns_t f = {channels, p.size, columns + 2, pick(3), rows, columns, pick(4), pick(2)};
    size_t n_out = (size_t)(f.to + rows * columns * channels);
    int16_t *out = noise(2 * n_out);
    corrupt((int32_t *)&f, 8);
    if (columns_allowed(&f, n, n_out)) {
        flatten(&f, (const int16_t *)plane, out);
    }
    free(out);
    size_t n_levels = (size_t)(from + (rows - 3) * pitch + columns);
    int16_t *levels = noise(2 * n_levels);
    if (normalise_allowed(&r, scale, 4, n_levels, n)) {
        normalise(&r, scale, levels, (int16_t *)plane);
    }
    free(levels);
    free(plane);
    return done;
}

static bool fuzz_capture(void) {
    int32_t n_taps = 4 * (1 + pick(20)), n = pick(200), factor = 1 + pick(6), n_ring = 1 + pick(60), step = 1 + pick(4);
    decimate_t d = {n, factor, pick(n_ring)};
    take_t t = {pick(step), step, n / step, pick(2)};
    part_t m = {pick(n + 1), n};
    int16_t *x = noise(2 * (size_t)n), *taps = noise(2 * (size_t)n_taps), *ring = noise(2 * (size_t)n_ring),
            *out = noise(2 * (size_t)n);
    state_t *state = noise(sizeof(state_t));
    offset_t *offset = noise(sizeof(offset_t));
    offset->last = pick(OFFSET_FRACTION), offset->shift = pick(offset->last + 1), offset->seen = pick(2 << offset->shift);
    for (int i = 0; i < 3; i++) {
        state->high[i].shift = FRACTION + pick(32);
    }
    corrupt((int32_t *)&d, 3);
    corrupt((int32_t *)&t, 4);
    corrupt((int32_t *)&m, 2);
    corrupt((int32_t *)offset, OFFSET);
    bool done = decimate_allowed(&d, (size_t)n, (size_t)n_taps, (size_t)n_ring);
    if (done) {
        decimate(&d, x, taps, (size_t)n_taps, ring, (size_t)n_ring);
    }
    if (take_allowed(&t, (size_t)n, (size_t)n)) {
        take(&t, (uint16_t *)x, (uint16_t *)out);
    }
    if (measure_allowed(&m, state, (size_t)n)) {
        measure(&m, state, x);
    }
    if (offset_allowed(&m, offset, (size_t)n)) {
        remove_offset(&m, offset, x);
    }
    free(x), free(taps), free(ring), free(out), free(state), free(offset);
    return done;
}

int main(int argc, char **argv) {
    long calls = argc > 1 ? atol(argv[1]) : 10000, passed[4] = {0, 0, 0, 0};
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (long i = 0; i < calls; i++) {
        passed[0] += fuzz_conv();
        passed[1] += fuzz_frame();
        passed[2] += fuzz_planes();
        passed[3] += fuzz_capture();
    }
    printf("%ld %ld %ld %ld\n", passed[0], passed[1], passed[2], passed[3]);
    return 0;
}
