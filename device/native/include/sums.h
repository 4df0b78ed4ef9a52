// The inner loops in C: sums of a filter's products. Inlined, so that each caller gets a copy for its constants. The folders of
// some architectures have them in assembly, except for narrow planes.
//
// Sums are uint32_t: a calibrated file cannot overflow them, a hostile one wraps around without undefined behaviour.
#ifndef L3_SUMS_H
#define L3_SUMS_H

#include "l3native.h"

// Turns a sum into an activation.
ALWAYS_INLINE int32_t requantise(int32_t sum, int shift, int32_t least, int32_t most) {
    sum >>= shift;
    sum = sum < least ? least : sum;
    return sum > most ? most : sum;
}

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

// ---- one row of pixels; the last block of a row overlaps the one before

ALWAYS_INLINE int32_t place(int32_t at, int32_t width, int32_t columns) {
    return at + width > columns ? columns - width : at;
}

// Planes of fewer than 8 columns, where the list is not in row form.
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

#endif
