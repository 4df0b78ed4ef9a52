// The native module: conv, flatten, frame, normalise, slide, clear and check for native.py; take, remove_offset, decimate and
// measure for the capture. All files are one translation unit, so that the compiler inlines across them.
//
// Here every buffer's length and alignment is taken from the object itself and every parameter checked against it, so that
// no call from Python can make C touch memory outside its buffers.
#include "py/dynruntime.h"

#define L3_LOCAL static
#include "l3native.h"

#include "decode.c"
#if L3_ARMV6M
#include "armv6m/conv.c"
#include "armv6m/decode.c"
#elif L3_ARMV7EM
#include "armv7m/lines.c"
#include "armv7em/decode.c"
#elif L3_ARMV7M
#include "armv7m/lines.c"
#include "armv7m/decode.c"
#elif L3_LX7
#include "lx7/conv.c"
#include "lx7/decode.c"
#else
#include "portable/arch.c"
#endif
#include "conv.c"
#include "planes.c"
#include "crc.c"
#include "capture.c"
#include "mel.c"

// An object's buffer of items of 1 << log2_size bytes.
static void *items(mp_obj_t o, int flags, int log2_size, size_t *n) {
    mp_buffer_info_t b;
    mp_get_buffer_raise(o, &b, flags);
    *n = b.len >> log2_size;
    if ((uintptr_t)b.buf & (((uintptr_t)1 << log2_size) - 1)) {
        mp_raise_ValueError(MP_ERROR_TEXT("buffer not aligned"));
    }
    return b.buf;
}

static void allow(bool ok) {
    if (!ok) {
        mp_raise_ValueError(MP_ERROR_TEXT("parameters reach outside a buffer"));
    }
}

// Copied, so that the values checked are the values used even if the array is also one of the buffers.
static void parameters(mp_obj_t o, int32_t *to, size_t n) {
    size_t have;
    const int32_t *from = items(o, MP_BUFFER_READ, 2, &have);
    allow(have >= n);
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
}

// The objects of a tuple of n. What does not change from call to call comes in one: MicroPython takes the state of a call with many
// arguments from the heap.
static const mp_obj_t *several(mp_obj_t tuple, size_t n) {
    size_t have;
    mp_obj_t *objects;
    mp_obj_get_array(tuple, &have, &objects);
    allow(have == n);
    return objects;
}

