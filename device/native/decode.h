// The weights of a chunk's filters: float16 -> int16, sparse positions -> offsets, as the lists that conv.h's inner loops read.
#ifndef L3_DECODE_H
#define L3_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define MAX_TAPS (9 * 4096)
#define BAD_WEIGHT 0x10000

// Parameters, in the order of native.py's array. Offsets into planes count elements, those into the chunk bytes.
typedef struct {
    int32_t filters, biases, counts, values, positions, end; // the chunk and where its parts stand
    int32_t first_shift, to; // its first filter: index into shifts, element of the output
    int32_t sparse, taps, exponent, out_exponent, least, most, is_signed; // the layer
    int32_t pitch, size, first, rows, columns; // input: pitch 0 for a dense layer; first: corner of the first pixel's window
    int32_t out_pitch, out_size, pool_rows, pool_columns, within, out_columns; // within: first row's place in its group
} conv_t;

typedef struct {
    const uint16_t *values;
    const uint8_t *positions, *end;
    bool sparse;
    int32_t taps, shift, position;
} weights_t;

// weight() of zeros, of what rounds to zero, of what moves to the left, and of bad data.
static __attribute__((noinline)) int32_t rare_weight(uint32_t bits, int32_t s) {
    int32_t exponent = bits >> 10 & 31, w = (bits & 1023) + 1024;
    if (exponent == 0) {
        return w == 1024 ? 0 : BAD_WEIGHT;
    }
    if (exponent == 31 || s < -4) {
        return BAD_WEIGHT;
    }
    return s > 12 ? 0 : (bits & 0x8000 ? -w : w) * (1 << -s);
}

// A float16 times 2^shift, rounded half up; BAD_WEIGHT for infinities, NaN, subnormals, and what int16 does not hold.
ALWAYS_INLINE int32_t weight(uint32_t bits, int32_t shift) {
    int32_t w = (bits & 1023) + 1024, s = 25 - (int32_t)(bits >> 10 & 31) - shift;
    if (((bits + 0x400) & 0x7800) == 0 || (uint32_t)(s - 1) >= 12) { // an exponent of 0 or 31, or no shift by 1..12
        return rare_weight(bits, s);
    }
    return ((bits & 0x8000 ? -w : w) + (1 << (s - 1))) >> s;
}

// The tap of the next weight; -1 where the positions end or leave the filter.
ALWAYS_INLINE int32_t advance(weights_t *d) {
    int32_t gap = 0;
    if (d->sparse) {
        int32_t more;
        do {
            if (d->positions == d->end) {
                return -1;
            }
            more = *d->positions++;
            gap += more;
        } while (more == 255);
    }
    d->position += gap + 1;
    return d->position < d->taps ? d->position : -1;
}

// Taps as (byte delta, weight). Returns the list's end, or NULL for bad data.
static int32_t *decode_list(const conv_t *p, weights_t *state, int32_t n, int32_t *list) {
    weights_t d = *state; // a copy, which the stores into the list cannot alias
    const int32_t pitch = p->pitch, size = 2 * p->size;
    const int32_t offsets[9] = {0, 2, 4, 2 * pitch, 2 * pitch + 2, 2 * pitch + 4, 4 * pitch, 4 * pitch + 2, 4 * pitch + 4};
    int32_t before = 0, channel = 0, base = 0;
    for (; n > 0; n--) {
        int32_t at = advance(&d), w = weight(*d.values++, d.shift);
        if (at < 0 || w == BAD_WEIGHT) {
            return NULL;
        }
        if (pitch) {
            for (; at - channel >= 9; channel += 9) {
                base += size;
            }
            at = base + offsets[at - channel];
        } else {
            at *= 2;
        }
        list[0] = at - before;
        list[1] = w;
        list += 2;
        before = at;
    }
    *state = d;
    return list;
}

// The byte deltas of a list of rows of three weights; returns its end.
static int32_t *prepare_rows(const conv_t *p, int32_t *list) {
    int32_t along = 2 * p->pitch, on = 2 * (p->size - 2 * p->pitch), delta = 0;
    for (int32_t t = p->taps; t > 0; t -= 9, list += 12, delta = on) {
        list[3] = delta;
        list[7] = list[11] = along;
    }
    return list;
}

// All taps as rows of three weights.
static int32_t *decode_rows(const conv_t *p, weights_t *d, int32_t *list) {
    int32_t *end = prepare_rows(p, list), shift = d->shift;
    const uint16_t *values = d->values;
    d->values += p->taps;
    for (; list != end; list += 4, values += 3) {
        int32_t u = weight(values[0], shift), v = weight(values[1], shift), w = weight(values[2], shift);
        if (u == BAD_WEIGHT || v == BAD_WEIGHT || w == BAD_WEIGHT) {
            return NULL;
        }
        list[0] = u;
        list[1] = v;
        list[2] = w;
    }
    return end;
}

// The same from a sparse filter: what the file leaves out is zero.
static int32_t *decode_sparse_rows(const conv_t *p, weights_t *state, int32_t n, int32_t *list) {
    weights_t d = *state;
    int32_t *end = prepare_rows(p, list), start = 0;
    for (int32_t *row = list; row != end; row += 4) {
        row[0] = row[1] = row[2] = 0;
    }
    for (; n > 0; n--) {
        int32_t at = advance(&d), w = weight(*d.values++, d.shift);
        if (at < 0 || w == BAD_WEIGHT) {
            return NULL;
        }
        for (; at - start >= 3; start += 3) {
            list += 4;
        }
        list[at - start] = w;
    }
    *state = d;
    return end;
}

static int32_t *decode(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list) {
    if (!by_rows) {
        return decode_list(p, d, n, list);
    }
    return d->sparse ? decode_sparse_rows(p, d, n, list) : decode_rows(p, d, list);
}

// A float32, given as its bits, times 2^shift, rounded half up. False if it is not finite or does not fit.
static bool integer_bias(const uint8_t *b, int32_t shift, int32_t *bias) {
    uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    int32_t exponent = bits >> 23 & 255, m = bits & 0x7FFFFF;
    if (exponent == 255) {
        return false;
    }
    m |= exponent ? 0x800000 : 0;
    m = bits >> 31 ? -m : m;
    shift += (exponent ? exponent : 1) - 150;
    if (shift < 0) {
        *bias = shift < -25 ? 0 : (m + (1 << (-shift - 1))) >> -shift;
        return true;
    }
    if (m == 0) {
        *bias = 0;
        return true;
    }
    int32_t limit = shift > 31 ? 0 : INT32_MAX >> shift;
    if (m > limit || m < -limit) {
        return false;
    }
    *bias = m * (1 << shift);
    return true;
}

#endif
