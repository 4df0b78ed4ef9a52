@ Cortex-M0+ loops of mel.c: l3_turns is turned_butterflies, l3_band_power is band_power; others have mel.c's name.
@   void l3_turns(z, end, size, cos, stride, quarter)
@   void l3_last_stages(z, end)
@   void l3_shift_right(z, end, shift)
@   void l3_put_pairs(a, b, power, shifts, cos, k, quarter)
@   uint32_t l3_band_power(power, shifts, weights, n, exponent)
@ size, stride, quarter: bytes. 59 cycles a butterfly, 45 four points' last stages, 150 a pair of bins, some 32 a band's weight.
#include "function.inc"

    .equ ARGUMENTS, 36

@ The frame: the first butterfly of a twiddle factor, where its cosine and sine stand, how many factors are left
    .equ AT, 0
    .equ COS, 4
    .equ SIN, 8
    .equ LEFT, 12
    .equ SIZE, 16
    .equ HALF, 20
    .equ FRAME, 24
    .equ STRIDE, FRAME + ARGUMENTS
    .equ QUARTER, FRAME + ARGUMENTS + 4

@ The sum of a and b, to a; their difference: re in r4 (high bits) and r2 (the low 13), im in r5 and r3. r6, r7 are lost
.macro DIFFERENCE
    ldr r2, [r0]
    ldr r4, [r1]
    adds r6, r2, r4
    subs r2, r4
    ldr r3, [r0, #4]
    ldr r5, [r1, #4]
    adds r7, r3, r5
    subs r3, r5
    stm r0!, {r6, r7}
    asrs r4, r2, #13
    lsls r2, #19
    lsrs r2, #19
    asrs r5, r3, #13
    lsls r3, #19
    lsrs r3, #19
.endm

@ All four of them times the factor in `by`: an eighth of a turn needs no other product
.macro EIGHTH by
    DIFFERENCE
    mov r6, \by
    muls r4, r6
    muls r2, r6
    muls r5, r6
    muls r3, r6
.endm

@ Stores r6, r7, and goes on to the next butterfly
.macro NEXT_BUTTERFLY again
    adds r6, #8
    asrs r6, #4
    adds r7, #8
    asrs r7, #4
    stm r1!, {r6, r7}
    add r0, r9
    add r1, r9
    cmp r0, r12
    blo \again
.endm

@ Butterflies of one twiddle factor: r0 a, r1 b, r9 from behind one to the next, r10 cosine, r11 sine, r12 end; r8 and lr are lost
.macro BUTTERFLIES
.Lturn\@:
    DIFFERENCE
    mov r6, r10
    movs r7, r2
    muls r7, r6
    asrs r7, #13
    mov r8, r7
    movs r7, r4
    muls r7, r6
    add r8, r7                  @ re cos
    movs r7, r3
    muls r7, r6
    asrs r7, #13
    mov lr, r7
    movs r7, r5
    muls r7, r6
    add r7, lr                  @ im cos
    mov r6, r11
    muls r5, r6
    add r5, r8
    muls r3, r6
    asrs r3, #13
    adds r5, r3
    adds r5, #8
    asrs r5, #4
    muls r4, r6
    subs r7, r4
    muls r2, r6
    asrs r2, #13
    subs r7, r2
    adds r7, #8
    asrs r7, #4
    stm r1!, {r5, r7}
    add r0, r9
    add r1, r9
    cmp r0, r12
    blo .Lturn\@
.endm

    FUNCTION l3_turns
    sub sp, #FRAME
    mov r12, r1
    str r0, [sp, #AT]
    str r2, [sp, #SIZE]
    lsrs r4, r2, #1
    str r4, [sp, #HALF]
    lsls r4, r2, #1
    subs r4, #8
    mov r9, r4
    lsrs r4, r2, #4
    subs r4, #1
    str r4, [sp, #LEFT]
    str r3, [sp, #COS]
    ldr r4, [sp, #QUARTER]
    adds r4, r3
    str r4, [sp, #SIN]
1:  ldr r0, [sp, #AT]
    adds r0, #8
    str r0, [sp, #AT]
    ldr r1, [sp, #SIZE]
    adds r1, r0
    ldr r4, [sp, #STRIDE]
    ldr r3, [sp, #COS]
    adds r3, r4
    str r3, [sp, #COS]
    ldr r3, [r3]
    mov r10, r3
    ldr r3, [sp, #SIN]
    subs r3, r4
    str r3, [sp, #SIN]
    ldr r3, [r3]
    mov r11, r3
    cmp r3, r10
    bne 4f
    b eighth
4:  BUTTERFLIES
    ldr r0, [sp, #AT]           @ a quarter turn further
    ldr r1, [sp, #HALF]
    adds r0, r1
    ldr r1, [sp, #SIZE]
    adds r1, r0
    mov r3, r10
    mov r4, r11
    negs r4, r4
    mov r10, r4
    mov r11, r3
    BUTTERFLIES
left:
    ldr r0, [sp, #LEFT]
    subs r0, #1
    str r0, [sp, #LEFT]
    beq 2f
    b 1b
2:  add sp, #FRAME
    RETURN
eighth:                         @ cosine and sine are equal
    EIGHTH r10
    asrs r2, #13
    asrs r3, #13
    adds r4, r2
    adds r5, r3
    adds r6, r4, r5
    subs r7, r5, r4
    NEXT_BUTTERFLY eighth
    ldr r0, [sp, #AT]
    ldr r1, [sp, #HALF]
    adds r0, r1
    ldr r1, [sp, #SIZE]
    adds r1, r0
3:  EIGHTH r10                  @ and then opposite
    negs r6, r2
    asrs r6, #13
    negs r7, r3
    asrs r7, #13
    asrs r2, #13
    asrs r3, #13
    subs r6, r4
    adds r6, r5
    adds r6, r3
    subs r7, r5
    subs r7, r4
    subs r7, r2
    NEXT_BUTTERFLY 3b
    b left

@ Four points, eight words, a turn
    FUNCTION l3_last_stages
    mov r12, r1
1:  ldm r0!, {r1-r7}            @ ar ai tr ti br bi cr
    adds r1, r5                 @ sum of the first and the third
    lsls r5, #1
    subs r5, r1, r5             @ their difference
    adds r2, r6
    lsls r6, #1
    subs r6, r2, r6
    adds r3, r7
    lsls r7, #1
    subs r7, r3, r7             @ second less fourth
    mov r8, r7
    ldm r0!, {r7}
    adds r4, r7
    lsls r7, #1
    subs r7, r4, r7
    subs r0, #32
    mov r9, r7
    adds r7, r1, r3
    subs r1, r3
    mov r10, r1
    adds r3, r2, r4
    subs r2, r4
    mov r11, r2
    mov r1, r9
    adds r4, r5, r1             @ fifth result
    subs r5, r1
    mov r2, r8
    subs r1, r6, r2
    adds r6, r2
    mov lr, r1
    mov r1, r7
    mov r2, r3
    mov r7, r10
    stm r0!, {r1, r2, r7}
    mov r1, r11
    mov r2, r4
    mov r3, lr
    stm r0!, {r1, r2, r3, r5, r6}
    cmp r0, r12
    blo 1b
    RETURN

@ Four words a turn, each (x + half) >> shift
    FUNCTION l3_shift_right
    mov r12, r1
    movs r1, #1
    lsls r1, r2
    lsrs r1, #1
1:  ldm r0!, {r4-r7}
    adds r4, r1
    asrs r4, r2
    adds r5, r1
    asrs r5, r2
    adds r6, r1
    asrs r6, r2
    adds r7, r1
    asrs r7, r2
    subs r0, #16
    stm r0!, {r4-r7}
    cmp r0, r12
    blo 1b
    RETURN

@ The frame of l3_put_pairs; LOWER: where a carry into k begins
    .equ POWER, 0
    .equ SHIFTS, 4
    .equ PAIR_COS, 8
    .equ PAIR_SIN, 12
    .equ LOWER, 16
    .equ WHOLE, 20              @ k of a pair's both bins together
    .equ END, 24                @ of a
    .equ PAIRS_FRAME, 28

@ The power of re, im at the bin (times 4) in \bin; r2, r3, r4, re and im are lost; lr lengths
.macro PUT re, im, bin
    asrs r2, \re, #31
    movs r3, \re
    eors r3, r2
    subs r3, r2
    asrs r2, \im, #31
    movs r4, \im
    eors r4, r2
    subs r4, r2
    orrs r3, r4
    mov r4, lr
    lsrs r3, r3, #14
    lsrs r2, r3, #6
    beq 7f
    lsrs r3, r3, #12
    beq 8f
    ldrb r2, [r4, r3]
    adds r2, #12
    b 9f
7:  ldrb r2, [r4, r3]
    b 9f
8:  ldrb r2, [r4, r2]
    adds r2, #6
9:  asrs \re, r2
    asrs \im, r2
    muls \re, \re
    muls \im, \im
    adds \re, \im
    \bin
    ldr r4, [sp, #POWER]
    str \re, [r4, r3]
    ldr r4, [sp, #SHIFTS]
    lsrs r3, #2
    strb r2, [r4, r3]
.endm

.macro BIN
    mov r3, r12
.endm

.macro MIRROR
    mov r4, r12
    ldr r3, [sp, #WHOLE]
    subs r3, r4
.endm

@ r8, r9 even part, r10 a, r11 b, r12 k times 4, lr lengths
    FUNCTION l3_put_pairs
    .equ PAIR_ARGUMENTS, ARGUMENTS + PAIRS_FRAME
    sub sp, #PAIRS_FRAME
    str r2, [sp, #POWER]
    str r3, [sp, #SHIFTS]
    movs r2, r1
    adds r2, #8
    str r2, [sp, #END]
    ldr r2, [sp, #PAIR_ARGUMENTS]
    str r2, [sp, #PAIR_COS]
    ldr r3, [sp, #PAIR_ARGUMENTS + 4]
    mov r12, r3
    ldr r3, [sp, #PAIR_ARGUMENTS + 8]
    adds r2, r3
    str r2, [sp, #PAIR_SIN]
    lsls r2, r3, #1
    str r2, [sp, #WHOLE]
    lsrs r3, #1
    str r3, [sp, #LOWER]
    adr r2, lengths
    mov lr, r2
1:  ldm r0!, {r2, r3}
    adds r0, #8
    ldm r1!, {r4, r5}
    subs r1, #24
    mov r10, r0
    mov r11, r1
    adds r6, r2, r4
    asrs r6, #1
    mov r8, r6                  @ even re
    subs r4, r2
    asrs r4, #1                 @ odd im
    subs r6, r3, r5
    asrs r6, #1
    mov r9, r6                  @ even im
    adds r3, r5
    asrs r3, #1                 @ odd re
    mov r2, r12
    ldr r5, [sp, #PAIR_COS]
    ldr r0, [r5, r2]
    ldr r5, [sp, #PAIR_SIN]
    subs r5, r2
    ldr r1, [r5]
    asrs r2, r3, #13
    lsls r3, #19
    lsrs r3, #19
    asrs r5, r4, #13
    lsls r4, #19
    lsrs r4, #19
    movs r6, r2
    muls r6, r0
    movs r7, r3
    muls r7, r0
    asrs r7, #13
    adds r6, r7
    movs r7, r5
    muls r7, r1
    adds r6, r7
    movs r7, r4
    muls r7, r1
    asrs r7, #13
    adds r6, r7
    adds r6, #8
    asrs r6, #4                 @ turned: odd re
    muls r5, r0
    muls r4, r0
    asrs r4, #13
    adds r5, r4
    muls r2, r1
    subs r5, r2
    muls r3, r1
    asrs r3, #13
    subs r5, r3
    adds r5, #8
    asrs r5, #4                 @ odd im
    mov r3, r8
    mov r4, r9
    subs r0, r3, r6
    subs r1, r5, r4
    adds r6, r3
    adds r5, r4
    PUT r0, r1, MIRROR
    PUT r6, r5, BIN
    mov r2, r12                 @ k of the next a: its bits stand in reverse
    ldr r3, [sp, #LOWER]
    b 3f
2:  eors r2, r3
    lsrs r3, #1
3:  tst r2, r3
    bne 2b
    orrs r2, r3
    mov r12, r2
    mov r0, r10
    mov r1, r11
    ldr r2, [sp, #END]
    cmp r0, r2
    bhs 4f
    b 1b
4:  add sp, #PAIRS_FRAME
    RETURN
    .balign 4
lengths:                        @ in bits, of 0 to 63
    .byte 0, 1, 2, 2
    .fill 4, 1, 3
    .fill 8, 1, 4
    .fill 16, 1, 5
    .fill 32, 1, 6

@ r4 largest shift, r5 all powers' bits below it, r12 end of shifts, lr first power; then r3 sum, r4 exponent, backwards
    .global l3_band_power
    .hidden l3_band_power
    .type l3_band_power, %function
    .thumb_func
    .balign 4
l3_band_power:
    push {r4-r7, lr}
    mov lr, r0
    adds r2, r3
    adds r2, r3
    adds r3, r1
    mov r12, r3
    movs r3, #0
    movs r4, #0
    movs r5, #0
    cmp r1, r12
    beq 5f
1:  ldrb r6, [r1]
    adds r1, #1
    ldm r0!, {r7}
    cmp r6, r4
    beq 2f
    bhi 3f
    subs r6, r4, r6
    lsls r6, #1
    lsrs r7, r6
2:  orrs r5, r7
    cmp r1, r12
    bne 1b
    b 4f
3:  subs r4, r6, r4
    lsls r4, #1
    lsrs r5, r4
    movs r4, r6
    b 2b
4:  lsls r4, #1
    lsrs r5, #15
    .irp n, 8, 4, 2, 1          @ and the number of bits above 15
    lsrs r6, r5, #\n
    beq 9f
    movs r5, r6
    adds r4, #\n
9:
    .endr
    adds r4, r5
6:  subs r1, #1
    ldrb r6, [r1]
    lsls r6, #1
    subs r6, r4, r6
    subs r0, #4
    ldr r7, [r0]
    lsrs r7, r6
    subs r2, #2
    ldrh r6, [r2]
    muls r7, r6
    lsrs r7, #8
    adds r3, r7
    cmp r0, lr
    bne 6b
5:  ldr r0, [sp, #20]
    str r4, [r0]
    movs r0, r3
    pop {r4-r7, pc}
