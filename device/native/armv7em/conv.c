// The C side of sums.S, and of its lists.
#include "l3native.h"
#include "sums.h"

// The assembly's frame on the stack.
typedef struct {
    const uint16_t *x;
    const int32_t *list;
    uint32_t bias;
    const int32_t *end;
    int32_t *line;
    int32_t blocks; // of eight pixels, at least 1
} blocks_t;

_Static_assert(sizeof(blocks_t) == 24, "sums.S copies as much");

typedef void blocks_loop_t(const blocks_t *);
extern __attribute__((visibility("hidden"))) blocks_loop_t l3_list8, l3_rows8;

// Planes of fewer columns are left to the C.
ALWAYS_INLINE bool has_blocks(int32_t columns) {
    return columns >= 8;
}

L3_LOCAL NOINLINE void sum_line(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed) {
    if (!has_blocks(columns)) {
        sum_row(f, x, columns, line, true);
        return;
    }
    (void)is_signed;
    blocks_loop_t *loop = f->by_rows ? l3_rows8 : l3_list8;
    blocks_t b = {x, f->list, f->bias, f->end, line, columns >> 3};
    loop(&b);
    if (columns & 7) { // the last block overlaps the one before
        b.x = x + columns - 8, b.line = line + columns - 8, b.blocks = 1;
        loop(&b);
    }
}

L3_LOCAL bool conv_blocks(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out) {
    (void)p, (void)f, (void)shift, (void)x, (void)out;
    return false;
}

// ---- lists

L3_LOCAL bool takes_rows(const conv_t *p, int32_t n, size_t room) {
    return rows_pay(p, n, room);
}

L3_LOCAL void prepare_factors(factors_t *q, const conv_t *p) {
    (void)q, (void)p;
}

// Rows of (u, v, w, byte delta) as l3_rows8 reads them: (u, v), (v, w), byte delta. Returns their end.
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
    return end && by_rows && has_blocks(p->columns) ? pair_weights(list, end) : end;
}
