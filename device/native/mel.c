// The integer log-mel, one frame at a time: window, DFT, power, bands, log2. Bit for bit the integers of
// host/l3host/reference/fixed_mel.py, which says why each value fits. Sums and products are uint32_t: hostile tables wrap around.
#include "l3native.h"

// What was taken out of a frame: its constant level and a right shift.
typedef struct {
    int32_t level, moved;
} rest_t;

ALWAYS_INLINE uint32_t asr(uint32_t x, int shift) {
    return (uint32_t)((int32_t)x >> shift);
}

ALWAYS_INLINE uint32_t magnitude(uint32_t x) {
    uint32_t sign = asr(x, 31);
    return (x ^ sign) - sign;
}

// ---- window

// Returns the constant value of the frame's middle half, 0 if it is not constant.
static int32_t resting_level(const frame_t *p, const frame_buffers_t *b) {
    int32_t first = p->start + (p->n_fft >> 2), stop = first + (p->n_fft >> 1);
    if (first < 0 || stop > (int32_t)b->n_pcm) {
        return 0; // zeros from outside the window are part of it
    }
    int16_t level = b->pcm[first];
    while (first < stop && b->pcm[first] == level) {
        first++;
    }
    return first == stop ? level : 0;
}

// Writes (samples - level) * window from z to end; step is 1 or -1 through the symmetric window. Returns the OR of all magnitudes.
ALWAYS_INLINE uint32_t window_part(
    const int16_t *pcm, uint32_t level, const uint16_t *hann, int step, uint32_t *z, const uint32_t *end) {
    uint32_t all = 0;
    for (; z < end; hann += step) {
        uint32_t v = ((uint32_t)*pcm++ - level) * *hann;
        *z++ = v;
        all |= magnitude(v);
    }
    return all;
}

ALWAYS_INLINE int32_t within(int32_t x, int32_t least, int32_t most) {
    return x < least ? least : x > most ? most : x;
}

// The same for samples that are zero, i..stop-1 of a frame of n.
static uint32_t window_zeros(uint32_t level, const uint16_t *hann, int32_t n, int32_t i, int32_t stop, uint32_t *z) {
    uint32_t all = 0;
    for (; i < stop; i++) {
        z[i] = (0 - level) * hann[i <= n - i ? i : n - i];
        all |= magnitude(z[i]);
    }
    return all;
}

// Writes the windowed samples of one frame into z; samples outside pcm are zero. Returns the OR of all magnitudes.
static uint32_t window_frame(const frame_t *p, const frame_buffers_t *b, uint32_t level, uint32_t *z) {
    int32_t n = p->n_fft, half = n >> 1;
    int32_t first = within(-p->start, 0, n), stop = within((int32_t)b->n_pcm - p->start, first, n);
    int32_t middle = within(half, first, stop);
    uint32_t all = window_zeros(level, b->hann, n, 0, first, z) | window_zeros(level, b->hann, n, stop, n, z);
    if (first == stop) {
        return all;
    }
    const int16_t *pcm = b->pcm + (p->start + first);
    all |= window_part(pcm, level, b->hann + first, 1, z + first, z + middle);
    return all | window_part(pcm + (middle - first), level, b->hann + (n - middle), -1, z + middle, z + stop);
}

// Rounds n words, a multiple of four; shift: at least 1.
ALWAYS_INLINE void shift_right(uint32_t *z, const uint32_t *end, int shift) {
    for (uint32_t half = 1u << shift >> 1; z < end; z++) {
        *z = asr(*z + half, shift);
    }
}

// Subtracts a frame's constant level, windows it and shifts it until its largest value has p->bits bits.
static NOINLINE rest_t load_frame(const frame_t *p, const frame_buffers_t *b, uint32_t *z) {
    int32_t level = resting_level(p, b);
    int shift = bit_length(window_frame(p, b, (uint32_t)level, z)) - p->bits;
    uint32_t *end = z + p->n_fft;
    if (shift > 0) {
#if MEL_IN_ASSEMBLY
        l3_shift_right(z, end, shift);
#else
        shift_right(z, end, shift);
#endif
    } else {
        for (; z < end; z++) {
            *z <<= -shift;
        }
    }
    return (rest_t){level, shift};
}

// ---- DFT

// (re + j im) * (c - j s) / 2^17, rounded.
ALWAYS_INLINE void rotate(uint32_t re, uint32_t im, uint32_t c, uint32_t s, uint32_t *out_re, uint32_t *out_im) {
    uint32_t rh = asr(re, 13), rl = re & 0x1FFF, ih = asr(im, 13), il = im & 0x1FFF;
    *out_re = asr(rh * c + ih * s + asr(rl * c, 13) + asr(il * s, 13) + 8, 4);
    *out_im = asr(ih * c - rh * s + asr(il * c, 13) - asr(rl * s, 13) + 8, 4);
}