// conv(chunk, in, out, p, (shifts, scratch, parts, layer)): number of filters done, fewer than the chunk has if the next one's data
// are bad
static mp_obj_t native_conv(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    conv_buffers_t b;
    conv_t p;
    layer_t layer;
    size_t n_parts;
    const mp_obj_t *same = several(args[4], 4);
    const uint16_t *parts = items(same[2], MP_BUFFER_READ, 1, &n_parts);
    b.chunk = items(args[0], MP_BUFFER_READ, 0, &b.chunk_bytes);
    b.in = items(args[1], MP_BUFFER_READ, 1, &b.n_in);
    b.out = items(args[2], MP_BUFFER_WRITE, 1, &b.n_out);
    b.shifts = items(same[0], MP_BUFFER_READ, 0, &b.n_shifts);
    b.scratch = items(same[1], MP_BUFFER_WRITE, 2, &b.n_scratch);
    parameters(args[3], (int32_t *)&p, sizeof(p) / 4);
    parameters(same[3], (int32_t *)&layer, sizeof(layer) / 4);
    allow(take_chunk(&p, &layer, parts, n_parts) && conv_allowed(&p, &b));
    return MP_OBJ_NEW_SMALL_INT(conv_chunk(&p, &b));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(conv_obj, 5, 5, native_conv);

// frame(pcm, levels, p, (work, cos, hann, log2, first, count, weights)): the row's largest level
static mp_obj_t native_frame(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    frame_buffers_t b;
    frame_t p;
    const mp_obj_t *same = several(args[3], 7);
    b.pcm = items(args[0], MP_BUFFER_READ, 1, &b.n_pcm);
    b.levels = items(args[1], MP_BUFFER_WRITE, 1, &b.n_levels);
    b.work = items(same[0], MP_BUFFER_WRITE, 2, &b.work_words);
    b.cos = items(same[1], MP_BUFFER_READ, 2, &b.n_cos);
    b.hann = items(same[2], MP_BUFFER_READ, 1, &b.n_hann);
    b.log2 = items(same[3], MP_BUFFER_READ, 1, &b.n_log2);
    b.first = items(same[4], MP_BUFFER_READ, 1, &b.n_first);
    b.count = items(same[5], MP_BUFFER_READ, 1, &b.n_count);
    b.weights = items(same[6], MP_BUFFER_READ, 1, &b.n_weights);
    parameters(args[2], (int32_t *)&p, sizeof(p) / 4);
    int32_t best = 0;
    allow(frame_allowed(&p, &b) && log_mel_frame(&p, &b, &best));
    return mp_obj_new_int(best);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(frame_obj, 4, 4, native_frame);

// normalise(levels, plane, scale, p)
static mp_obj_t native_normalise(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    size_t n_levels, n_plane;
    const int16_t *levels = items(args[0], MP_BUFFER_READ, 1, &n_levels);
    int16_t *plane = items(args[1], MP_BUFFER_WRITE, 1, &n_plane);
    int32_t scale[4];
    rows_t p;
    parameters(args[2], scale, 4);
    parameters(args[3], (int32_t *)&p, sizeof(p) / 4);
    allow(normalise_allowed(&p, scale, 4, n_levels, n_plane));
    normalise(&p, scale, levels, plane);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(normalise_obj, 4, 4, native_normalise);

// slide(plane, p): p: planes_t
static mp_obj_t native_slide(mp_obj_t plane_obj, mp_obj_t p_obj) {
    size_t n;
    uint16_t *plane = items(plane_obj, MP_BUFFER_WRITE, 1, &n);
    planes_t p;
    parameters(p_obj, (int32_t *)&p, sizeof(p) / 4);
    allow(planes_allowed(&p, n));
    planes_slide(&p, plane);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(slide_obj, native_slide);

// clear(plane, p)
static mp_obj_t native_clear(mp_obj_t plane_obj, mp_obj_t p_obj) {
    size_t n;
    uint16_t *plane = items(plane_obj, MP_BUFFER_WRITE, 1, &n);
    planes_t p;
    parameters(p_obj, (int32_t *)&p, sizeof(p) / 4);
    allow(planes_allowed(&p, n));
    planes_clear(&p, plane);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(clear_obj, native_clear);

// flatten(plane, embedding, p): p: columns_t
static mp_obj_t native_flatten(mp_obj_t plane_obj, mp_obj_t out_obj, mp_obj_t p_obj) {
    size_t n, n_out;
    const int16_t *plane = items(plane_obj, MP_BUFFER_READ, 1, &n);
    int16_t *out = items(out_obj, MP_BUFFER_WRITE, 1, &n_out);
    columns_t p;
    parameters(p_obj, (int32_t *)&p, sizeof(p) / 4);
    allow(columns_allowed(&p, n, n_out));
    flatten(&p, plane, out);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(flatten_obj, native_flatten);

// check(buffer, n, crcs, i): whether the CRC of the buffer's first n bytes is crcs[i]
static mp_obj_t native_check(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    size_t most, n_crcs, n = (size_t)mp_obj_get_int(args[1]), i = (size_t)mp_obj_get_int(args[3]);
    const uint8_t *data = items(args[0], MP_BUFFER_READ, 0, &most);
    const uint32_t *crcs = items(args[2], MP_BUFFER_READ, 2, &n_crcs);
    allow(n <= most && i < n_crcs);
    return mp_obj_new_bool(crc32(data, n) == crcs[i]);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(check_obj, 4, 4, native_check);

// take(raw, out, p): p: take_t
static mp_obj_t native_take(mp_obj_t raw_obj, mp_obj_t out_obj, mp_obj_t p_obj) {
    size_t n_raw, n_out;
    const uint16_t *raw = items(raw_obj, MP_BUFFER_READ, 1, &n_raw);
    uint16_t *out = items(out_obj, MP_BUFFER_WRITE, 1, &n_out);
    take_t p;
    parameters(p_obj, (int32_t *)&p, sizeof(p) / 4);
    allow(take_allowed(&p, n_raw, n_out));
    take(&p, raw, out);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(take_obj, native_take);

// decimate(x, taps, ring, p): number of samples written
static mp_obj_t native_decimate(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    size_t n_x, n_taps, n_ring;
    const int16_t *x = items(args[0], MP_BUFFER_READ, 1, &n_x), *taps = items(args[1], MP_BUFFER_READ, 1, &n_taps);
    int16_t *ring = items(args[2], MP_BUFFER_WRITE, 1, &n_ring);
    decimate_t p;
    parameters(args[3], (int32_t *)&p, sizeof(p) / 4);
    allow(decimate_allowed(&p, n_x, n_taps, n_ring));
    return MP_OBJ_NEW_SMALL_INT(decimate(&p, x, taps, n_taps, ring, n_ring));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(decimate_obj, 4, 4, native_decimate);

// remove_offset(x, memory, p)
static mp_obj_t native_remove_offset(mp_obj_t x_obj, mp_obj_t memory_obj, mp_obj_t p_obj) {
    size_t n_x, n_memory;
    int16_t *x = items(x_obj, MP_BUFFER_WRITE, 1, &n_x);
    int32_t *memory = items(memory_obj, MP_BUFFER_WRITE, 2, &n_memory);
    offset_t s;
    part_t p;
    parameters(memory_obj, (int32_t *)&s, OFFSET);
    parameters(p_obj, (int32_t *)&p, sizeof(p) / 4);
    allow(offset_allowed(&p, &s, n_x));
    remove_offset(&p, &s, x);
    for (size_t i = 0; i < OFFSET; i++) {
        memory[i] = ((int32_t *)&s)[i];
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(remove_offset_obj, native_remove_offset);

// measure(x, state, p)
static mp_obj_t native_measure(mp_obj_t x_obj, mp_obj_t state_obj, mp_obj_t p_obj) {
    size_t n_x, n_state;
    const int16_t *x = items(x_obj, MP_BUFFER_READ, 1, &n_x);
    int32_t *state = items(state_obj, MP_BUFFER_WRITE, 2, &n_state);
    state_t s;
    part_t p;
    parameters(state_obj, (int32_t *)&s, STATE);
    parameters(p_obj, (int32_t *)&p, sizeof(p) / 4);
    allow(measure_allowed(&p, &s, n_x));
    measure(&p, &s, x);
    for (size_t i = 0; i < STATE; i++) {
        state[i] = ((int32_t *)&s)[i];
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(measure_obj, native_measure);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_conv, MP_OBJ_FROM_PTR(&conv_obj));
    mp_store_global(MP_QSTR_frame, MP_OBJ_FROM_PTR(&frame_obj));
    mp_store_global(MP_QSTR_normalise, MP_OBJ_FROM_PTR(&normalise_obj));
    mp_store_global(MP_QSTR_slide, MP_OBJ_FROM_PTR(&slide_obj));
    mp_store_global(MP_QSTR_clear, MP_OBJ_FROM_PTR(&clear_obj));
    mp_store_global(MP_QSTR_flatten, MP_OBJ_FROM_PTR(&flatten_obj));
    mp_store_global(MP_QSTR_check, MP_OBJ_FROM_PTR(&check_obj));
    mp_store_global(MP_QSTR_take, MP_OBJ_FROM_PTR(&take_obj));
    mp_store_global(MP_QSTR_decimate, MP_OBJ_FROM_PTR(&decimate_obj));
    mp_store_global(MP_QSTR_remove_offset, MP_OBJ_FROM_PTR(&remove_offset_obj));
    mp_store_global(MP_QSTR_measure, MP_OBJ_FROM_PTR(&measure_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
