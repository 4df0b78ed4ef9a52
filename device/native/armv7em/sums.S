@ Inner loops of Cortex-M with DSP: l3_list8 is sums.h's list8 and l3_rows8 its rows4 for eight pixels, each over blocks of eight
@ pixels side by side.
@   void f(const blocks_t *)
@ SMLAD adds two products, SMLABT and its kin one, of chosen halves; modulo 2^32, as the C does. Pixels may stand at odd halves of
@ words: LDR takes them, LDM and LDRD would not. Instructions a product, blocks' beginnings and ends aside: 1.0 in l3_rows8, 1.8 in
@ l3_list8.
    .syntax unified
    .cpu cortex-m4
    .thumb
    .text

@ blocks_t, copied onto the stack in its order
    .equ X, 0
    .equ LIST, 4
    .equ BIAS, 8
    .equ END, 12
    .equ OUT, 16
    .equ BLOCKS, 20
    .equ FRAME, 24

@ r0 x, r1 list, r2 to r5 weights and pixels, the sums:
    sum0 .req r6
    sum1 .req r7
    sum2 .req r8
    sum3 .req r9
    sum4 .req r10
    sum5 .req r11
    sum6 .req r12
    sum7 .req lr

.macro FUNCTION name
    .global \name
    .hidden \name
    .type \name, %function
    .thumb_func
    .balign 4
\name:
    push {r4-r11, lr}
    ldm r0, {r1-r6}
    push {r1-r6}
.endm

@ A block's beginning
.macro BEGIN
    ldm sp, {r0, r1, r6}
    mov sum1, sum0
    mov sum2, sum0
    mov sum3, sum0
    mov sum4, sum0
    mov sum5, sum0
    mov sum6, sum0
    mov sum7, sum0
.endm

@ A block's end, and to the next one
.macro NEXT begin
    ldr r1, [sp, #OUT]
    stm r1!, {sum0, sum1, sum2, sum3, sum4, sum5, sum6, sum7}
    str r1, [sp, #OUT]
    ldrd r0, r2, [sp]
    ldr r3, [sp, #BLOCKS]
    adds r0, #16
    str r0, [sp, #X]
    subs r3, #1
    str r3, [sp, #BLOCKS]
    bne \begin
    add sp, #FRAME
    pop {r4-r11, pc}
.endm

@ ---- three weights on eight pixels: r2 the first two, r3 the last two

@ p, q: pixels 0 to 3; s, t: the sums that begin at the first two
.macro PAIR p, q, s, t
    smlad \s, \p, r2, \s
    smlabt \s, \q, r3, \s
    smlatb \t, \p, r2, \t
    smlad \t, \q, r3, \t
.endm

.macro ROW
    ldm r1!, {r2, r3, r4}
    add r0, r4
    ldr r4, [r0]
    ldr r5, [r0, #4]
    PAIR r4, r5, sum0, sum1
    ldr r4, [r0, #8]
    PAIR r5, r4, sum2, sum3
    ldr r5, [r0, #12]
    PAIR r4, r5, sum4, sum5
    ldr r4, [r0, #16]
    PAIR r5, r4, sum6, sum7
.endm

@ A channel's three rows a turn
    FUNCTION l3_rows8
1:  BEGIN
2:  ROW
    ROW
    ROW
    ldr r2, [sp, #END]
    cmp r1, r2
    bne 2b
    NEXT 1b

@ ---- one weight, r3, on eight pixels

.macro TAP
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

@ Four taps a turn; a remainder comes first, one by one
    FUNCTION l3_list8
1:  BEGIN
2:  ldr r2, [sp, #END]
    subs r2, r1
    beq 5f
    tst r2, #24
    beq 4f
    TAP
    b 2b
4:  .rept 4
    TAP
    .endr
    ldr r2, [sp, #END]
    cmp r1, r2
    bne 4b
5:  NEXT 1b
