// Integer convolution of one chunk of filters: decode, 3x3 sums, max pool, requantise. The same integers, bit for bit, as
// host/l3host/reference/fixed.py. Plain C that knows nothing of MicroPython, so that the host can build it with sanitizers.
//
// Sums are uint32_t: a calibrated file cannot overflow them, a hostile one wraps around without undefined behaviour.
// Pooling precedes requantisation here: shift, round and saturate are monotonic, so the order does not change a bit.
#ifndef L3_CONV_H
#define L3_CONV_H

#include "decode.h"

#if defined(__ARM_ARCH_6M__) && !defined(L3_NO_ASM)
#define L3_ASM 1
#else
#define L3_ASM 0
#endif

typedef struct {
    const uint8_t *chunk;
    size_t chunk_bytes;
    const int8_t *shifts;
    size_t n_shifts;
    const uint16_t *in;
    size_t n_in;
    int16_t *out;
    size_t n_out;
    int32_t *scratch; // the list of one filter, two words a weight, then two lines of sums
    size_t n_scratch;
} conv_buffers_t;

// ---- inner loops: sums of 8, 4 or 1 neighbouring pixels

ALWAYS_INLINE const uint16_t *forward(const uint16_t *x, int32_t bytes) {
    return (const uint16_t *)(const void *)((const uint8_t *)x + bytes);
}

ALWAYS_INLINE uint32_t pixel(const uint16_t *x, int i, bool is_signed) {
    return is_signed ? (uint32_t)(int16_t)x[i] : x[i];
}

// List entries: byte delta from the tap before, weight.
ALWAYS_INLINE void list8(const uint16_t *x, const int32_t *list, const int32_t *end, int32_t *sums, uint32_t bias, bool is_signed) {
    uint32_t a = bias, b = bias, c = bias, d = bias, e = bias, f = bias, g = bias, h = bias;
    while (list != end) {
        x = forward(x, list[0]);
        uint32_t w = (uint32_t)list[1];
        list += 2;
        a += w * pixel(x, 0, is_signed);
        b += w * pixel(x, 1, is_signed);
        c += w * pixel(x, 2, is_signed);
        d += w * pixel(x, 3, is_signed);
        e += w * pixel(x, 4, is_signed);
        f += w * pixel(x, 5, is_signed);
        g += w * pixel(x, 6, is_signed);
        h += w * pixel(x, 7, is_signed);
    }
    sums[0] = (int32_t)a, sums[1] = (int32_t)b, sums[2] = (int32_t)c, sums[3] = (int32_t)d;
    sums[4] = (int32_t)e, sums[5] = (int32_t)f, sums[6] = (int32_t)g, sums[7] = (int32_t)h;
}

ALWAYS_INLINE void list4(const uint16_t *x, const int32_t *list, const int32_t *end, int32_t *sums, uint32_t bias, bool is_signed) {
    uint32_t a = bias, b = bias, c = bias, d = bias;
    while (list != end) {
        x = forward(x, list[0]);
        uint32_t w = (uint32_t)list[1];
        list += 2;
        a += w * pixel(x, 0, is_signed);
        b += w * pixel(x, 1, is_signed);
        c += w * pixel(x, 2, is_signed);
        d += w * pixel(x, 3, is_signed);
    }
    sums[0] = (int32_t)a, sums[1] = (int32_t)b, sums[2] = (int32_t)c, sums[3] = (int32_t)d;
}

ALWAYS_INLINE void list1(const uint16_t *x, const int32_t *list, const int32_t *end, int32_t *sums, uint32_t bias, bool is_signed) {
    while (list != end) {
        x = forward(x, list[0]);
        bias += (uint32_t)list[1] * pixel(x, 0, is_signed);
        list += 2;
    }
    sums[0] = (int32_t)bias;
}

// Row entries: three weights of one kernel row, byte delta from the row before. Six loads serve twelve products.
ALWAYS_INLINE void rows4(const uint16_t *x, const int32_t *list, const int32_t *end, int32_t *sums, uint32_t bias, bool is_signed) {
    uint32_t a = bias, b = bias, c = bias, d = bias;
    while (list != end) {
        uint32_t u = (uint32_t)list[0], v = (uint32_t)list[1], w = (uint32_t)list[2];
        x = forward(x, list[3]);
        list += 4;
        a += u * pixel(x, 0, is_signed);
        uint32_t p = pixel(x, 1, is_signed);
        a += v * p, b += u * p;
        p = pixel(x, 2, is_signed);
        a += w * p, b += v * p, c += u * p;
        p = pixel(x, 3, is_signed);
        b += w * p, c += v * p, d += u * p;
        p = pixel(x, 4, is_signed);
        c += w * p, d += v * p;
        d += w * pixel(x, 5, is_signed);
    }
    sums[0] = (int32_t)a, sums[1] = (int32_t)b, sums[2] = (int32_t)c, sums[3] = (int32_t)d;
}