// Butterflies of one twiddle factor; multiplying by 1 and -j is exact and needs no rotation.
ALWAYS_INLINE void butterflies(uint32_t *a, uint32_t *end, int32_t size, uint32_t c, uint32_t s, int kind) {
    for (; a < end; a += 2 * size) {
        uint32_t *b = a + size;
        uint32_t ar = a[0], ai = a[1], br = b[0], bi = b[1], re = ar - br, im = ai - bi;
        a[0] = ar + br;
        a[1] = ai + bi;
        if (kind == 0) {
            b[0] = re, b[1] = im;
        } else if (kind == 1) {
            b[0] = im, b[1] = 0 - re;
        } else {
            rotate(re, im, c, s, b, b + 1);
        }
    }
}

// The last two stages in one: four points, and no rotation except by -j.
ALWAYS_INLINE void last_stages(uint32_t *z, uint32_t *end) {
    for (; z < end; z += 8) {
        uint32_t sr = z[0] + z[4], si = z[1] + z[5], dr = z[0] - z[4], di = z[1] - z[5];
        uint32_t tr = z[2] + z[6], ti = z[3] + z[7], er = z[3] - z[7], ei = z[6] - z[2];
        z[0] = sr + tr, z[1] = si + ti, z[2] = sr - tr, z[3] = si - ti;
        z[4] = dr + er, z[5] = di + ei, z[6] = dr - er, z[7] = di - ei;
    }
}

// All butterflies of a stage except those of the exact factors. size: distance between a butterfly's two points; stride: distance
// from one factor to the next in cos, a table of a quarter wave.
ALWAYS_INLINE void turned_butterflies(
    uint32_t *z, uint32_t *end, int32_t size, const int32_t *cos, int32_t stride, int32_t quarter) {
    int32_t half = size >> 1;
    for (int32_t k = 1, turn = stride; k < half >> 1; k++, turn += stride) {
        uint32_t c = (uint32_t)cos[turn], s = (uint32_t)cos[quarter - turn];
        butterflies(z + 2 * k, end, size, c, s, 2);
        butterflies(z + half + 2 * k, end, size, 0 - s, c, 2); // the factor a quarter turn further
    }
}

// n / 2 complex points in place, radix 2, decimation in frequency: bins come out in bit-reversed order.
static NOINLINE void dft(uint32_t *z, const int32_t *cos, int32_t n) {
    int32_t quarter = n >> 2, stride = 2;
    uint32_t *end = z + n;
    for (int32_t size = n >> 1; size > 4; size >>= 1, stride <<= 1) {
        butterflies(z, end, size, 0, 0, 0);
        butterflies(z + (size >> 1), end, size, 0, 0, 1);
#if MEL_IN_ASSEMBLY
        l3_turns(z, end, 4 * size, cos, 4 * stride, 4 * quarter);
#else
        turned_butterflies(z, end, size, cos, stride, quarter);
#endif
    }
#if MEL_IN_ASSEMBLY
    l3_last_stages(z, end);
#else
    last_stages(z, end);
#endif
}

// ---- power

// re^2 + im^2 as mantissa << (2 * shift).
ALWAYS_INLINE void put_power(uint32_t re, uint32_t im, uint32_t *power, uint8_t *shifts, int32_t k) {
    int shift = bit_length(magnitude(re) | magnitude(im)) - 14;
    shift = shift > 0 ? shift : 0;
    re = asr(re, shift);
    im = asr(im, shift);
    power[k] = re * re + im * im;
    shifts[k] = (uint8_t)shift;
}

// Bins k and n / 2 - k of the real signal, from the half-size DFT's bins k and -k.
typedef struct {
    uint32_t re, im, mirror_re, mirror_im;
} bins_t;

ALWAYS_INLINE bins_t split(const uint32_t *a, const uint32_t *b, const int32_t *cos, int32_t k, int32_t quarter) {
    uint32_t even_re = asr(a[0] + b[0], 1), even_im = asr(a[1] - b[1], 1);
    uint32_t odd_re = asr(a[1] + b[1], 1), odd_im = asr(b[0] - a[0], 1);
    if (k) {
        rotate(odd_re, odd_im, (uint32_t)cos[k], (uint32_t)cos[quarter - k], &odd_re, &odd_im);
    }
    return (bins_t){even_re + odd_re, even_im + odd_im, even_re - odd_re, odd_im - even_im};
}

