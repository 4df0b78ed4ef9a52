// The LX7's MAC16 unit adds a product of two int16 to its accumulator and loads two more int16, all in one instruction. There is
// one accumulator, so a pixel's sum is finished before the next one begins, and the pool takes it at once: no line of sums.
//
// It treats both factors as signed, which is safe: outputs of a ReLU are at most 32767. The accumulator's low 32 bits are the sum.
#include "l3native.h"
#include "sums.h"

// What the sums of a filter share.
typedef struct {
    const int32_t *list; // the word before it
    uint32_t bias;
    int32_t channels;
    int32_t pitch; // bytes from row to row
    int32_t on; // bytes from a row's second word to the word before the next channel's first
} rows_list_t;

// clang-format off

// One kernel row of all channels: three pixels in the words m0 and m1, three weights in m2 and m3. a, b, c: which halves the pixels
// are; second: the register of the second one. Five instructions for three products. A register that was read is loaded again in
// the next turn only: within one, QEMU would read its old value.
#define ROW(a, b, c, second) \
    "mov %[at], %[x]\n" \
    "loop %[sum], 1f\n" \
    "ldinc m0, %[at]\n" \
    "mula.dd." a "l.ldinc m1, %[at], m0, m2\n" \
    "mula.dd." b "h.ldinc m3, %[w], " second ", m2\n" \
    "add %[at], %[at], %[on]\n" \
    "mula.dd." c "l.ldinc m2, %[w], m1, m3\n" \
    "1:\n"

// A pixel's sum; until then `sum` is the number of channels.
#define THREE(row) \
    "l32i %[sum], %[s], %[bias]\n" \
    "l32i %[w], %[s], %[list]\n" \
    "wsr.acclo %[sum]\n" \
    "l32i %[sum], %[s], %[channels]\n" \
    "ldinc m2, %[w]\n" \
    row \
    "add %[x], %[x], %[pitch]\n" \
    row \
    "add %[x], %[x], %[pitch]\n" \
    row \
    "rsr.acclo %[sum]\n"

// x: the first pixel's upper left neighbour. is_high: it is the high half of a word.
ALWAYS_INLINE int32_t sum_of(const rows_list_t *s, const uint16_t *x, bool is_high) {
    const uint8_t *at, *before = (const uint8_t *)x - (is_high ? 6 : 4); // LDINC increments first
    const int32_t *w;
    int32_t sum;
#define OPERANDS \
    : [sum] "=&r"(sum), [x] "+&r"(before), [w] "=&r"(w), [at] "=&r"(at) \
    : [s] "r"(s), [pitch] "r"(s->pitch), [on] "r"(s->on), [list] "i"(offsetof(rows_list_t, list)), \
      [bias] "i"(offsetof(rows_list_t, bias)), [channels] "i"(offsetof(rows_list_t, channels)) \
    : "memory", "acc"
    if (is_high) {
        __asm__ volatile(THREE(ROW("h", "l", "h", "m1")) OPERANDS);
    } else {
        __asm__ volatile(THREE(ROW("l", "h", "l", "m0")) OPERANDS);
    }
    return sum;
}

// clang-format on

// How each group of pixels is pooled; `rows` of it are in this strip. again: an earlier strip had part of the group.
typedef struct {
    rows_list_t list;
    int32_t rows, columns, shift, least, most, out_columns;
    bool again;
} pool_t;

ALWAYS_INLINE void put(const pool_t *p, int32_t best, int16_t *out) {
    best = requantise(best, p->shift, p->least, p->most);
    *out = (int16_t)(p->again && *out > best ? *out : best);
}

// One row of the output. Pitches are even, so a column's pixels are the same half of their words.
static NOINLINE void pool_any(const pool_t *p, const uint16_t *x, int16_t *out) {
    for (int16_t *end = out + p->out_columns; out < end; out++) {
        int32_t best = INT32_MIN;
        for (int32_t i = 0; i < p->columns; i++, x++) {
            const uint16_t *at = x;
            for (int32_t y = 0; y < p->rows; y++, at += p->list.pitch / 2) {
                int32_t sum = (uintptr_t)at & 2 ? sum_of(&p->list, at, true) : sum_of(&p->list, at, false);
                best = sum > best ? sum : best;
            }
        }
        put(p, best, out);
    }
}

// The same for pairs of columns.
ALWAYS_INLINE void pool_pairs(const pool_t *p, const uint16_t *x, int16_t *out, bool is_high) {
    for (int16_t *end = out + p->out_columns; out < end; out++, x += 2) {
        int32_t best = INT32_MIN, rows = p->rows;
        for (const uint16_t *at = x; rows > 0; rows--, at = forward(at, p->list.pitch)) {
            int32_t a = sum_of(&p->list, at, is_high), b = sum_of(&p->list, at + 1, !is_high);
            best = a > best ? a : best;
            best = b > best ? b : best;
        }
        put(p, best, out);
    }
}

