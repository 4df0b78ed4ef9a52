@ Cortex-M0+ loops of mel.c: l3_turns is turned_butterflies, l3_band_power is band_power.
@   void l3_turns(z, end, size, cos, stride, quarter)
@   uint32_t l3_band_power(power, shifts, weights, n, exponent)
@ size, stride, quarter: bytes. 59 cycles a butterfly, some 32 a band's weight.
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

@ Butterflies of one twiddle factor: r0 a, r1 b, r9 from behind one to the next, r10 cosine, r11 sine, r12 end; r8 and lr are lost
.macro BUTTERFLIES
.Lturn\@:
    ldr r2, [r0]
    ldr r4, [r1]
    adds r6, r2, r4
    subs r2, r4                 @ re
    ldr r3, [r0, #4]
    ldr r5, [r1, #4]
    adds r7, r3, r5
    subs r3, r5                 @ im
    stm r0!, {r6, r7}
    asrs r4, r2, #13
    lsls r2, #19
    lsrs r2, #19
    asrs r5, r3, #13
    lsls r3, #19
    lsrs r3, #19
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
    BUTTERFLIES
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
    ldr r0, [sp, #LEFT]
    subs r0, #1
    str r0, [sp, #LEFT]
    beq 2f
    b 1b
2:  add sp, #FRAME
    RETURN

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
