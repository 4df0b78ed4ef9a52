// Turns a value of the file into a weight. Inlined, so that each loop gets its own copy.
#ifndef L3_WEIGHTS_H
#define L3_WEIGHTS_H

#include "l3native.h"

#define BAD_WEIGHT 0x10000

// weight() of the rare cases: zeros, values that round to zero, values that are shifted left, and bad data.
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

// A float16 times 2^shift, rounded half up; BAD_WEIGHT for infinities, NaN, subnormals, and what int16 cannot hold.
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
        bits = d->palette->halves[*d->values++];
    } else {
        bits = *(const uint16_t *)(const void *)d->values;
        d->values += 2;
    }
    return weight(bits, d->shift);
}

#endif
