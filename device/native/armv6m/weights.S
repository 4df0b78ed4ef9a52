@ Cortex-M0+ decoding of one filter's weights: what decode.c's decode_rows and decode_list do, for weights that are common. A weight
@ is its mantissa times a power of two from a table by sign and exponent, and half of 2^16, over 2^16.
@   bool l3_decode_rows(values, list, end, factors, along, on)
@   bool l3_decode_list(values, list, end, factors, positions, pitch, size)
@ factors: see factors_t. positions: of the list's taps, ascending, as unpack() makes them. along, on, pitch, size: bytes. They return
@ false where the C has to decode it. 14 cycles a weight in rows; in lists 35, and 8 more for each four channels moved on.
#include "function.inc"

.macro ENTER function
    FUNCTION \function
    .equ ARGUMENTS, 36
    mov r10, r2
    mov r2, r3
    movs r3, #1
    lsls r4, r3, #10
    mov r8, r4
    lsls r4, r3, #15
    mov r9, r4
.endm

@ The weight whose float16 is in r3 becomes w; r2 factors, r8 1024, r9 2^15, r3 is lost. Where it is zero, to .Lzero.
.macro WEIGHT tag, w
    lsrs \w, r3, #10
    lsls \w, \w, #2
    ldr \w, [r2, \w]
    lsls r3, r3, #22
    lsrs r3, r3, #22
    add r3, r8
    muls \w, r3
    beq .Lzero\tag
    add \w, r9
    asrs \w, \w, #16
.Lback\tag:
.endm

@ r3 bits; r7 is lost
check:
    lsls r3, r3, #17
    beq 1f
    lsrs r3, r3, #27
    beq bad                     @ subnormal
    subs r2, #4
    ldm r2!, {r7}
    cmp r3, r7
    bgt bad                     @ not too small: too large, infinite or no number
1:  bx lr
bad:
    movs r0, #0
    RETURN

@ w is 0: zero, too small, or bad data
.macro ZERO tag, off
.Lzero\tag:
    ldrh r3, [r0, #\off]
    bl check
    b .Lback\tag
.endm

.macro HALF tag, w, off
    ldrh r3, [r0, #\off]
    WEIGHT \tag, \w
.endm

@ Three weights and the way from the row before
.macro ROW n, delta
    HALF \n\()a, r4, 6 * \n
    HALF \n\()b, r5, 6 * \n + 2
    HALF \n\()c, r6, 6 * \n + 4
    mov r7, \delta
    stm r1!, {r4, r5, r6, r7}
.endm

    ENTER l3_decode_rows
    ldr r4, [sp, #ARGUMENTS]
    mov r11, r4
    ldr r4, [sp, #ARGUMENTS + 4]
    mov r12, r4
1:  ROW 0, r12
    ROW 1, r11
    ROW 2, r11
    adds r0, #18
    cmp r1, r10
    beq 2f
    b 1b
2:  movs r0, #1
    RETURN
    .irp n, 0, 1, 2
    ZERO \n\()a, 6 * \n
    ZERO \n\()b, 6 * \n + 2
    ZERO \n\()c, 6 * \n + 4
    .endr

@ The frame below the saved registers: where each of four channels' nine taps stands
    .equ FOUR, 36
    .equ TAPS, 4 * FOUR
    .equ POSITIONS, ARGUMENTS + TAPS
    .equ PITCH, POSITIONS + 4
    .equ SIZE, POSITIONS + 8

@ r6 positions, r7 tap where four channels begin that stand at r11, r12 offset of the tap before, lr four times size
    ENTER l3_decode_list
    sub sp, #TAPS
    ldr r7, [sp, #PITCH]
    ldr r5, [sp, #SIZE]
    lsls r3, r5, #2
    mov lr, r3
    subs r5, r5, r7
    subs r5, r5, r7
    subs r5, r5, r7
    mov r12, r5
    mov r6, sp
    movs r3, #0
1:  .rept 3
    adds r4, r3, #2
    adds r5, r3, #4
    stm r6!, {r3, r4, r5}
    adds r3, r3, r7
    .endr
    add r3, r12
    mov r4, sp
    adds r4, #TAPS
    cmp r6, r4
    bne 1b
    movs r7, #0
    mov r11, r7
    mov r12, r7
    ldr r6, [sp, #POSITIONS]
1:  ldrh r4, [r6]
    adds r6, #2
    subs r4, r7
2:  cmp r4, #FOUR
    bhs 3f
    lsls r4, r4, #2
    add r4, sp
    ldr r4, [r4]
    add r4, r11
    mov r3, r12
    mov r12, r4
    subs r4, r3
    ldrh r3, [r0]
    WEIGHT half, r5
    adds r0, #2
    stm r1!, {r4, r5}
    cmp r1, r10
    bne 1b
    movs r0, #1
    b 7f
3:  adds r7, #FOUR              @ four channels on
    subs r4, #FOUR
    add r11, lr
    b 2b
.Lzerohalf:
    ldrh r3, [r0]
    lsls r3, r3, #17
    beq 5f
    lsrs r3, r3, #27
    beq 6f                      @ subnormal
    subs r2, #4
    ldr r5, [r2]
    adds r2, #4
    cmp r3, r5
    bgt 6f                      @ not too small: too large, infinite or no number
5:  movs r5, #0
    b .Lbackhalf
6:  movs r0, #0
7:  add sp, #TAPS
    RETURN
