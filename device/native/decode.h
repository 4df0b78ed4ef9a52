// The weights of a chunk's filters: float16 or palette -> int16, positions -> offsets, as the lists that conv.h's inner loops read.
#ifndef L3_DECODE_H
#define L3_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define MAX_TAPS (9 * 4096)
#define BAD_WEIGHT 0x10000
#define PALETTE_BYTES 512

enum { ALL, BYTE_GAPS, NIBBLE_GAPS, BITMAP }; // position codes

// Positions wait at the end of the memory that the list grows into: the two may share words.
typedef uint16_t __attribute__((may_alias)) position_t;

// Parameters, in the order of native.py's array. Offsets into planes count elements, those into the chunk bytes.
typedef struct {
    int32_t filters, biases, counts, values, positions, end; // the chunk and where its parts stand
    int32_t first_shift, to; // its first filter: index into shifts, element of the output
    int32_t palette; // where 256 float16 stand, 0 if values are float16 themselves
    int32_t code, taps, exponent, out_exponent, least, most, is_signed; // the layer
    int32_t pitch, size, first, rows, columns; // input: pitch 0 for a dense layer; first: corner of the first pixel's window
    int32_t out_pitch, out_size, pool_rows, pool_columns, within, out_columns; // within: first row's place in its group
} conv_t;

typedef struct {
    const uint8_t *values, *positions, *end;
    const uint16_t *palette;
    int32_t shift;
} weights_t;