ALWAYS_INLINE void put_pair(
    const uint32_t *a, const uint32_t *b, uint32_t *power, uint8_t *shifts, const int32_t *cos, int32_t k, int32_t quarter) {
    bins_t p = split(a, b, cos, k, quarter);
    put_power(p.mirror_re, p.mirror_im, power, shifts, 2 * quarter - k);
    put_power(p.re, p.im, power, shifts, k);
}

// Pairs whose indices have the same highest bit: a rises from there, by two, b falls to it; k: of the first. The first two are
// single points, bins 0 and n / 4.
ALWAYS_INLINE void put_pairs(
    const uint32_t *a, const uint32_t *b, uint32_t *power, uint8_t *shifts, const int32_t *cos, int32_t k, int32_t quarter) {
    for (const uint32_t *end = b + 2; a < end; a += 4, b -= 4) {
        put_pair(a, b, power, shifts, cos, k, quarter);
        int32_t bit = quarter >> 1; // the next k: its bits stand in reverse
        for (; k & bit; bit >>= 1) {
            k ^= bit;
        }
        k |= bit;
    }
}

// Stores the power of bin 0 or 1 after putting back the Hann-windowed constant level.
static NOINLINE void put_line(
    uint32_t re, uint32_t im, uint32_t *power, uint8_t *shifts, int32_t k, const rest_t *rest, int32_t half) {
    int32_t unit = bit_length((uint32_t)half) + 2 - k - rest->moved; // of the level with 13 more bits, relative to the frame's
    int32_t up = within(unit, 0, 31), down = within(-unit, 0, 31);
    uint32_t level = (uint32_t)(k ? -rest->level : rest->level) << 13;
    put_power(asr(re, up) + asr(level, down), asr(im, up), power, shifts, k);
    shifts[k] = (uint8_t)(shifts[k] + up);
}

static NOINLINE void put_lines(
    const uint32_t *z, const int32_t *cos, uint32_t *power, uint8_t *shifts, const rest_t *rest, int32_t half) {
    const uint32_t *a = z, *b = z;
    for (int32_t k = 0; k < 2; k++, a = z + half, b = z + 2 * (half - 1)) {
        bins_t bins = split(a, b, cos, k, half >> 1);
        put_line(bins.re, bins.im, power, shifts, k, rest, half);
    }
}

// Computes the powers of the real signal's bins 0..n/2 from the half-size complex DFT. Its bin k stands where k's bits are
// reversed, and bin -k where all bits below the highest one are different.
static NOINLINE void spectrum(
    const uint32_t *z, const int32_t *cos, uint32_t *power, uint8_t *shifts, const rest_t *rest, int32_t n) {
    int32_t half = n >> 1, quarter = n >> 2;
    for (int32_t top = 0; top < half; top = top ? 2 * top : 1) {
        const uint32_t *a = z + 2 * top, *b = top ? z + 2 * (2 * top - 1) : z;
        int32_t k = top ? half >> bit_length((uint32_t)top) : 0;
#if MEL_IN_ASSEMBLY
        l3_put_pairs(a, b, power, shifts, cos, 4 * k, 4 * quarter);
#else
        put_pairs(a, b, power, shifts, cos, k, quarter);
#endif
    }
    if (rest->level) {
        put_lines(z, cos, power, shifts, rest, half);
    }
}

// ---- bands

// Returns the right shift of a power in a band whose largest shift is top / 2; 31 leaves no bit of it.
ALWAYS_INLINE int below(int32_t top, uint32_t shift) {
    int d = top - 2 * (int32_t)shift;
    return d > 31 ? 31 : d;
}

// Returns the weighted sum of one band's powers as a mantissa, and *exponent; 0 if there is no power.
ALWAYS_INLINE uint32_t sum_band(
    const uint32_t *power, const uint8_t *shifts, const uint16_t *weights, int32_t n, int32_t *exponent) {
    int32_t top = 0;
    uint32_t all = 0, total = 0; // all: OR of the powers, aligned to the largest shift so far
    for (int32_t k = 0; k < n; k++) {
        if (shifts[k] > top) {
            all >>= below(2 * shifts[k], (uint32_t)top);
            top = shifts[k];
        }
        all |= power[k] >> below(2 * top, shifts[k]);
    }
    int extra = bit_length(all) - 15;
    extra = extra > 0 ? extra : 0;
    for (int32_t k = 0; k < n; k++) {
        total += ((power[k] >> below(2 * top + extra, shifts[k])) * weights[k]) >> 8;
    }
    *exponent = extra + 2 * top;
    return total;
}

static NOINLINE uint32_t band_power(
    const uint32_t *power, const uint8_t *shifts, const uint16_t *weights, int32_t n, int32_t *exponent) {
#if MEL_IN_ASSEMBLY
    return l3_band_power(power, shifts, weights, n, exponent);
#else
    return sum_band(power, shifts, weights, n, exponent);
#endif
}

