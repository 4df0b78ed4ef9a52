// For architectures without assembly of their own: sums in C, and nothing faster than conv.c and decode.c.
#include "l3native.h"
#include "sums.h"

// One copy for each sign, so that the inner loops do not branch on it.
static NOINLINE void sum_row_signed(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line) {
    sum_row(f, x, columns, line, true);
}

static NOINLINE void sum_row_unsigned(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line) {
    sum_row(f, x, columns, line, false);
}

L3_LOCAL void sum_line(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed) {
    (is_signed ? sum_row_signed : sum_row_unsigned)(f, x, columns, line);
}

L3_LOCAL bool conv_blocks(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out) {
    (void)p, (void)f, (void)shift, (void)x, (void)out;
    return false;
}

L3_LOCAL void prepare_factors(factors_t *q, const conv_t *p) {
    (void)q, (void)p;
}

L3_LOCAL bool takes_rows(const conv_t *p, int32_t n, size_t room) {
    return rows_pay(p, n, room);
}

L3_LOCAL int32_t *decode_filter(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, factors_t *q, size_t room) {
    (void)q;
    return decode(p, d, n, by_rows, list, room);
}
