// What the native module's C files share: the parameters that Python packs, the buffers that they refer to, and the functions
// that one file offers the others. All but module.c is plain C that knows nothing of MicroPython: a PC builds it with sanitizers.
//
// Unless a field says otherwise, offsets and distances into planes and vectors count elements (int16), those into a chunk bytes.
// Each ..._allowed() checks every field against its range and against the buffers' lengths: nothing outside of them is touched,
// whatever the parameters are.
#ifndef L3_NATIVE_H
#define L3_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline)) // inlined into one function, the inner loops would run out of registers

// What one file offers another: static where module.c makes one translation unit of all of them, which lets the compiler inline
// across files; external where each is compiled alone.
#ifndef L3_LOCAL
#define L3_LOCAL
#endif

// A palette, and its values as integers: each times 2^unit, rounded down. For conv.c; declared here because the tables of some
// architectures hold one.
typedef struct {
    int32_t of[256];
    int32_t unit; // NO_UNIT: a value is infinite, subnormal or NaN
    const uint16_t *halves; // float16
} palette_t;

enum { NO_UNIT = -1000 }; // no shift is near it

// An architecture's own code is in its folder: its arch.h is included here, its functions are declared at the end of this file.
#ifdef __ARM_ARCH_6M__
#define L3_ARMV6M 1
#include "../armv6m/arch.h"
#elif defined(__ARM_FEATURE_DSP)
#define L3_ARMV7EM 1
#include "../armv7em/arch.h"
#elif defined(__ARM_ARCH_7M__)
#define L3_ARMV7M 1
#include "../armv7m/arch.h"
#elif defined(__XTENSA__)
#define L3_LX7 1
#include "../lx7/arch.h"
#else
#include "../portable/arch.h"
#endif

// Parameters come as an array of int32_t from Python, which counts its slots: kernels/native.py, tests/kernels/test_slots.py.
#define L3_SLOTS(type, n) _Static_assert(sizeof(type) == 4 * (n), #type " and the slots that Python packs differ in number")

// ---- crc.c

// CRC-32 of n bytes, as binascii computes it.
L3_LOCAL uint32_t crc32(const uint8_t *data, size_t n);

// ---- conv.c: one chunk of filters

enum {
    MAX_TAPS = 9 * 4096,
    PALETTE_BYTES = 512, // of 256 float16
};

enum { ALL, BYTE_GAPS, NIBBLE_GAPS, BITMAP }; // position codes

typedef struct {
    // The chunk: take_chunk() sets these from a reader's parts, and moves `to` on from the layer's first filter.
    int32_t filters; // 1..65535
    int32_t biases; // byte where they stand: a float32 each
    int32_t counts; // byte where they stand: a uint16 each, the filter's values; unused with ALL
    int32_t values; // byte where they stand: float16, at an even address; with a palette a uint8 each
    int32_t positions; // byte where they stand, as `code` says
    int32_t end; // byte where they end
    int32_t first_shift; // of the first filter: element of conv_buffers_t.shifts
    int32_t to; // of the first filter: element of conv_buffers_t.out where its results begin
    // The layer: take_chunk() sets these from a layer_t.
    int32_t palette; // byte where its 256 float16 stand, at an even address; 0: the values are float16 themselves
    int32_t code; // ALL..BITMAP
    int32_t taps; // of a filter, zeros included: 9 for each channel, or a dense layer's inputs; 1..MAX_TAPS
    int32_t exponent; // an input is its int16 times 2^-exponent; -128..127
    int32_t out_exponent; // the same of an output
    int32_t least; // an output saturates here: -32768..most, and 0 with a ReLU
    int32_t most; // and here: least..32767
    int32_t is_signed; // 0: inputs come from a ReLU, so that none is negative
    int32_t pitch; // of the input, from row to row, 0..2^28; 0: a dense layer, which has one row and one column
    int32_t size; // of the input, from channel to channel, 0..2^28
    int32_t out_pitch; // from row to row, not negative
    int32_t out_size; // from filter to filter, not negative
    int32_t pool_rows; // in a group, at least 1
    int32_t pool_columns; // in a group, at least 1
    // The strip.
    int32_t first; // element of the input: upper left neighbour of the first pixel, 0..2^28
    int32_t rows; // that are computed, 1..65535
    int32_t columns; // that are computed, 1..65535
    int32_t within; // the first row's place in its group, 0..pool_rows - 1
    int32_t out_columns; // groups of columns, at least 1 and no more than columns / pool_columns
    // For take_chunk().
    int32_t number; // of the chunk, whose parts begin at 4 * number
    int32_t first_filter; // of the layer's, 0..65535
} conv_t;