static NOINLINE void pool_pairs_low(const pool_t *p, const uint16_t *x, int16_t *out) {
    pool_pairs(p, x, out, false);
}

static NOINLINE void pool_pairs_high(const pool_t *p, const uint16_t *x, int16_t *out) {
    pool_pairs(p, x, out, true);
}

// The same for single pixels.
static NOINLINE void pool_none(const pool_t *p, const uint16_t *x, int16_t *out) {
    for (int16_t *end = out + p->out_columns; out < end; out++, x++) {
        put(p, (uintptr_t)x & 2 ? sum_of(&p->list, x, true) : sum_of(&p->list, x, false), out);
    }
}

L3_LOCAL bool conv_blocks(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out) {
    if (!f->by_rows) {
        return false;
    }
    rows_list_t list = {f->list - 1, f->bias, p->taps / 9, 2 * p->pitch, 2 * p->size - 8};
    pool_t pool = {list, p->pool_rows - p->within, p->pool_columns, shift, p->least, p->most, p->out_columns, p->within > 0};
    for (int32_t y = 0; y < p->rows; out += p->out_pitch) {
        pool.rows = pool.rows < p->rows - y ? pool.rows : p->rows - y;
        if (p->pool_columns == 2) {
            ((uintptr_t)x & 2 ? pool_pairs_high : pool_pairs_low)(&pool, x, out);
        } else if (p->pool_columns == 1 && pool.rows == 1) {
            pool_none(&pool, x, out);
        } else {
            pool_any(&pool, x, out);
        }
        x += pool.rows * p->pitch;
        y += pool.rows;
        pool.rows = p->pool_rows;
        pool.again = false;
    }
    return true;
}

// ---- lists of single taps

// list8 of sums.h in assembly, because gcc keeps half of its sums on the stack.
static NOINLINE void eight_sums(const filter_t *f, const uint16_t *x, int32_t *line) {
    const int32_t *list = f->list;
    uint32_t s0 = f->bias, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0, w, u, t;
    __asm__ volatile("loopgtz %[t], 1f\n"
                     "l32i %[u], %[list], 0\n"
                     "l32i %[w], %[list], 4\n"
                     "add %[x], %[x], %[u]\n"
                     "l16si %[t], %[x], 0\n"
                     "l16si %[u], %[x], 2\n"
                     "mull %[t], %[t], %[w]\n"
                     "mull %[u], %[u], %[w]\n"
                     "add %[s0], %[s0], %[t]\n"
                     "l16si %[t], %[x], 4\n"
                     "add %[s1], %[s1], %[u]\n"
                     "l16si %[u], %[x], 6\n"
                     "mull %[t], %[t], %[w]\n"
                     "mull %[u], %[u], %[w]\n"
                     "add %[s2], %[s2], %[t]\n"
                     "l16si %[t], %[x], 8\n"
                     "add %[s3], %[s3], %[u]\n"
                     "l16si %[u], %[x], 10\n"
                     "mull %[t], %[t], %[w]\n"
                     "mull %[u], %[u], %[w]\n"
                     "add %[s4], %[s4], %[t]\n"
                     "l16si %[t], %[x], 12\n"
                     "add %[s5], %[s5], %[u]\n"
                     "l16si %[u], %[x], 14\n"
                     "mull %[t], %[t], %[w]\n"
                     "mull %[u], %[u], %[w]\n"
                     "add %[s6], %[s6], %[t]\n"
                     "addi %[list], %[list], 8\n"
                     "add %[s7], %[s7], %[u]\n"
                     "1:\n"
        : [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3), [s4] "+&r"(s4), [s5] "+&r"(s5), [s6] "+&r"(s6),
        [s7] "+&r"(s7), [x] "+&r"(x), [list] "+&r"(list), [w] "=&r"(w), [u] "=&r"(u), [t] "=&r"(t)
        : "[t]"((f->end - list) / 2)
        : "memory");
    line[0] = (int32_t)s0, line[1] = (int32_t)s1, line[2] = (int32_t)s2, line[3] = (int32_t)s3;
    line[4] = (int32_t)s4, line[5] = (int32_t)s5, line[6] = (int32_t)s6, line[7] = (int32_t)s7;
}

L3_LOCAL NOINLINE void sum_line(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed) {
    (void)is_signed;
    if (columns < 8) {
        sum_narrow(f, x, columns, line, true);
        return;
    }
    for (int32_t at = 0; at < columns; at += 8) {
        int32_t i = place(at, 8, columns);
        eight_sums(f, x + i, line + i);
    }
}
