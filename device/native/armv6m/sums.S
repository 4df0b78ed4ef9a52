@ Cortex-M0+ inner loops of sums.h: l3_list8 is list8, l3_rows4 is rows4 and l3_rows6 the same for six pixels, each over blocks of
@ pixels side by side in rows one below the other, with what conv.c's finish makes of their sums. l3_signed8, l3_signed6 and
@ l3_signed4 are the same on signed input.
@   void f(const blocks_t *)
@ Sums stay in high registers, which `add` reaches; `muls` destroys an operand that is not needed again; nothing but pixels,
@ weights and results touches memory inside a block. Cycles a multiply-accumulate, blocks' beginnings and ends aside: 4.6 in
@ l3_list8, 3.8 in l3_rows6, 4.0 in l3_rows4.
#include "function.inc"

@ The frame on the stack: blocks_t, in its order. The list's end moves to r7; ENTRY, where a block's inner loop is entered, takes
@ its place.
    .equ X, 0
    .equ LIST, 4
    .equ BIAS, 8
    .equ ENTRY, 12
    .equ OUT, 16
    .equ SHIFT, 20
    .equ MOST, 24
    .equ MODE, 28
    .equ X_END, 32
    .equ SPAN, 36
    .equ PITCH, 40
    .equ ROWS, 44
    .equ ROW_OUT, 48
    .equ OUT_PITCH, 52
    .equ WITHIN, 56
    .equ POOL_ROWS, 60
    .equ FRAME, 64

