// Cortex-M0 and M0+: what sums.S and weights.S need from the C files. For l3native.h, which includes it.
#ifndef L3_ARCH_H
#define L3_ARCH_H

#define POOLS_IN_C 0 // sums.S has done the common ones

enum { GROUP = 8 }; // channels

// What weights.S multiplies with, and the tables of palette.S.
typedef struct {
    int32_t shift;
    int32_t tiny; // largest exponent of values that round to zero
    int32_t of[64]; // by sign and exponent: 2^16 times the value of a mantissa's unit; 0 for what is rare
    int32_t from, to; // the exponents that are not rare
    int32_t channels;
    uint32_t ways[9 * GROUP]; // from the first channel's first tap to each tap of a group, in bytes
    palette_t palette;
} factors_t;

#define MEL_IN_ASSEMBLY 1

// mel.S
extern __attribute__((visibility("hidden"))) void l3_turns(
    uint32_t *z, uint32_t *end, int32_t size, const int32_t *cos, int32_t stride, int32_t quarter);
extern __attribute__((visibility("hidden"))) void l3_last_stages(uint32_t *z, uint32_t *end);
extern __attribute__((visibility("hidden"))) void l3_shift_right(uint32_t *z, uint32_t *end, int shift);
extern __attribute__((visibility("hidden"))) void l3_put_pairs(
    const uint32_t *a, const uint32_t *b, uint32_t *power, uint8_t *shifts, const int32_t *cos, int32_t k, int32_t quarter);
extern __attribute__((visibility("hidden"))) uint32_t l3_band_power(
    const uint32_t *power, const uint8_t *shifts, const uint16_t *weights, int32_t n, int32_t *exponent);

// The core has no instruction for it (CLZ).
ALWAYS_INLINE int bit_length(uint32_t x) {
    int n = 0;
    if (x >> 16) {
        x >>= 16, n = 16;
    }
    if (x >> 8) {
        x >>= 8, n += 8;
    }
    if (x >> 4) {
        x >>= 4, n += 4;
    }
    if (x >> 2) {
        x >>= 2, n += 2;
    }
    return n + (int)(x - (x >> 1 & x)); // 0, 1, 2, 3 -> 0, 1, 2, 2
}

#endif