L3_SLOTS(conv_t, 29);
_Static_assert(offsetof(conv_t, first) == 4 * 22, "Python packs what begins there by itself");

// What is the same in all of a layer's strips: fields of conv_t.
typedef struct {
    int32_t palette, code, taps, exponent, out_exponent, least, most, is_signed;
    int32_t pitch, size, out_pitch, out_size, pool_rows, pool_columns;
    int32_t first_shift; // of the layer's first filter
} layer_t;

L3_SLOTS(layer_t, 15);

typedef struct {
    const uint8_t *chunk;
    size_t chunk_bytes;
    const int8_t *shifts; // a filter's weights are its integers times 2^-shift
    size_t n_shifts;
    const uint16_t *in;
    size_t n_in;
    int16_t *out;
    size_t n_out;
    int32_t *scratch; // the list of one filter, two words a weight, then two lines of sums
    size_t n_scratch;
} conv_buffers_t;

// A filter as the inner loops read it (sums.h).
typedef struct {
    const int32_t *list, *end;
    uint32_t bias; // with the rounding of the shift
    bool by_rows; // rows of three weights, else single ones
} filter_t;

// parts: four numbers a chunk, as opening.py lists them: bytes of payload, filters, bytes of positions, values. False where p
// leaves them, or its results any plane.
L3_LOCAL bool take_chunk(conv_t *p, const layer_t *layer, const uint16_t *parts, size_t n_parts);

// Checks everything that conv_chunk relies on.
L3_LOCAL bool conv_allowed(const conv_t *p, const conv_buffers_t *b);

// Computes the chunk's filters in order. Returns how many were done: fewer than filters if the next one is bad.
L3_LOCAL int32_t conv_chunk(const conv_t *p, const conv_buffers_t *b);

// Whether the index a * b + c * d + rest (none of them negative) is below n.
L3_LOCAL bool inside(int32_t a, int32_t b, int32_t c, int32_t d, int32_t rest, size_t n);

// ---- decode.c: the weights of a filter

typedef uint16_t __attribute__((may_alias)) position_t; // positions are kept in the memory that the list grows into

// Where the next filter's parts are, and the shift of its weights.
typedef struct {
    const uint8_t *values, *positions, *end;
    const palette_t *palette; // NULL: the values are float16 themselves
    int32_t shift;
} weights_t;

// The right shift from the palette's integers to a filter's weights; for most filters 15 to 31.
ALWAYS_INLINE int32_t palette_shift(const weights_t *d) {
    return d->palette->unit - d->shift;
}

// Whether, with that shift, every weight of the palette fits int16 and is rounded exactly.
ALWAYS_INLINE bool palette_fits(const weights_t *d) {
    return d->palette && palette_shift(d) >= 15 && palette_shift(d) <= 31;
}

// Whether rows of three weights pay, and `room` words hold them and n positions behind them. They take 8/3 half words a tap.
ALWAYS_INLINE bool rows_pay(const conv_t *p, int32_t n, size_t room) {
    size_t halves = 8 * (size_t)p->taps + 3 * (size_t)n;
    return p->pitch && p->columns >= 4 && 8 * n >= 7 * p->taps && halves <= 6 * room;
}

// Where a filter's n positions are kept: at the end of the list's room.
ALWAYS_INLINE position_t *waiting(int32_t *list, size_t room, int32_t n) {
    return (position_t *)(list + room) - n;
}

// Unpacks the taps of a filter's n weights, ascending. False for bad data.
L3_LOCAL bool unpack(weights_t *d, int32_t code, int32_t taps, int32_t n, position_t *to);

L3_LOCAL void prepare_palette(palette_t *palette, const uint16_t *halves);

// Decodes a filter of n weights into a list of `room` words, at least two a weight. Returns the list's end, or NULL for bad data.
L3_LOCAL int32_t *decode(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, size_t room);

// A float32, given as its bytes, times 2^shift, rounded half up. False if it is not finite or does not fit.
L3_LOCAL bool integer_bias(const uint8_t *b, int32_t shift, int32_t *bias);

// ---- planes.c: rows and columns of channel planes