// ---- one row of pixels; the last block of a row overlaps the one before

typedef struct {
    const int32_t *list, *end;
    uint32_t bias; // with the rounding of the shift
    bool by_rows;
} filter_t;

ALWAYS_INLINE int32_t place(int32_t at, int32_t width, int32_t columns) {
    return at + width > columns ? columns - width : at;
}

// Planes of fewer than 8 columns, where a list is no list of rows.
ALWAYS_INLINE void sum_narrow(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed) {
    int32_t at = 0;
    for (; columns >= 4 && at < columns; at += 4) {
        int32_t i = place(at, 4, columns);
        list4(x + i, f->list, f->end, line + i, f->bias, is_signed);
    }
    for (; at < columns; at++) {
        list1(x + at, f->list, f->end, line + at, f->bias, is_signed);
    }
}

ALWAYS_INLINE void sum_row(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed) {
    if (!f->by_rows && columns < 8) {
        sum_narrow(f, x, columns, line, is_signed);
        return;
    }
    int32_t width = f->by_rows ? 4 : 8;
    for (int32_t at = 0; at < columns; at += width) {
        int32_t i = place(at, width, columns);
        if (f->by_rows) {
            rows4(x + i, f->list, f->end, line + i, f->bias, is_signed);
        } else {
            list8(x + i, f->list, f->end, line + i, f->bias, is_signed);
        }
    }
}

#if L3_ASM

#include "conv_armv6m.h"

static NOINLINE void sum_line(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed) {
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

#else

// One copy for each sign, so that it is no question in the inner loops.
static NOINLINE void sum_row_signed(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line) {
    sum_row(f, x, columns, line, true);
}

static NOINLINE void sum_row_unsigned(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line) {
    sum_row(f, x, columns, line, false);
}

ALWAYS_INLINE void sum_line(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed) {
    (is_signed ? sum_row_signed : sum_row_unsigned)(f, x, columns, line);
}

#endif

// ---- pool and requantise

static void merge_line(int32_t *line, const int32_t *other, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        if (other[i] > line[i]) {
            line[i] = other[i];
        }
    }
}

// One row of the output from the greatest sums of its group of rows. again: part of the group came with an earlier strip.
ALWAYS_INLINE void finish(const conv_t *p, const int32_t *line, int shift, int16_t *out, bool again, int32_t pool_columns) {
    int32_t least = p->least, most = p->most;
    for (int16_t *end = out + p->out_columns; out < end; out++) {
        int32_t best = *line++;
        for (int32_t k = 1; k < pool_columns; k++, line++) {
            best = *line > best ? *line : best;
        }
        best >>= shift;
        best = best < least ? least : best;
        best = best > most ? most : best;
        if (again && *out > best) {
            best = *out;
        }
        *out = (int16_t)best;
    }
}

static void finish_row(const conv_t *p, const int32_t *line, int shift, int16_t *out, bool again) {
    if (L3_ASM) { // has done the common pools
        finish(p, line, shift, out, again, p->pool_columns);
    } else if (again) {
        finish(p, line, shift, out, true, p->pool_columns);
    } else if (p->pool_columns == 1) {
        finish(p, line, shift, out, false, 1);
    } else if (p->pool_columns == 2) {
        finish(p, line, shift, out, false, 2);
    } else {
        finish(p, line, shift, out, false, p->pool_columns);
    }
}

static void conv_lines(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out, int32_t *lines) {
    int32_t within = p->within;
    bool again = within > 0, fresh = true;
    for (int32_t y = 0; y < p->rows; y++, x += p->pitch) {
        int32_t *line = fresh ? lines : lines + p->columns;
        sum_line(f, x, p->columns, line, p->is_signed);
        if (!fresh) {
            merge_line(lines, line, p->columns);
        }
        fresh = ++within == p->pool_rows;
        if (fresh || y == p->rows - 1) {
            finish_row(p, lines, shift, out, again);
            out += p->out_pitch;
            within = 0;
            again = false;
        }
    }
}

#if L3_ASM

