// Architectures without assembly of their own. For l3native.h, which includes it.
#ifndef L3_ARCH_H
#define L3_ARCH_H

#define POOLS_IN_C 1 // conv.c has a copy of its pool for each common width
#define MEL_IN_ASSEMBLY 0

typedef struct {
    palette_t palette;
} factors_t;

ALWAYS_INLINE int bit_length(uint32_t x) {
    return x ? 32 - __builtin_clz(x) : 0;
}

#endif
