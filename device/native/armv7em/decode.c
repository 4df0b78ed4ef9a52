// Lists as sums.S reads them: of rows, pairs of weights.
#include "l3native.h"

// Rows of (u, v, w, byte delta) become (u, v), (v, w), byte delta. Returns their end.
static int32_t *pair_weights(int32_t *list, const int32_t *end) {
    int32_t *to = list;
    for (; list != end; list += 4, to += 3) {
        int32_t u = list[0], v = list[1], w = list[2], delta = list[3];
        to[0] = (u & 0xFFFF) | (int32_t)((uint32_t)v << 16);
        to[1] = (v & 0xFFFF) | (int32_t)((uint32_t)w << 16);
        to[2] = delta;
    }
    return to;
}

L3_LOCAL int32_t *decode_filter(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, factors_t *q, size_t room) {
    (void)q;
    int32_t *end = decode(p, d, n, by_rows, list, room);
    return end && by_rows ? pair_weights(list, end) : end;
}