// weight() of zeros, of what rounds to zero, of what moves to the left, and of bad data.
static NOINLINE int32_t rare_weight(uint32_t bits, int32_t s) {
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

// The next value, times 2^shift.
ALWAYS_INLINE int32_t next_weight(weights_t *d) {
    uint32_t bits;
    if (d->palette) {
        bits = d->palette[*d->values++];
    } else {
        bits = *(const uint16_t *)(const void *)d->values;
        d->values += 2;
    }
    return weight(bits, d->shift);
}

// n gaps of a byte, or of half a byte, as taps. False where they end or leave the filter.
ALWAYS_INLINE bool unpack_gaps(weights_t *d, int32_t taps, int32_t n, position_t *to, bool nibbles) {
    const uint8_t *at = d->positions, *end = d->end;
    int32_t next = 0, rest = -1, skip = nibbles ? 15 : 255; // rest: the high half of a byte, if it is still to be used
    for (position_t *stop = to + n; to < stop;) {
        int32_t gap;
        if (nibbles && rest >= 0) {
            gap = rest;
            rest = -1;
        } else {
            if (at == end) {
                return false;
            }
            gap = *at++;
            if (nibbles) {
                rest = gap >> 4;
                gap &= 15;
            }
        }
        next += gap;
        if (gap == skip) {
            continue;
        }
        if (next >= taps) {
            return false;
        }
        *to++ = (position_t)next++;
    }
    d->positions = at;
    return true;
}

static bool unpack_bitmap(weights_t *d, int32_t taps, int32_t n, position_t *to) {
    const uint8_t *at = d->positions;
    if (d->end - at < (taps + 7) >> 3) {
        return false;
    }
    position_t *stop = to + n;
    for (int32_t first = 0; first < taps; first += 8) {
        int32_t position = first;
        for (uint32_t bits = *at++; bits; bits >>= 1, position++) {
            if (bits & 1) {
                if (to == stop) {
                    return false;
                }
                *to++ = (position_t)position;
            }
        }
    }
    d->positions = at;
    return to == stop && (n == 0 || to[-1] < taps);
}

// The taps of a filter's n weights, ascending.
static NOINLINE bool unpack(weights_t *d, int32_t code, int32_t taps, int32_t n, position_t *to) {
    if (code == BYTE_GAPS) {
        return unpack_gaps(d, taps, n, to, false);
    }
    if (code == NIBBLE_GAPS) {
        return unpack_gaps(d, taps, n, to, true);
    }
    if (code == BITMAP) {
        return unpack_bitmap(d, taps, n, to);
    }
    for (int32_t i = 0; i < n; i++) {
        to[i] = (position_t)i;
    }
    return true;
}

// The byte delta of each tap from the one before, into every other word.
static NOINLINE void list_deltas(const conv_t *p, const position_t *position, int32_t *list, int32_t *end) {
    const int32_t pitch = p->pitch, size = 2 * p->size;
    const int32_t offsets[9] = {0, 2, 4, 2 * pitch, 2 * pitch + 2, 2 * pitch + 4, 4 * pitch, 4 * pitch + 2, 4 * pitch + 4};
    int32_t before = 0, channel = 0, base = 0;
    for (; list != end; list += 2) {
        int32_t at = *position++;
        if (pitch) {
            for (; at - channel >= 9; channel += 9) {
                base += size;
            }
            at = base + offsets[at - channel];
        } else {
            at *= 2;
        }
        list[0] = at - before;
        before = at;
    }
}

ALWAYS_INLINE bool list_values(weights_t *d, int32_t *list, int32_t *end, bool palette) {
    const uint8_t *values = d->values;
    for (; list != end; list += 2) {
        uint32_t bits = palette ? d->palette[values[0]] : *(const uint16_t *)(const void *)values;
        int32_t w = weight(bits, d->shift);
        if (w == BAD_WEIGHT) {
            return false;
        }
        values += palette ? 1 : 2;
        list[1] = w;
    }
    d->values = values;
    return true;
}

static NOINLINE bool list_weights(weights_t *state, int32_t *list, int32_t *end) {
    weights_t d = *state; // a copy, which the stores into the list cannot alias
    bool good = d.palette ? list_values(&d, list, end, true) : list_values(&d, list, end, false);
    state->values = d.values;
    return good;
}

// Taps as (byte delta, weight). Returns the list's end, or NULL for bad data. One loop for each: few registers do for it.
static int32_t *decode_list(const conv_t *p, weights_t *d, const position_t *position, int32_t n, int32_t *list) {
    int32_t *end = list + 2 * n;
    list_deltas(p, position, list, end);
    return list_weights(d, list, end) ? end : NULL;
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
static int32_t *decode_rows(const conv_t *p, weights_t *state, int32_t *list) {
    weights_t d = *state;
    int32_t *end = prepare_rows(p, list);
    for (; list != end; list += 4) {
        int32_t u = next_weight(&d), v = next_weight(&d), w = next_weight(&d);
        if (u == BAD_WEIGHT || v == BAD_WEIGHT || w == BAD_WEIGHT) {
            return NULL;
        }
        list[0] = u;
        list[1] = v;
        list[2] = w;
    }
    *state = d;
    return end;
}

// The same from a sparse filter: what the file leaves out is zero.
static int32_t *decode_sparse_rows(const conv_t *p, weights_t *state, const position_t *position, int32_t n, int32_t *list) {
    weights_t d = *state;
    int32_t *end = prepare_rows(p, list), start = 0;
    for (int32_t *row = list; row != end; row += 4) {
        row[0] = row[1] = row[2] = 0;
    }
    for (; n > 0; n--) {
        int32_t at = *position++, w = next_weight(&d);
        if (w == BAD_WEIGHT) {
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

// Rows of three weights, 8/3 half words a tap, and the positions behind them.
ALWAYS_INLINE bool rows_fit(int32_t taps, int32_t n, size_t room) {
    return 8 * (size_t)taps + 3 * (size_t)n <= 6 * room;
}

// Where a filter's n positions wait: at the end of the list's room.
ALWAYS_INLINE position_t *waiting(int32_t *list, size_t room, int32_t n) {
    return (position_t *)(list + room) - n;
}

// One filter of n weights into a list of `room` words, two a weight at least; positions take the last n halves of words. A list
// entry never overwrites a position that is still to be read: entry i ends before half word 4 i + 4, the next position stands at
// 2 room - n + i + 1, no less than 3 n + i + 1.
static int32_t *decode(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, size_t room) {
    if (by_rows && p->code == ALL) {
        return decode_rows(p, d, list);
    }
    position_t *positions = waiting(list, room, n);
    if (!unpack(d, p->code, p->taps, n, positions)) {
        return NULL;
    }
    return by_rows ? decode_sparse_rows(p, d, positions, n, list) : decode_list(p, d, positions, n, list);
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
