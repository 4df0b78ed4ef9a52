// The C side of sums.inc: how a row of pixels is cut into blocks. For Cortex-M3 and for Cortex-M with DSP.
#include "l3native.h"
#include "sums.h"

// The assembly's frame on the stack.
typedef struct {
    const uint16_t *x;
    const int32_t *list;
    uint32_t bias;
    const int32_t *end;
    int32_t *line;
    int32_t blocks; // side by side, at least 1
} blocks_t;

_Static_assert(sizeof(blocks_t) == 24, "sums.inc copies as much");

typedef void blocks_loop_t(const blocks_t *);
extern __attribute__((visibility("hidden"))) blocks_loop_t l3_list8, l3_rows8, l3_rows4;

static void run_blocks(blocks_loop_t *loop, const filter_t *f, const uint16_t *x, int32_t *line, int32_t at, int32_t blocks) {
    if (blocks > 0) {
        blocks_t b = {x + at, f->list, f->bias, f->end, line + at, blocks};
        loop(&b);
    }
}

// Pixels are read as signed: outputs of a ReLU are at most 32767.
L3_LOCAL NOINLINE void sum_line(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed) {
    (void)is_signed;
    if (!f->by_rows && columns < 8) {
        sum_narrow(f, x, columns, line, true);
        return;
    }
    int32_t at = columns & ~7;
    run_blocks(f->by_rows ? l3_rows8 : l3_list8, f, x, line, 0, columns >> 3);
    if (!f->by_rows) {
        run_blocks(l3_list8, f, x, line, columns - 8, at < columns);
        return;
    }
    for (; at < columns; at += 4) {
        run_blocks(l3_rows4, f, x, line, place(at, 4, columns), 1);
    }
}

L3_LOCAL bool conv_blocks(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out) {
    (void)p, (void)f, (void)shift, (void)x, (void)out;
    return false;
}

L3_LOCAL bool takes_rows(const conv_t *p, int32_t n, size_t room) {
    return rows_pay(p, n, room); // which asks for four columns, as l3_rows4 does
}

L3_LOCAL void prepare_factors(factors_t *q, const conv_t *p) {
    (void)q, (void)p;
}