// Some rows of every channel.
typedef struct {
    int32_t channels; // 1..65535
    int32_t size; // from channel to channel, not negative
    int32_t pitch; // from row to row, at least 1
    int32_t first; // row, 0..2^28 - 1
    int32_t rows; // 0..2^28 - 1
} planes_t;

L3_SLOTS(planes_t, 5);

// Columns of a plane to copy into the embedding.
typedef struct {
    int32_t channels; // 1..65535
    int32_t size; // from channel to channel, not negative
    int32_t pitch; // from row to row, not negative
    int32_t inset; // the first column, 0..2^28 - 1
    int32_t rows; // 1..65535
    int32_t columns; // 1..65535
    int32_t to; // element of the embedding, not negative
    int32_t opening; // 0: a value that is there already stays if it is larger
} columns_t;

L3_SLOTS(columns_t, 8);

L3_LOCAL bool planes_allowed(const planes_t *p, size_t n);

// Moves the rows to the start of their channel.
L3_LOCAL void planes_slide(const planes_t *p, uint16_t *plane);

// Sets the rows to zero.
L3_LOCAL void planes_clear(const planes_t *p, uint16_t *plane);

L3_LOCAL bool columns_allowed(const columns_t *p, size_t n, size_t n_out);

// Copies column after column, in each row after row, in each all channels.
L3_LOCAL void flatten(const columns_t *p, const int16_t *plane, int16_t *out);

// ---- mel.c: the log-mel front-end. A level is the log2 of a power in 1/512.

enum { LOG2_ENTRIES = 65 };

// One frame.
typedef struct {
    int32_t n_fft; // samples: a power of two, 16..32768
    int32_t start; // first sample; samples outside the window are zero; within 2^28 of 0
    int32_t bits; // of the largest windowed sample once it is shifted, 1..31
    int32_t to; // element of the levels where its row begins, not negative
    int32_t offset; // added to each level, within 2^28 of 0
    int32_t bands; // not negative
    int32_t silence; // the least level, -32768..32767
} frame_t;

L3_SLOTS(frame_t, 7);
_Static_assert(offsetof(frame_t, start) == 4 * 1 && offsetof(frame_t, to) == 4 * 3, "Python moves these two from frame to frame");

typedef struct {
    const int16_t *pcm;
    int16_t *levels;
    uint32_t *work; // n_fft words of the DFT, n_fft / 2 + 1 words of power and as many bytes of their shifts
    const int32_t *cos;
    const uint16_t *hann, *log2, *first, *count, *weights;
    size_t n_pcm, n_levels, work_words, n_cos, n_hann, n_log2, n_first, n_count, n_weights;
} frame_buffers_t;

// Rows of levels, which become the network's input.
typedef struct {
    int32_t rows; // at least 1
    int32_t columns; // at least 1, no more than either pitch
    int32_t from; // element where the levels begin, not negative
    int32_t from_pitch; // from row to row
    int32_t to; // element of the plane where they go, not negative
    int32_t to_pitch;
    int32_t loudest; // the window's largest level
} rows_t;

L3_SLOTS(rows_t, 7);

// Words of frame_buffers_t.work.
L3_LOCAL size_t frame_work_words(int32_t n_fft);

// Checks everything that log_mel_frame relies on, except the bands' positions, which it checks as it goes.
L3_LOCAL bool frame_allowed(const frame_t *p, const frame_buffers_t *b);

// Computes one row of levels; *best becomes the largest. False if the tables are bad.
L3_LOCAL bool log_mel_frame(const frame_t *p, const frame_buffers_t *b, int32_t *best);

// scale: floor (of a level less the loudest), factor, offset, shift (0..31).
L3_LOCAL bool normalise_allowed(const rows_t *p, const int32_t *scale, size_t n_scale, size_t n_levels, size_t n_plane);

// scale: a copy, so that no plane can change it. The levels may lie in the plane itself, at the places of their results.
L3_LOCAL void normalise(const rows_t *p, const int32_t *scale, const int16_t *levels, int16_t *plane);

// ---- capture.c: a microphone's samples, int16

enum {
    MOST_TAPS = 1024, // of the low pass
    MOST_SAMPLES = 32767, // of a part, so that its sums fit
    FULL = 1 << 18, // bound of the values in the level filter's sections
    FRACTION = 10, // bits of a section's level below a value's
    OFFSET_FRACTION = 13, // bits of offset_t.mean below a sample's
};

// Slots of state_t and offset_t, as capture.py has them.
enum { MEMORY = 9, MEASURED = 17, STATE = 21, OFFSET_STATS = 4, OFFSET = 7 };

