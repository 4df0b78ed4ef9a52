// Processes a microphone's samples: selects one channel, removes the offset, decimates, measures the level. kernels/capture.py is
// the specification.
//
// Sums are modulo 2^32 (unsigned), so that no parameter causes undefined behaviour; with the coefficients of filters.py none of
// them overflows.
#include "l3native.h"

static int16_t within_16(int32_t v) {
    return (int16_t)(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
}

// ---- one channel of what a driver writes

L3_LOCAL bool take_allowed(const take_t *p, size_t n_raw, size_t n_out) {
    return p->samples >= 0
        && (size_t)p->samples <= n_out
        && p->first >= 0
        && p->step >= 1
        && p->step <= 16
        && (p->samples == 0
            || ((size_t)p->first < n_raw && (size_t)(p->samples - 1) <= (n_raw - 1 - (size_t)p->first) / (size_t)p->step));
}

L3_LOCAL void take(const take_t *p, const uint16_t *raw, uint16_t *out) {
    uint16_t flip = p->is_unsigned ? 0x8000 : 0;
    raw += p->first;
    for (int32_t i = 0; i < p->samples; i++, raw += p->step) {
        out[i] = *raw ^ flip;
    }
}

// ---- offset

static bool part_allowed(const part_t *p, size_t n_x) {
    return p->first >= 0 && p->stop >= p->first && (size_t)p->stop <= n_x && p->stop - p->first <= MOST_SAMPLES;
}

L3_LOCAL bool offset_allowed(const part_t *p, const offset_t *s, size_t n_x) {
    return part_allowed(p, n_x)
        && s->last >= 0
        && s->last < OFFSET_FRACTION
        && s->shift >= 0
        && s->shift <= s->last
        && s->seen >= 0
        && s->seen >> s->shift <= 1;
}

L3_LOCAL void remove_offset(const part_t *p, offset_t *s, int16_t *x) {
    s->least = 32767, s->largest = -32768, s->clipped = 0;
    for (int32_t i = p->first; i < p->stop; i++) {
        int32_t v = x[i];
        s->least = v < s->least ? v : s->least;
        s->largest = v > s->largest ? v : s->largest;
        s->clipped += v >= 32767 || v <= -32768;
        if (s->shift < s->last) {
            s->seen++;
            s->shift += s->seen >> (s->shift + 1);
        }
        uint32_t d = ((uint32_t)v << OFFSET_FRACTION) - (uint32_t)s->mean;
        s->mean = (int32_t)((uint32_t)s->mean + (uint32_t)((int32_t)d >> s->shift));
        x[i] = within_16(v - ((int32_t)((uint32_t)s->mean + (1u << (OFFSET_FRACTION - 1))) >> OFFSET_FRACTION));
    }
}

// ---- decimation

L3_LOCAL bool decimate_allowed(const decimate_t *p, size_t n_x, size_t n_taps, size_t n_ring) {
    return p->samples >= 0
        && (size_t)p->samples <= n_x
        && p->factor >= 1
        && p->factor <= MOST_TAPS
        && n_taps >= 4
        && n_taps % 4 == 0
        && n_taps <= MOST_TAPS
        && p->to >= 0
        && (size_t)p->to < n_ring;
}

L3_LOCAL int32_t decimate(const decimate_t *p, const int16_t *x, const int16_t *taps, size_t n_taps, int16_t *ring, size_t n_ring) {
    const int16_t *stop = x + p->samples, *middle = taps + n_taps / 2;
    int32_t made = 0;
    size_t to = (size_t)p->to;
    for (; stop - x >= (ptrdiff_t)n_taps; x += p->factor, made++) {
        const int16_t *low = x, *high = x + n_taps - 1, *t = taps;
        uint32_t a = 0, b = 0; // even and odd pairs: each within 32 bits, both together not
        for (; t < middle; t += 2, low += 2, high -= 2) {
            a += (uint32_t)t[0] * (uint32_t)(low[0] + high[0]);
            b += (uint32_t)t[1] * (uint32_t)(low[1] + high[-1]);
        }
        ring[to] = within_16((((int32_t)a >> 1) + ((int32_t)b >> 1) + 8192) >> 14);
        to = to + 1 == n_ring ? 0 : to + 1;
    }
    return made;
}

// ---- level

L3_LOCAL bool measure_allowed(const part_t *p, const state_t *s, size_t n_x) {
    bool ok = part_allowed(p, n_x);
    for (int i = 0; i < 3; i++) {
        ok = ok && s->high[i].shift >= FRACTION && s->high[i].shift < FRACTION + 32;
    }
    return ok;
}

static inline int32_t product(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a * (uint32_t)b);
}

static inline int32_t limited(int32_t v, int32_t most) {
    return v < -most ? -most : v > most - 1 ? most - 1 : v;
}

static inline int32_t high_pass(int32_t v, int32_t *level, int32_t a, int32_t shift) {
    int32_t d = (int32_t)((uint32_t)v - (uint32_t)(*level >> FRACTION));
    *level = (int32_t)((uint32_t)*level + (uint32_t)(product(d, a) >> (shift - FRACTION)));
    return limited((int32_t)((uint32_t)v - (uint32_t)(*level >> FRACTION)), FULL);
}

// v is within FULL: samples are, and so is the output of the sections before.
L3_LOCAL void measure(const part_t *p, state_t *s, const int16_t *x) {
    uint32_t plain = 0, plain_low = 0, weighted = 0, weighted_low = 0;
    for (int32_t i = p->first; i < p->stop; i++) {
        int32_t v = x[i];
        uint32_t square = (uint32_t)(v * v);
        plain += square >> 16;
        plain_low += square & 65535;
        v *= 4;
        v = high_pass(v, &s->level[0], s->high[0].a, s->high[0].shift);
        v = high_pass(v, &s->level[1], s->high[0].a, s->high[0].shift);
        v = high_pass(v, &s->level[2], s->high[1].a, s->high[1].shift);
        v = high_pass(v, &s->level[3], s->high[2].a, s->high[2].shift);
        for (int k = 0; k < 2; k++) {
            uint32_t y = (uint32_t)product(s->p, s->low[k].y) + (uint32_t)product(s->b0, v) + (uint32_t)product(s->b1, s->low[k].x);
            s->low[k].x = v;
            s->low[k].y = v = limited((int32_t)(y + 1024) >> 11, FULL);
        }
        v = limited(v >> 1, 65535);
        square = (uint32_t)v * (uint32_t)v;
        weighted += square >> 16;
        weighted_low += square & 65535;
    }
    s->plain = (int32_t)plain, s->plain_low = (int32_t)plain_low;
    s->weighted = (int32_t)weighted, s->weighted_low = (int32_t)weighted_low;
}
