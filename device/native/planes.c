// Moves and clears rows of channel planes, and copies the last plane's columns into an embedding.
#include "l3native.h"

L3_LOCAL bool planes_allowed(const planes_t *p, size_t n) {
    const int32_t most = 1 << 28;
    return p->channels >= 1
        && p->channels <= 65535
        && p->size >= 0
        && p->pitch >= 1
        && p->first >= 0
        && p->first < most
        && p->rows >= 0
        && p->rows < most
        && inside(p->channels - 1, p->size, p->first + p->rows, p->pitch, 0, n + 1);
}

typedef uint32_t __attribute__((may_alias)) pair_t; // of int16

// Moves n int16 to lower addresses.
static void move_back(uint16_t *to, const uint16_t *from, int32_t n) {
    if ((((uintptr_t)to | (uintptr_t)from) & 3) == 0) {
        pair_t *pairs = (pair_t *)(void *)to;
        const pair_t *from_pairs = (const pair_t *)(const void *)from;
        for (; n > 7; n -= 8, pairs += 4, from_pairs += 4) {
            pair_t a = from_pairs[0], b = from_pairs[1], c = from_pairs[2], d = from_pairs[3];
            pairs[0] = a, pairs[1] = b, pairs[2] = c, pairs[3] = d;
        }
        for (; n > 1; n -= 2) {
            *pairs++ = *from_pairs++;
        }
        to = (uint16_t *)(void *)pairs, from = (const uint16_t *)(const void *)from_pairs;
    }
    for (; n > 0; n--) {
        *to++ = *from++;
    }
}

L3_LOCAL void planes_slide(const planes_t *p, uint16_t *plane) {
    for (int32_t c = 0; c < p->channels; c++, plane += p->size) {
        move_back(plane, plane + (size_t)p->first * p->pitch, p->rows * p->pitch);
    }
}

L3_LOCAL bool columns_allowed(const columns_t *p, size_t n, size_t n_out) {
    return p->channels >= 1
        && p->channels <= 65535
        && p->rows >= 1
        && p->rows <= 65535
        && p->columns >= 1
        && p->columns <= 65535
        && p->size >= 0
        && p->pitch >= 0
        && p->inset >= 0
        && p->inset < 1 << 28
        && p->to >= 0
        && inside(p->channels - 1, p->size, p->rows - 1, p->pitch, p->inset + p->columns - 1, n)
        && (uint64_t)p->to + (uint64_t)(uint32_t)p->rows * (uint32_t)p->columns * (uint32_t)p->channels <= n_out;
}

L3_LOCAL void flatten(const columns_t *p, const int16_t *plane, int16_t *out) {
    out += p->to;
    for (int32_t x = 0; x < p->columns; x++) {
        for (int32_t y = 0; y < p->rows; y++) {
            const int16_t *from = plane + p->inset + x + (size_t)y * p->pitch;
            for (int32_t c = 0; c < p->channels; c++, from += p->size, out++) {
                if (p->opening || *from > *out) {
                    *out = *from;
                }
            }
        }
    }
}

L3_LOCAL void planes_clear(const planes_t *p, uint16_t *plane) {
    plane += (size_t)p->first * p->pitch;
    for (int32_t c = 0; c < p->channels; c++, plane += p->size) {
        for (int32_t i = 0; i < p->rows * p->pitch; i++) {
            plane[i] = 0;
        }
    }
}