// log2 of 1 <= x < 2^31 in units of 2^-16.
static int32_t log2_q16(uint32_t x, const uint16_t *table) {
    int exponent = bit_length(x) - 1;
    uint32_t fraction = ((x << (31 - exponent)) & 0x7FFFFFFF) >> 15;
    int32_t a = table[fraction >> 10], step = table[(fraction >> 10) + 1] - a;
    return (exponent << 16) + a + ((step * (int32_t)(fraction & 1023)) >> 10);
}

// Writes one row of levels. False if a band exceeds the spectrum or the weights.
static NOINLINE bool levels(
    const frame_t *p, const frame_buffers_t *b, const uint32_t *power, const uint8_t *shifts, int shift, int32_t *best) {
    uint32_t bins = (uint32_t)p->n_fft / 2 + 1, at = 0;
    *best = -32768;
    for (int32_t i = 0; i < p->bands; i++) {
        uint32_t first = b->first[i], count = b->count[i];
        if (first + count > bins || at + count > b->n_weights) {
            return false;
        }
        int32_t exponent, v = p->silence;
        uint32_t total = band_power(power + first, shifts + first, b->weights + at, (int32_t)count, &exponent);
        if (total) {
            v = (log2_q16(total, b->log2) >> 7) + (exponent + 2 * shift) * 512 + p->offset;
            v = v < p->silence ? p->silence : v;
        }
        b->levels[p->to + i] = (int16_t)v;
        *best = v > *best ? v : *best;
        at += count;
    }
    return true;
}

// ---- a frame

L3_LOCAL size_t frame_work_words(int32_t n_fft) {
    size_t bins = (size_t)n_fft / 2 + 1;
    return (size_t)n_fft + bins + (bins + 3) / 4;
}

L3_LOCAL bool frame_allowed(const frame_t *p, const frame_buffers_t *b) {
    const int32_t most = 1 << 28;
    return p->n_fft >= 16
        && p->n_fft <= 32768
        && (p->n_fft & (p->n_fft - 1)) == 0
        && b->n_pcm <= (size_t)most
        && p->start > -most
        && p->start < most
        && p->silence >= -32768
        && p->silence <= 32767
        && p->bits >= 1
        && p->bits <= 31
        && p->offset > -most
        && p->offset < most
        && p->bands >= 0
        && p->to >= 0
        && (size_t)p->to + (size_t)p->bands <= b->n_levels
        && b->work_words >= frame_work_words(p->n_fft)
        && b->n_cos >= (size_t)p->n_fft / 4 + 1
        && b->n_hann >= (size_t)p->n_fft / 2 + 1
        && b->n_log2 >= LOG2_ENTRIES
        && b->n_first >= (size_t)p->bands
        && b->n_count >= (size_t)p->bands;
}

L3_LOCAL bool log_mel_frame(const frame_t *p, const frame_buffers_t *b, int32_t *best) {
    uint32_t *z = b->work, *power = z + p->n_fft;
    uint8_t *shifts = (uint8_t *)(power + p->n_fft / 2 + 1);
    rest_t rest = load_frame(p, b, z);
    dft(z, b->cos, p->n_fft);
    spectrum(z, b->cos, power, shifts, &rest, p->n_fft);
    return levels(p, b, power, shifts, rest.moved, best);
}

// ---- rows of levels -> the network's input

L3_LOCAL bool normalise_allowed(const rows_t *p, const int32_t *scale, size_t n_scale, size_t n_levels, size_t n_plane) {
    return n_scale >= 4
        && scale[3] >= 0
        && scale[3] <= 31
        && p->rows >= 1
        && p->columns >= 1
        && p->columns <= p->from_pitch
        && p->columns <= p->to_pitch
        && p->from >= 0
        && p->to >= 0
        && inside(p->rows - 1, p->from_pitch, p->from, 1, p->columns - 1, n_levels)
        && inside(p->rows - 1, p->to_pitch, p->to, 1, p->columns - 1, n_plane);
}

L3_LOCAL void normalise(const rows_t *p, const int32_t *scale, const int16_t *levels, int16_t *plane) {
    for (int32_t y = 0; y < p->rows; y++) {
        const int16_t *x = levels + p->from + (size_t)y * p->from_pitch, *end = x + p->columns;
        int16_t *out = plane + p->to + (size_t)y * p->to_pitch;
        for (; x < end; x++) {
            int32_t d = (int32_t)((uint32_t)*x - (uint32_t)p->loudest);
            d = d < scale[0] ? scale[0] : d;
            int32_t v = (int32_t)((uint32_t)d * (uint32_t)scale[1] + (uint32_t)scale[2]) >> scale[3];
            *out++ = (int16_t)(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
        }
    }
}
