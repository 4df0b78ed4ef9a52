// Filters as conv.c sums them: kernel row after kernel row, in it channel after channel, three int16 and one that is not read.
#include "l3native.h"
#include "weights.h"

enum { HALVES = 4 };

L3_LOCAL bool takes_rows(const conv_t *p, int32_t n, size_t room) {
    bool whole_words = p->pitch > 0 && (p->pitch | p->size) % 2 == 0;
    size_t halves = 3 * HALVES * (size_t)(p->taps / 9) + (size_t)n;
    return whole_words && 2 * n >= p->taps && halves <= 2 * room;
}

L3_LOCAL void prepare_factors(factors_t *q, const conv_t *p) {
    (void)q, (void)p;
}

// Decodes a filter without zeros. False for bad data.
static bool all_rows(const conv_t *p, weights_t *state, int16_t *list) {
    weights_t d = *state;
    int32_t row = p->taps / 9 * HALVES;
    for (int16_t *end = list + row; list < end; list += HALVES) {
        for (int32_t y = 0; y < 3 * row; y += row) {
            for (int32_t x = 0; x < 3; x++) {
                int32_t w = next_weight(&d);
                if (w == BAD_WEIGHT) {
                    return false;
                }
                list[y + x] = (int16_t)w;
            }
        }
    }
    *state = d;
    return true;
}

// The same for n weights; those that the file leaves out are zero.
static bool some_rows(const conv_t *p, weights_t *state, const position_t *position, int32_t n, int16_t *list) {
    weights_t d = *state;
    const int32_t row = p->taps / 9 * HALVES;
    const int32_t places[9] = {0, 1, 2, row, row + 1, row + 2, 2 * row, 2 * row + 1, 2 * row + 2};
    for (int32_t i = 0; i < 3 * row; i++) {
        list[i] = 0;
    }
    int32_t channel = 0;
    for (; n > 0; n--) {
        int32_t at = *position++, w = next_weight(&d);
        if (w == BAD_WEIGHT) {
            return false;
        }
        for (; at - channel >= 9; channel += 9) {
            list += HALVES;
        }
        list[places[at - channel]] = (int16_t)w;
    }
    *state = d;
    return true;
}

L3_LOCAL int32_t *decode_filter(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, factors_t *q, size_t room) {
    (void)q;
    if (!by_rows) {
        return decode(p, d, n, false, list, room);
    }
    int16_t *halves = (int16_t *)list;
    position_t *positions = waiting(list, room, n);
    bool good = p->code == ALL ? all_rows(p, d, halves)
                               : unpack(d, p->code, p->taps, n, positions) && some_rows(p, d, positions, n, halves);
    return good ? list + p->taps / 9 * 3 * HALVES / 2 : NULL;
}