@ Saves registers, makes the frame; r7 end
.macro ENTER function
    FUNCTION \function
    sub sp, #FRAME
    mov r1, sp
    .rept FRAME / 16
    ldm r0!, {r4-r7}
    stm r1!, {r4-r7}
    .endr
    ldr r7, [sp, #ENTRY]
.endm

@ A pixel, SIGNED or not
.macro PIXEL to, off
    ldrh \to, [r0, #\off]
    .if SIGNED
    sxth \to, \to
    .endif
.endm

@ ---- one weight (r3) on 8 pixels

.macro TIMES off, a
    PIXEL r2, \off
    muls r2, r3
    add \a, r2
.endm

.macro TAP8
    ldm r1!, {r2, r3}
    add r0, r2
    TIMES 0, r8
    TIMES 2, r9
    TIMES 4, r10
    TIMES 6, r11
    TIMES 8, r12
    TIMES 10, lr
    TIMES 12, r4
    TIMES 14, r5
.endm

@ 2^turn taps a turn: a remainder enters at one of them, an empty list at the end.
.macro LISTS function, signed, turn
    .set SIGNED, \signed
    ENTER \function
    ldr r1, [sp, #LIST]
    adr r2, 5f
    subs r1, r7
    beq 1f
    lsrs r1, #3             @ minus the number of taps
    lsls r1, #32 - \turn
    lsrs r1, #32 - \turn
    movs r3, #52 + 16 * SIGNED  @ bytes of a tap
    muls r1, r3
    adr r2, 4f
    add r2, r1
1:  str r2, [sp, #ENTRY]
    bl begin
    .balign 4
4:  .rept 1 << \turn
    TAP8
    .endr
    cmp r1, r7
    beq 5f                  @ bne does not reach the beginning
    b 4b
    .balign 4
5:  b finish8
.endm

@ ---- three weights (r2, r3, r4) on 6 or 4 pixels

.macro FIRST off, a
    PIXEL r5, \off
    muls r5, r2
    add \a, r5
.endm

.macro SECOND off, a, b
    PIXEL r5, \off
    movs r6, r5
    muls r6, r3
    add \a, r6
    muls r5, r2
    add \b, r5
.endm

.macro MIDDLE off, a, b, c
    PIXEL r5, \off
    movs r6, r5
    muls r6, r4
    add \a, r6
    movs r6, r5
    muls r6, r3
    add \b, r6
    muls r5, r2
    add \c, r5
.endm

.macro SECOND_LAST off, a, b
    PIXEL r5, \off
    muls r3, r5
    add \b, r3
    muls r5, r4
    add \a, r5
.endm

.macro LAST off, a
    PIXEL r5, \off
    muls r5, r4
    add \a, r5
.endm

.macro ROW6
    ldm r1!, {r2, r3, r4, r5}
    add r0, r5
    FIRST 0, r8
    SECOND 2, r8, r9
    MIDDLE 4, r8, r9, r10
    MIDDLE 6, r9, r10, r11
    MIDDLE 8, r10, r11, r12
    MIDDLE 10, r11, r12, lr
    SECOND_LAST 12, r12, lr
    LAST 14, lr
.endm

.macro ROW4
    ldm r1!, {r2, r3, r4, r5}
    add r0, r5
    FIRST 0, r8
    SECOND 2, r8, r9
    MIDDLE 4, r8, r9, r10
    MIDDLE 6, r9, r10, r11
    SECOND_LAST 8, r10, r11
    LAST 10, r11
.endm

@ A channel's three rows a turn
.macro ROWS function, row, finish, signed
    .set SIGNED, \signed
    ENTER \function
    adr r1, 1f
    str r1, [sp, #ENTRY]
    bl begin
    .balign 4
1:  \row
    \row
    \row
    cmp r1, r7
    beq 2f
    b 1b
2:  b \finish
.endm

    ROWS l3_rows6, ROW6, finish6, 0
    ROWS l3_rows4, ROW4, finish4, 0
    ROWS l3_signed6, ROW6, finish6, 1
    ROWS l3_signed4, ROW4, finish4, 1

@ ---- sums to results: r0 out, r1 shift, r3 most

.macro FINISH
    add r0, sp, #OUT
    ldm r0, {r0, r1, r3, r6}
    cmp r6, #1
.endm

@ r2: shifted, not less than 0, not more than most. What is more goes the long way through OVER.
.macro REQUANTISE tag
    asrs r2, r1
    asrs r6, r2, #31
    bics r2, r6
    cmp r2, r3
    bgt .Lover\tag
.Lback\tag:
.endm

.macro OVER tags:vararg
    .irp tag, \tags
.Lover\tag:
    mov r2, r3
    b .Lback\tag
    .endr
.endm

.macro ONE tag, off, a
    mov r2, \a
    REQUANTISE \tag
    strh r2, [r0, #\off]
.endm

.macro GREATER a, b
    mov r2, \a
    cmp r2, \b
    bge 9f
    mov r2, \b
9:
.endm

.macro PAIR tag, off, a, b
    GREATER \a, \b
    REQUANTISE \tag
    strh r2, [r0, #\off]
.endm

@ The same, if it is larger than what is there.
.macro MERGE tag, off, a, b
    GREATER \a, \b
    REQUANTISE \tag
    ldrh r6, [r0, #\off]
    cmp r2, r6
    ble 9f
    strh r2, [r0, #\off]
9:
.endm

.macro ONES n
    ONE \n\()a, 0, r8
    ONE \n\()b, 2, r9
    ONE \n\()c, 4, r10
    ONE \n\()d, 6, r11
.endm

.macro PAIRS n, kind
    \kind \n\()\kind\()a, 0, r8, r9
    \kind \n\()\kind\()b, 2, r10, r11
.endm

@ r0: after what was stored; r2: bytes of the block's pixels
.macro NEXT pixels, bytes
    adds r0, #\bytes
    movs r2, #2 * \pixels
    b next
.endm

finish4:
    FINISH
    bhs 1f
    ONES 4
    NEXT 4, 8
    OVER 4a, 4b, 4c, 4d
1:  bne 2f
    PAIRS 4, PAIR
    NEXT 4, 4
    OVER 4PAIRa, 4PAIRb
2:  cmp r6, #2
    bne 3f
    PAIRS 4, MERGE
    NEXT 4, 4
    OVER 4MERGEa, 4MERGEb
3:  mov r2, r8
    mov r3, r9
    mov r4, r10
    mov r5, r11
    stm r0!, {r2-r5}
    NEXT 4, 0

finish6:
    FINISH
    bhs 1f
    ONES 6
    ONE 6e, 8, r12
    ONE 6f, 10, lr
    NEXT 6, 12
    OVER 6a, 6b, 6c, 6d, 6e, 6f
1:  bne 2f
    PAIRS 6, PAIR
    PAIR 6PAIRc, 4, r12, lr
    NEXT 6, 6
    OVER 6PAIRa, 6PAIRb, 6PAIRc
2:  cmp r6, #2
    bne 3f
    PAIRS 6, MERGE
    MERGE 6MERGEc, 4, r12, lr
    NEXT 6, 6
    OVER 6MERGEa, 6MERGEb, 6MERGEc
3:  mov r1, r8
    mov r2, r9
    mov r3, r10
    mov r4, r11
    mov r5, r12
    mov r6, lr
    stm r0!, {r1-r6}
    NEXT 6, 0

@ ---- from block to block and from row to row

next:
    str r0, [sp, #OUT]
    ldr r0, [sp, #X]
    ldr r1, [sp, #X_END]
    adds r0, r2
    cmp r0, r1
    beq next_row
    str r0, [sp, #X]
begin:
    mov r0, sp
    ldm r0, {r0, r1, r4, r6}    @ x, list, bias, entry
    mov r8, r4
    mov r9, r4
    mov r10, r4
    mov r11, r4
    mov r12, r4
    mov lr, r4
    mov r5, r4
    mov pc, r6

next_row:                       @ r1: x_end
    ldr r0, [sp, #ROWS]
    subs r0, #1
    beq leave
    str r0, [sp, #ROWS]
    ldr r0, [sp, #PITCH]
    adds r1, r0
    str r1, [sp, #X_END]
    ldr r0, [sp, #SPAN]
    subs r1, r0
    str r1, [sp, #X]
    ldr r0, [sp, #ROW_OUT]
    ldr r1, [sp, #WITHIN]
    ldr r2, [sp, #POOL_ROWS]
    movs r3, #2
    adds r1, #1
    cmp r1, r2
    bne 1f
    movs r1, #0
    ldr r2, [sp, #OUT_PITCH]
    adds r0, r2
    str r0, [sp, #ROW_OUT]
    ldr r3, [sp, #MODE]
    cmp r3, #2
    bne 1f
    movs r3, #1
1:  str r0, [sp, #OUT]
    str r1, [sp, #WITHIN]
    str r3, [sp, #MODE]
    b begin

leave:
    add sp, #FRAME
    RETURN

@ ---- lists, here because no branch reaches far

    LISTS l3_list8, 0, 3
    LISTS l3_signed8, 1, 2

finish8:
    FINISH
    bhs 1f
    ONES 8
    ONE 8e, 8, r12
    ONE 8f, 10, lr
    ONE 8g, 12, r4
    ONE 8h, 14, r5
    NEXT 8, 16
    OVER 8a, 8b, 8c, 8d, 8e, 8f, 8g, 8h
1:  bne 2f
    PAIRS 8, PAIR
    PAIR 8PAIRc, 4, r12, lr
    PAIR 8PAIRd, 6, r4, r5
    NEXT 8, 8
    OVER 8PAIRa, 8PAIRb, 8PAIRc, 8PAIRd
2:  cmp r6, #2
    bne 3f
    PAIRS 8, MERGE
    MERGE 8MERGEc, 4, r12, lr
    MERGE 8MERGEd, 6, r4, r5
    NEXT 8, 8
    OVER 8MERGEa, 8MERGEb, 8MERGEc, 8MERGEd
3:  mov r1, r8
    mov r2, r9
    mov r3, r10
    mov r6, r11
    stm r0!, {r1, r2, r3, r6}
    mov r1, r12
    mov r2, lr
    stm r0!, {r1, r2, r4, r5}
    NEXT 8, 0