// One channel of what a driver writes.
typedef struct {
    int32_t first; // element of what the driver wrote, not negative
    int32_t step; // elements from sample to sample, 1..16
    int32_t samples; // not negative
    int32_t is_unsigned; // 0: samples are signed; else their highest bit is inverted
} take_t;

L3_SLOTS(take_t, 4);

typedef struct {
    int32_t samples; // that there are, not negative
    int32_t factor; // of them go one into the ring, 1..MOST_TAPS
    int32_t to; // element of the ring where the first goes, not negative
} decimate_t;

L3_SLOTS(decimate_t, 3);

// Some samples of a block.
typedef struct {
    int32_t first; // not negative
    int32_t stop; // one after the last; first..first + MOST_SAMPLES
} part_t;

L3_SLOTS(part_t, 2);

// State of remove_offset, and statistics of the samples that it saw.
typedef struct {
    int32_t last; // shift in the end, 0..OFFSET_FRACTION - 1
    int32_t mean; // times 2^OFFSET_FRACTION
    int32_t seen; // samples so far, counted until the shift is the last; no more than 2^(shift + 1) - 1
    int32_t shift; // by now, 0..last
    int32_t least; // sample, as it came
    int32_t largest; // likewise
    int32_t clipped; // samples at full scale
} offset_t;

L3_SLOTS(offset_t, OFFSET);
_Static_assert(offsetof(offset_t, least) == 4 * OFFSET_STATS, "Python reads the statistics there");

// State of measure: coefficients, the values of its sections, and the sums that it leaves.
typedef struct {
    struct {
        int32_t a; // times 2^shift
        int32_t shift; // FRACTION..FRACTION + 31
    } high[3]; // passes: the first twice
    int32_t p, b0, b1; // of the two low passes, times 2^11
    int32_t level[4]; // of the high passes
    struct {
        int32_t x, y; // last input and output, within FULL
    } low[2];
    int32_t plain, plain_low; // sums of the squares' high and low 16 bits
    int32_t weighted, weighted_low; // the same of twice the A-weighted samples
} state_t;

L3_SLOTS(state_t, STATE);
_Static_assert(offsetof(state_t, level) == 4 * MEMORY && offsetof(state_t, plain) == 4 * MEASURED, "Python begins there");

L3_LOCAL bool take_allowed(const take_t *p, size_t n_raw, size_t n_out);

L3_LOCAL void take(const take_t *p, const uint16_t *raw, uint16_t *out);

// n_taps: a multiple of 4, up to MOST_TAPS.
L3_LOCAL bool decimate_allowed(const decimate_t *p, size_t n_x, size_t n_taps, size_t n_ring);

// Returns the number of samples written into the ring.
L3_LOCAL int32_t decimate(const decimate_t *p, const int16_t *x, const int16_t *taps, size_t n_taps, int16_t *ring, size_t n_ring);

L3_LOCAL bool offset_allowed(const part_t *p, const offset_t *s, size_t n_x);

// In place.
L3_LOCAL void remove_offset(const part_t *p, offset_t *s, int16_t *x);

L3_LOCAL bool measure_allowed(const part_t *p, const state_t *s, size_t n_x);

L3_LOCAL void measure(const part_t *p, state_t *s, const int16_t *x);

// ---- what an architecture's folder has: portable/arch.c, or armv6m/conv.c and armv6m/decode.c

// Sums of one row of pixels.
L3_LOCAL void sum_line(const filter_t *f, const uint16_t *x, int32_t columns, int32_t *line, bool is_signed);

// Computes a filter's whole output without intermediate lines of sums. False for layers that it does not support.
L3_LOCAL bool conv_blocks(const conv_t *p, const filter_t *f, int shift, const uint16_t *x, int16_t *out);

// Prepares what all filters of a chunk share in decode_filter, except q->palette.
L3_LOCAL void prepare_factors(factors_t *q, const conv_t *p);

// Whether a filter of n weights becomes rows rather than single taps, in a list of `room` words; each architecture decides.
L3_LOCAL bool takes_rows(const conv_t *p, int32_t n, size_t room);

// Decodes a filter with decode(), or into what the architecture's own sums read. Returns the list's end, or NULL for bad data.
L3_LOCAL int32_t *decode_filter(const conv_t *p, weights_t *d, int32_t n, bool by_rows, int32_t *list, factors_t *q, size_t room);

#endif
