// The C side of weights.S and palette.S: their tables, and which filters decode.c decodes instead.
#include "l3native.h"

_Static_assert(offsetof(factors_t, of) == offsetof(factors_t, tiny) + 4, "weights.S finds `tiny` before `of`");
_Static_assert(offsetof(factors_t, palette.of) == offsetof(factors_t, ways) + 36 * GROUP, "palette.S finds `ways` before `of`");

extern __attribute__((visibility("hidden"))) int32_t l3_decode_rows(
    const uint8_t *values, int32_t *list, int32_t *end, const int32_t *factors, int32_t along, int32_t on);
extern __attribute__((visibility("hidden"))) int32_t l3_decode_list(const uint8_t *values, int32_t *list, int32_t *end,
    const int32_t *factors, const position_t *positions, int32_t pitch, int32_t size);
extern __attribute__((visibility("hidden"))) void l3_palette_rows(
    const uint8_t *values, int32_t *list, int32_t *end, const int32_t *palette, int32_t along, int32_t on, int32_t down);

typedef const uint8_t *palette_list_t(const uint8_t *values, int32_t *list, int32_t *end, const int32_t *palette,
    const uint8_t *positions, int32_t down, int32_t group, int32_t taps, int32_t skips);
extern __attribute__((visibility("hidden"))) palette_list_t l3_palette_nibbles, l3_palette_bytes;

// Here, once a chunk, because divisions are slow
L3_LOCAL void prepare_factors(factors_t *q, const conv_t *p) {
    for (int32_t i = 0; i < 64; i++) {
        q->of[i] = 0;
    }
    q->shift = 64; // which no filter has
    q->from = q->to = 0;
    q->channels = p->taps / 9;
    uint32_t *way = q->ways, channel = 0;
    for (int i = 0; i < GROUP; i++, channel += 2 * (uint32_t)p->size) {
        uint32_t row = channel;
        for (int j = 0; j < 3; j++, row += 2 * (uint32_t)p->pitch, way += 3) {
            way[0] = row, way[1] = row + 2, way[2] = row + 4;
        }
    }
}

// Only exponents between values that round to zero and values that int16 cannot hold have non-zero entries.
static void set_factors(factors_t *q, int32_t shift) {
    for (int32_t *of = q->of + q->from, *end = q->of + q->to; of <= end; of++) {
        of[0] = of[32] = 0;
    }
    q->shift = shift;
    q->tiny = 13 - shift < 30 ? 13 - shift : 30;
    q->from = 14 - shift < 1 ? 1 : 14 - shift;
    q->to = 29 - shift < 30 ? 29 - shift : 30;
    if (q->from > q->to) {
        q->from = q->to = 0;
        return;
    }
    int32_t factor = 1 << (q->from + shift - 9);
    for (int32_t *of = q->of + q->from, *end = q->of + q->to; of <= end; of++, factor *= 2) {
        of[0] = factor;
        of[32] = -factor;
    }
}

static int32_t *decode_rows_quickly(const conv_t *p, weights_t *d, int32_t *list, const factors_t *q) {
    int32_t along = 2 * p->pitch, on = 2 * (p->size - 2 * p->pitch), *end = list + 12 * q->channels;
    if (!l3_decode_rows(d->values, list, end, q->of, along, on)) {
        return NULL;
    }
    list[3] = 0;
    d->values += 2 * p->taps;
    return end;
}

static int32_t *decode_list_quickly(const conv_t *p, weights_t *state, int32_t n, int32_t *list, const factors_t *q, size_t room) {
    weights_t d = *state; // a copy: *state stays unchanged if the C has to decode it
    position_t *positions = waiting(list, room, n);
    int32_t *end = list + 2 * n, pitch = 2 * p->pitch, size = 2 * p->size;
    if (n == 0
        || !unpack(&d, p->code, p->taps, n, positions)
        || !l3_decode_list(d.values, list, end, q->of, positions, pitch, size)) {
        return NULL;
    }
    state->values += 2 * n;
    state->positions = d.positions;
    return end;
}

static int32_t *palette_rows_quickly(const conv_t *p, weights_t *d, int32_t *list, const factors_t *q) {
    int32_t along = 2 * p->pitch, on = 2 * (p->size - 2 * p->pitch), *end = list + 12 * q->channels;
    l3_palette_rows(d->values, list, end, q->palette.of, along, on, palette_shift(d));
    list[3] = 0;
    d->values += p->taps;
    return end;
}

// Decodes gaps and indices in one loop. A gap that is not followed by a weight is a skip: gaps less weights, at most.
static int32_t *palette_list_quickly(const conv_t *p, weights_t *d, int32_t n, int32_t *list, const factors_t *q) {
    bool nibbles = p->code == NIBBLE_GAPS;
    int32_t bytes = d->end - d->positions, skips = (nibbles ? 2 * bytes : bytes) - n, *end = list + 2 * n;
    if (n == 0 || skips < 0) {
        return n == 0 ? list : NULL;
    }
    palette_list_t *decode_gaps = nibbles ? l3_palette_nibbles : l3_palette_bytes;
    const uint8_t *after = decode_gaps(d->values, list, end, q->palette.of, d->positions, palette_shift(d),
        (int32_t)(2 * GROUP * (uint32_t)p->size), 4 * p->taps, skips);
    if (!after) {
        return NULL;
    }
    d->values += n;
    d->positions = after;
    return end;
}

static int32_t *palette_quickly(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, const factors_t *q) {
    if (by_rows && p->code == ALL) {
        return palette_rows_quickly(p, d, list, q);
    }
    bool gaps = p->code == NIBBLE_GAPS || p->code == BYTE_GAPS;
    return gaps && !by_rows ? palette_list_quickly(p, d, n, list, q) : NULL;
}

static int32_t *decode_quickly(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, factors_t *q, size_t room) {
    if (!p->pitch) {
        return NULL;
    }
    if (d->palette) {
        return palette_fits(d) ? palette_quickly(p, d, n, by_rows, list, q) : NULL;
    }
    if (by_rows && p->code != ALL) {
        return NULL;
    }
    if (q->shift != d->shift) {
        set_factors(q, d->shift);
    }
    return by_rows ? decode_rows_quickly(p, d, list, q) : decode_list_quickly(p, d, n, list, q, room);
}

L3_LOCAL bool takes_rows(const conv_t *p, int32_t n, size_t room) {
    return rows_pay(p, n, room);
}

L3_LOCAL int32_t *decode_filter(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, factors_t *q, size_t room) {
    int32_t *end = decode_quickly(p, d, n, by_rows, list, q, room);
    return end ? end : decode(p, d, n, by_rows, list, room);
}
