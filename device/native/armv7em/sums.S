@ Inner loops of Cortex-M with DSP: see armv7m/sums.inc.
@ SMLAD adds two products, SMLABT and its kin one, of chosen halves; modulo 2^32, as the C does. Pixels may stand at odd halves of
@ words: LDR takes them, LDM and LDRD would not. Instructions a product, blocks' beginnings and ends aside: 1.0 in l3_rows8, 1.1 in
@ l3_rows4, 1.8 in l3_list8.
    .cpu cortex-m4
    .syntax unified

@ ---- three weights on pixels: r2 the first two, r3 the last two

@ p, q: pixels 0 to 3; s, t: the sums that begin at the first two
.macro PAIR p, q, s, t
    smlad \s, \p, r2, \s
    smlabt \s, \q, r3, \s
    smlatb \t, \p, r2, \t
    smlad \t, \q, r3, \t
.endm

.macro ROW4
    ldm r1!, {r2, r3, r4}
    add r0, r4
    ldr r4, [r0]
    ldr r5, [r0, #4]
    PAIR r4, r5, sum0, sum1
    ldr r4, [r0, #8]
    PAIR r5, r4, sum2, sum3
.endm

.macro ROW8
    ROW4
    ldr r5, [r0, #12]
    PAIR r4, r5, sum4, sum5
    ldr r4, [r0, #16]
    PAIR r5, r4, sum6, sum7
.endm

@ ---- one weight, r3, on eight pixels

.macro TAP8
    ldm r1!, {r2, r3}
    add r0, r2
    ldr r2, [r0]
    ldr r4, [r0, #4]
    ldr r5, [r0, #8]
    smlabb sum0, r2, r3, sum0
    smlatb sum1, r2, r3, sum1
    ldr r2, [r0, #12]
    smlabb sum2, r4, r3, sum2
    smlatb sum3, r4, r3, sum3
    smlabb sum4, r5, r3, sum4
    smlatb sum5, r5, r3, sum5
    smlabb sum6, r2, r3, sum6
    smlatb sum7, r2, r3, sum7
.endm

#include "../armv7m/sums.inc"
