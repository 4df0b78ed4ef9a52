// The C side of sums.S: how a filter's rows are cut into blocks.
#include "l3native.h"
#include "sums.h"

// What is stored: a result for each pixel; for each two columns; the same if larger than what is there; the sums themselves.
enum { RESULTS, PAIRS, MERGED_PAIRS, SUMS };

// The assembly's frame on the stack. Lengths are in bytes.
typedef struct {
    const uint16_t *x; // of the first block
    const int32_t *list;
    uint32_t bias;
    const int32_t *end;
    void *out;
    int32_t shift, most, mode;
    const uint16_t *x_end; // after the first row's last block
    int32_t span, pitch, rows;
    void *row_out;
    int32_t out_pitch, within, pool_rows;
} blocks_t;

_Static_assert(
    offsetof(blocks_t, out) == 16 && offsetof(blocks_t, x_end) == 32 && offsetof(blocks_t, row_out) == 48 && sizeof(blocks_t) == 64,
    "sums.S has these offsets");

typedef void blocks_loop_t(const blocks_t *);
extern __attribute__((visibility("hidden"))) blocks_loop_t l3_list8, l3_rows6, l3_rows4, l3_signed8, l3_signed6, l3_signed4;

// n blocks of `width` columns from column `at` on. x, out: of column 0.
static void run_blocks(blocks_loop_t *loop, blocks_t *b, const uint16_t *x, void *out, int32_t width, int32_t at, int32_t n) {
    if (n > 0) {
        b->x = x + at;
        b->x_end = b->x + n * width;
        b->span = 2 * n * width;
        b->out = b->row_out = (uint8_t *)out + (b->mode == SUMS ? 4 * at : b->mode == RESULTS ? 2 * at : at);
        loop(b);
    }
}

// All of a filter's blocks. The last block of a row overlaps the one before, unless widths of 4 and 6 add up.
static void run_rows(blocks_t *b, const uint16_t *x, void *out, int32_t columns, bool by_rows, bool is_signed) {
    if (!by_rows) {
        blocks_loop_t *eight = is_signed ? l3_signed8 : l3_list8;
        run_blocks(eight, b, x, out, 8, 0, columns >> 3);
        run_blocks(eight, b, x, out, 8, columns - 8, columns & 7 ? 1 : 0);
        return;
    }
    int32_t six = 0, at = 0;
    for (; columns - at > 8 || columns - at == 6; at += 6) { // the rest can be a multiple of 4
        six++;
    }
    run_blocks(is_signed ? l3_signed6 : l3_rows6, b, x, out, 6, 0, six);
    blocks_loop_t *four = is_signed ? l3_signed4 : l3_rows4;
    run_blocks(four, b, x, out, 4, at, (columns - at) >> 2);
    run_blocks(four, b, x, out, 4, columns - 4, (columns - at) & 3 ? 1 : 0);
}

// Sets what all blocks of a filter share. The assembly works on a copy of b.
static void set_filter(blocks_t *b, const filter_t *f, int32_t shift, int32_t most, int32_t mode) {
    b->list = f->list, b->end = f->end, b->bias = f->bias;
    b->shift = shift, b->most = most, b->mode = mode;
}

static void set_rows(blocks_t *b, int32_t rows, int32_t pitch, int32_t out_pitch, int32_t within, int32_t pool_rows) {
    b->rows = rows, b->pitch = 2 * pitch, b->out_pitch = 2 * out_pitch, b->within = within, b->pool_rows = pool_rows;
}

static bool has_blocks(const filter_t *f, int32_t columns) {
    return columns >= (f->by_rows ? 4 : 8);
}

L3_LOCAL NOINLINE void sum_line(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed) {
    if (!has_blocks(f, columns) && is_signed) {
        sum_narrow(f, x, columns, line, true);
    } else if (!has_blocks(f, columns)) {
        sum_narrow(f, x, columns, line, false);
    } else {
        blocks_t b;
        set_filter(&b, f, 0, 0, SUMS);
        set_rows(&b, 1, 0, 0, 0, 1);
        run_rows(&b, x, line, columns, f->by_rows, is_signed);
    }
}

// conv_lines without lines, for the common layers: ReLU, pools of one or two columns.
L3_LOCAL bool conv_blocks(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out) {
    int32_t columns = p->pool_columns * p->out_columns;
    bool pooled = p->pool_columns == 2;
    if (p->least != 0 || p->pool_columns > 2 || (!pooled && p->pool_rows > 1) || !has_blocks(f, columns)) {
        return false;
    }
    blocks_t b;
    set_filter(&b, f, shift, p->most, !pooled ? RESULTS : p->within ? MERGED_PAIRS : PAIRS);
    set_rows(&b, p->rows, p->pitch, p->out_pitch, p->within, p->pool_rows);
    run_rows(&b, x, out, columns, f->by_rows, p->is_signed);
    return true;
}
