@ Inner loops of the Cortex-M3: see sums.inc. Instructions a product, blocks' beginnings and ends aside: 1.5 in l3_rows8, 1.7 in
@ l3_rows4, 2.3 in l3_list8.
    .cpu cortex-m3
    .syntax unified

@ A pixel into r5, and its product with each weight to a sum
.macro PIXEL off, pairs:vararg
    ldrsh r5, [r0, #\off]
    PRODUCTS \pairs
.endm

.macro PRODUCTS weight, sum, more:vararg
    mla \sum, \weight, r5, \sum
    .ifnb \more
    PRODUCTS \more
    .endif
.endm

@ u, v, w: r2, r3, r4
.macro ROW8
    ldm r1!, {r2, r3, r4, r5}
    add r0, r5
    PIXEL 0, r2, sum0
    PIXEL 2, r3, sum0, r2, sum1
    PIXEL 4, r4, sum0, r3, sum1, r2, sum2
    PIXEL 6, r4, sum1, r3, sum2, r2, sum3
    PIXEL 8, r4, sum2, r3, sum3, r2, sum4
    PIXEL 10, r4, sum3, r3, sum4, r2, sum5
    PIXEL 12, r4, sum4, r3, sum5, r2, sum6
    PIXEL 14, r4, sum5, r3, sum6, r2, sum7
    PIXEL 16, r4, sum6, r3, sum7
    PIXEL 18, r4, sum7
.endm

.macro ROW4
    ldm r1!, {r2, r3, r4, r5}
    add r0, r5
    PIXEL 0, r2, sum0
    PIXEL 2, r3, sum0, r2, sum1
    PIXEL 4, r4, sum0, r3, sum1, r2, sum2
    PIXEL 6, r4, sum1, r3, sum2, r2, sum3
    PIXEL 8, r4, sum2, r3, sum3
    PIXEL 10, r4, sum3
.endm

.macro TAP8
    ldm r1!, {r2, r3}
    add r0, r2
    PIXEL 0, r3, sum0
    PIXEL 2, r3, sum1
    PIXEL 4, r3, sum2
    PIXEL 6, r3, sum3
    PIXEL 8, r3, sum4
    PIXEL 10, r3, sum5
    PIXEL 12, r3, sum6
    PIXEL 14, r3, sum7
.endm

#include "sums.inc"