// conv_lines without lines, for the common layers: ReLU, pools of one or two columns.
static bool conv_blocks(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out) {
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

#endif

static void conv_filter(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out, int32_t *lines) {
#if L3_ASM
    if (conv_blocks(p, f, shift, x, out)) {
        return;
    }
#endif
    conv_lines(p, f, shift, x, out, lines);
}

// ---- a chunk

// Does the last element of a * b + c * d + rest (all of them not negative) stand before n?
static NOINLINE bool inside(int32_t a, int32_t b, int32_t c, int32_t d, int32_t rest, size_t n) {
    return (uint64_t)(uint32_t)a * (uint32_t)b + (uint64_t)(uint32_t)c * (uint32_t)d + (uint32_t)rest < n;
}

ALWAYS_INLINE bool part_inside(int32_t at, int32_t items, int32_t size, size_t n) {
    return at >= 0 && (uint64_t)(uint32_t)items * (uint32_t)size + (uint32_t)at <= n;
}

static bool disjoint(const void *a, size_t a_bytes, const void *b, size_t b_bytes) {
    uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
    return x + a_bytes <= y || y + b_bytes <= x;
}

static NOINLINE bool chunk_inside(const conv_t *p, const conv_buffers_t *b) {
    int32_t bias_bytes = 4, count_bytes = p->code ? 2 : 0;
    int32_t halves = p->palette ? p->palette : p->values; // float16 stand there
    return p->filters >= 1 && p->filters <= 65535 && p->taps >= 1 && p->taps <= MAX_TAPS
        && part_inside(p->biases, p->filters, bias_bytes, b->chunk_bytes) && part_inside(p->counts, p->filters, count_bytes, b->chunk_bytes)
        && p->code >= ALL && p->code <= BITMAP && part_inside(p->palette, p->palette ? PALETTE_BYTES : 0, 1, b->chunk_bytes)
        && part_inside(p->values, 0, 0, b->chunk_bytes) && ((uintptr_t)(b->chunk + halves) & 1) == 0 && part_inside(p->end, 0, 0, b->chunk_bytes)
        && p->positions >= 0 && p->positions <= p->end && part_inside(p->first_shift, p->filters, 1, b->n_shifts);
}

static bool input_inside(const conv_t *p, const conv_buffers_t *b) {
    const int32_t most = 1 << 28; // twice an element's index must fit int32_t
    if (p->pitch < 0 || p->size < 0 || p->first < 0 || p->rows < 1 || p->columns < 1 || p->rows > 65535 || p->columns > 65535
        || p->pitch > most || p->size > most || p->first > most || b->n_in > (size_t)most) {
        return false;
    }
    if (p->pitch == 0) {
        return p->rows == 1 && p->columns == 1 && inside(1, p->first, 0, 0, p->taps - 1, b->n_in);
    }
    int32_t channels = 1;
    for (int32_t t = 9; t < p->taps; t += 9) {
        channels++;
    }
    return channels * 9 == p->taps && inside(channels - 1, p->size, p->rows + 1, p->pitch, p->first + p->columns + 1, b->n_in);
}

static NOINLINE bool output_inside(const conv_t *p, const conv_buffers_t *b) {
    const int32_t most = 1 << 28;
    if (p->pool_rows < 1 || p->pool_columns < 1 || p->within < 0 || p->within >= p->pool_rows || p->out_columns < 1 || p->to < 0
        || p->out_pitch < 0 || p->out_size < 0 || p->to > most || p->out_columns > p->columns
        || !inside(p->out_columns, p->pool_columns, 0, 0, 0, (size_t)p->columns + 1)) {
        return false;
    }
    int32_t groups = 1;
    for (int32_t row = p->pool_rows - p->within; row < p->rows; row += p->pool_rows) {
        groups++;
    }
    return inside(p->filters - 1, p->out_size, groups - 1, p->out_pitch, p->to + p->out_columns - 1, b->n_out);
}

// Everything that conv_chunk relies on.
static bool conv_allowed(const conv_t *p, const conv_buffers_t *b) {
    return chunk_inside(p, b) && input_inside(p, b) && output_inside(p, b)
        && b->n_scratch >= 2 * (size_t)p->columns
        && p->least >= -32768 && p->least <= p->most && p->most <= 32767
        && p->exponent >= -128 && p->exponent <= 127 && p->out_exponent >= -128 && p->out_exponent <= 127
        && disjoint(b->scratch, 4 * b->n_scratch, b->out, 2 * b->n_out); // results must not overwrite the list of offsets
}

#if L3_ASM

#include "decode_armv6m.h"

#else

typedef struct {
    int32_t shift;
} factors_t;

ALWAYS_INLINE void prepare_factors(factors_t *q, const conv_t *p) {
    (void)q, (void)p;
}

ALWAYS_INLINE int32_t *decode_quickly(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, factors_t *q, size_t room) {
    (void)p, (void)d, (void)n, (void)by_rows, (void)list, (void)q, (void)room;
    return NULL;
}

#endif

// One filter of the chunk; false for bad data.
static bool conv_one(const conv_t *p, const conv_buffers_t *b, weights_t *d, factors_t *q, int32_t f) {
    const uint8_t *count = b->chunk + p->counts + 2 * f;
    int32_t n = p->code ? count[0] | count[1] << 8 : p->taps;
    int32_t bias, out_shift;
    d->shift = b->shifts[p->first_shift + f];
    out_shift = p->exponent + d->shift - p->out_exponent;
    size_t room = b->n_scratch - 2 * (size_t)p->columns; // words for the list
    if (n > p->taps || 2 * (size_t)n > room || (d->palette ? n : 2 * n) > b->chunk + b->chunk_bytes - d->values || out_shift < 0 || out_shift > 30
        || !integer_bias(b->chunk + p->biases + 4 * f, d->shift + p->exponent, &bias)) {
        return false;
    }
    filter_t filter = {b->scratch, NULL, (uint32_t)bias + (1u << out_shift >> 1), false};
    filter.by_rows = p->pitch && p->columns >= 4 && 8 * n >= 7 * p->taps && rows_fit(p->taps, n, room);
    filter.end = decode_quickly(p, d, n, filter.by_rows, b->scratch, q, room);
    if (!filter.end) {
        filter.end = decode(p, d, n, filter.by_rows, b->scratch, room);
    }
    if (!filter.end) {
        return false;
    }
    conv_filter(p, &filter, out_shift, b->in + p->first, b->out + p->to + (size_t)f * p->out_size, b->scratch + room);
    return true;
}

// The chunk's filters, one after the other. Returns how many were done: fewer than filters if the next one is bad.
static int32_t conv_chunk(const conv_t *p, const conv_buffers_t *b) {
    weights_t d = {b->chunk + p->values, b->chunk + p->positions, b->chunk + p->end, NULL, 0};
    d.palette = p->palette ? (const uint16_t *)(const void *)(b->chunk + p->palette) : NULL;
    factors_t factors;
    prepare_factors(&factors, p);
    for (int32_t f = 0; f < p->filters; f++) {
        if (!conv_one(p, b, &d, &factors, f)) {
            return f;
        }
    }
    return p->filters;
}

// ---- rows of channel planes

typedef struct {
    int32_t channels, size, pitch, first, rows; // the rows of every channel that are meant
} planes_t;

static bool planes_allowed(const planes_t *p, size_t n) {
    const int32_t most = 1 << 28;
    return p->channels >= 1 && p->channels <= 65535 && p->size >= 0 && p->pitch >= 1 && p->first >= 0 && p->first < most && p->rows >= 0
        && p->rows < most && inside(p->channels - 1, p->size, p->first + p->rows, p->pitch, 0, n + 1);
}

typedef uint32_t __attribute__((may_alias)) pair_t; // of int16

// n int16 to where earlier ones stood.
static void move_back(uint16_t *to, const uint16_t *from, int32_t n) {
    if ((((uintptr_t)to | (uintptr_t)from) & 3) == 0) {
        pair_t *pairs = (pair_t *)(void *)to;
        const pair_t *from_pairs = (const pair_t *)(const void *)from;
        for (; n > 1; n -= 2) {
            *pairs++ = *from_pairs++;
        }
        to = (uint16_t *)(void *)pairs, from = (const uint16_t *)(const void *)from_pairs;
    }
    for (; n > 0; n--) {
        *to++ = *from++;
    }
}

// The rows become their channel's first.
static void planes_slide(const planes_t *p, uint16_t *plane) {
    for (int32_t c = 0; c < p->channels; c++, plane += p->size) {
        move_back(plane, plane + (size_t)p->first * p->pitch, p->rows * p->pitch);
    }
}

// Columns of a plane, into the embedding.
typedef struct {
    int32_t channels, size, pitch, inset, rows, columns, to, opening;
} columns_t;

static bool columns_allowed(const columns_t *p, size_t n, size_t n_out) {
    return p->channels >= 1 && p->channels <= 65535 && p->rows >= 1 && p->rows <= 65535 && p->columns >= 1 && p->columns <= 65535
        && p->size >= 0 && p->pitch >= 0 && p->inset >= 0 && p->inset < 1 << 28 && p->to >= 0
        && inside(p->channels - 1, p->size, p->rows - 1, p->pitch, p->inset + p->columns - 1, n)
        && (uint64_t)p->to + (uint64_t)(uint32_t)p->rows * (uint32_t)p->columns * (uint32_t)p->channels <= n_out;
}

// Column after column, row after row, all channels; opening: whatever stands there, else where they are greater.
static void flatten(const columns_t *p, const int16_t *plane, int16_t *out) {
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

static void planes_clear(const planes_t *p, uint16_t *plane) {
    plane += (size_t)p->first * p->pitch;
    for (int32_t c = 0; c < p->channels; c++, plane += p->size) {
        for (int32_t i = 0; i < p->rows * p->pitch; i++) {
            plane[i] = 0;
        }
    }
}

#endif
