// Integer convolution of one chunk of filters: decode, 3x3 sums, max pool, requantise. Bit for bit the integers of
// host/l3host/reference/fixed_point.py.
//
// Pooling precedes requantisation here: shift, round and saturate are monotonic, so the order does not change a bit.
#include "l3native.h"
#include "sums.h"

// ---- pool and requantise

static void merge_line(int32_t *line, const int32_t *other, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        if (other[i] > line[i]) {
            line[i] = other[i];
        }
    }
}

// Writes a row of the output from the largest sums of its group of rows. again: an earlier strip had part of the group.
ALWAYS_INLINE void finish(const conv_t *p, const int32_t *line, int shift, int16_t *out, bool again, int32_t pool_columns) {
    int32_t least = p->least, most = p->most;
    for (int16_t *end = out + p->out_columns; out < end; out++) {
        int32_t best = *line++;
        for (int32_t k = 1; k < pool_columns; k++, line++) {
            best = *line > best ? *line : best;
        }
        best = requantise(best, shift, least, most);
        if (again && *out > best) {
            best = *out;
        }
        *out = (int16_t)best;
    }
}

static void finish_row(const conv_t *p, const int32_t *line, int shift, int16_t *out, bool again) {
    if (!POOLS_IN_C) {
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

static void conv_filter(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out, int32_t *lines) {
    if (conv_blocks(p, f, shift, x, out)) {
        return;
    }
    conv_lines(p, f, shift, x, out, lines);
}

// ---- a chunk

L3_LOCAL NOINLINE bool inside(int32_t a, int32_t b, int32_t c, int32_t d, int32_t rest, size_t n) {
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
    return p->filters >= 1
        && p->filters <= 65535
        && p->taps >= 1
        && p->taps <= MAX_TAPS
        && part_inside(p->biases, p->filters, bias_bytes, b->chunk_bytes)
        && part_inside(p->counts, p->filters, count_bytes, b->chunk_bytes)
        && p->code >= ALL
        && p->code <= BITMAP
        && part_inside(p->palette, p->palette ? PALETTE_BYTES : 0, 1, b->chunk_bytes)
        && part_inside(p->values, 0, 0, b->chunk_bytes)
        && ((uintptr_t)(b->chunk + halves) & 1) == 0
        && part_inside(p->end, 0, 0, b->chunk_bytes)
        && p->positions >= 0
        && p->positions <= p->end
        && part_inside(p->first_shift, p->filters, 1, b->n_shifts);
}

static bool input_inside(const conv_t *p, const conv_buffers_t *b) {
    const int32_t most = 1 << 28; // twice an element's index must fit int32_t
    if (p->pitch < 0
        || p->size < 0
        || p->first < 0
        || p->rows < 1
        || p->columns < 1
        || p->rows > 65535
        || p->columns > 65535
        || p->pitch > most
        || p->size > most
        || p->first > most
        || b->n_in > (size_t)most) {
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
    if (p->pool_rows < 1
        || p->pool_columns < 1
        || p->within < 0
        || p->within >= p->pool_rows
        || p->out_columns < 1
        || p->to < 0
        || p->out_pitch < 0
        || p->out_size < 0
        || p->to > most
        || p->out_columns > p->columns
        || !inside(p->out_columns, p->pool_columns, 0, 0, 0, (size_t)p->columns + 1)) {
        return false;
    }
    int32_t groups = 1;
    for (int32_t row = p->pool_rows - p->within; row < p->rows; row += p->pool_rows) {
        groups++;
    }
    return inside(p->filters - 1, p->out_size, groups - 1, p->out_pitch, p->to + p->out_columns - 1, b->n_out);
}

L3_LOCAL bool take_chunk(conv_t *p, const layer_t *layer, const uint16_t *parts, size_t n_parts) {
    const int32_t most = 1 << 28;
    if (p->number < 0
        || (uint32_t)p->number >= n_parts / 4
        || p->first_filter < 0
        || p->first_filter > 65535
        || layer->first_shift < 0
        || layer->first_shift > most
        || layer->out_size < 0
        || p->to < 0
        || !inside(p->first_filter, layer->out_size, p->to, 1, 0, (size_t)most)) {
        return false;
    }
    p->palette = layer->palette, p->code = layer->code, p->taps = layer->taps, p->is_signed = layer->is_signed;
    p->exponent = layer->exponent, p->out_exponent = layer->out_exponent, p->least = layer->least, p->most = layer->most;
    p->pitch = layer->pitch, p->size = layer->size, p->out_pitch = layer->out_pitch, p->out_size = layer->out_size;
    p->pool_rows = layer->pool_rows, p->pool_columns = layer->pool_columns;
    parts += 4 * p->number;
    p->filters = parts[1];
    p->biases = 0;
    p->counts = 4 * p->filters;
    p->values = p->counts + (p->code ? 2 * p->filters : 0);
    p->positions = p->values + (p->palette ? 1 : 2) * parts[3];
    p->end = p->positions + parts[2];
    p->first_shift = layer->first_shift + p->first_filter;
    p->to += p->first_filter * p->out_size;
    return true;
}

L3_LOCAL bool conv_allowed(const conv_t *p, const conv_buffers_t *b) {
    return chunk_inside(p, b)
        && input_inside(p, b)
        && output_inside(p, b)
        && b->n_scratch >= 2 * (size_t)p->columns
        && p->least >= -32768
        && p->least <= p->most
        && p->most <= 32767
        && p->exponent >= -128
        && p->exponent <= 127
        && p->out_exponent >= -128
        && p->out_exponent <= 127
        && disjoint(b->scratch, 4 * b->n_scratch, b->out, 2 * b->n_out); // results must not overwrite the list of offsets
}

// Computes one filter of the chunk; false for bad data.
static bool conv_one(const conv_t *p, const conv_buffers_t *b, weights_t *d, factors_t *q, int32_t f) {
    const uint8_t *count = b->chunk + p->counts + 2 * f;
    int32_t n = p->code ? count[0] | count[1] << 8 : p->taps;
    int32_t bias, out_shift;
    d->shift = b->shifts[p->first_shift + f];
    out_shift = p->exponent + d->shift - p->out_exponent;
    size_t room = b->n_scratch - 2 * (size_t)p->columns; // words for the list
    if (n > p->taps
        || 2 * (size_t)n > room
        || (d->palette ? n : 2 * n) > b->chunk + b->chunk_bytes - d->values
        || out_shift < 0
        || out_shift > 30
        || !integer_bias(b->chunk + p->biases + 4 * f, d->shift + p->exponent, &bias)) {
        return false;
    }
    filter_t filter = {b->scratch, NULL, (uint32_t)bias + (1u << out_shift >> 1), false};
    filter.by_rows = takes_rows(p, n, room);
    filter.end = decode_filter(p, d, n, filter.by_rows, b->scratch, q, room);
    if (!filter.end) {
        return false;
    }
    conv_filter(p, &filter, out_shift, b->in + p->first, b->out + p->to + (size_t)f * p->out_size, b->scratch + room);
    return true;
}

L3_LOCAL int32_t conv_chunk(const conv_t *p, const conv_buffers_t *b) {
    factors_t factors;
    weights_t d = {b->chunk + p->values, b->chunk + p->positions, b->chunk + p->end, NULL, 0};
    if (p->palette) {
        prepare_palette(&factors.palette, (const uint16_t *)(const void *)(b->chunk + p->palette));
        d.palette = &factors.palette;
    }
    prepare_factors(&factors, p);
    for (int32_t f = 0; f < p->filters; f++) {
        if (!conv_one(p, b, &d, &factors, f)) {
            return f;
        }
    }
    return p->filters;
}
