@ Cortex-M0+ decoding of one filter's weights from a palette that fits (palette_t): what decode.c's decode_integer_rows does, and
@ what unpack_nibbles or unpack_bytes, list_deltas and list_integers do, in one loop.
@   void l3_palette_rows(values, list, end, palette, along, on, down)
@   const uint8_t *l3_palette_nibbles(values, list, end, palette, positions, down, group, taps, skips)
@   const uint8_t *l3_palette_bytes(the same)
@ palette: its integers, before them the ways to a group's taps (factors_t). down: palette_shift(). along, on, group (from one group
@ to the next): bytes. taps: of the filter, times 4. skips: gaps that no weight follows, at most. The list is not empty. They return
@ where the positions end, NULL if they leave the filter. 9.3 cycles a weight in rows, some 29 in lists.
#include "function.inc"

    .equ ARGUMENTS, 36
    .equ GROUP, 288                 @ ways, in bytes: nine of each of 8 channels

@ ---- rows

@ The weight of the index at r0 + off; r2 palette, r3 down, r8 half of a weight's unit
.macro WEIGHT w, off
    ldrb \w, [r0, #\off]
    lsls \w, \w, #2
    ldr \w, [r2, \w]
    add \w, r8
    asrs \w, r3
.endm

.macro ROW n, delta
    WEIGHT r4, 3 * \n
    WEIGHT r5, 3 * \n + 1
    WEIGHT r6, 3 * \n + 2
    mov r7, \delta
    stm r1!, {r4, r5, r6, r7}
.endm

    FUNCTION l3_palette_rows
    mov r10, r2
    mov r2, r3
    ldr r4, [sp, #ARGUMENTS]
    mov r11, r4
    ldr r4, [sp, #ARGUMENTS + 4]
    mov r12, r4
    ldr r3, [sp, #ARGUMENTS + 8]
    movs r4, #1
    lsls r4, r3
    lsrs r4, #1
    mov r8, r4
1:  ROW 0, r12
    ROW 1, r11
    ROW 2, r11
    adds r0, #9
    cmp r1, r10
    bne 1b
    RETURN

@ ---- lists

    .equ SKIPS, ARGUMENTS + 16

@ r5: the tap, as a way's place before the palette, so that it is negative; r8 positions, r9 the way to the tap before, from the
@ group's beginning; r12 group, lr taps from the group's beginning on
.macro LIST function
    FUNCTION \function
    mov r10, r2
    mov r2, r3
    ldr r3, [sp, #ARGUMENTS]
    mov r8, r3
    ldr r7, [sp, #ARGUMENTS + 4]
    movs r3, #1
    lsls r3, r7
    lsrs r3, #1
    mov r11, r3
    ldr r3, [sp, #ARGUMENTS + 8]
    mov r12, r3
    ldr r3, [sp, #ARGUMENTS + 12]
    mov lr, r3
    movs r3, #0
    mov r9, r3
    movs r5, #GROUP / 2
    negs r5, r5
    lsls r5, r5, #1
.endm

@ The next byte of positions into r4
.macro NEXT
    mov r3, r8
    ldrb r4, [r3]
    adds r3, #1
    mov r8, r3
.endm

@ Group after group, until the tap is in it
.macro GROUPS
.Lgroup\@:
    mov r3, r9
    mov r6, r12
    subs r3, r6
    mov r9, r3
    mov r3, lr
    subs r3, #GROUP / 2
    subs r3, #GROUP / 2
    mov lr, r3
    subs r5, #GROUP / 2
    subs r5, #GROUP / 2
    bpl .Lgroup\@
.endm

@ The way from the tap before, and the weight; the tap moves on. Equal at the list's end.
.macro TAP
    ldr r3, [r2, r5]
    adds r5, #4
    mov r6, r9
    mov r9, r3
    subs r3, r6
    ldrb r6, [r0]
    adds r0, #1
    lsls r6, #2
    ldr r6, [r2, r6]
    add r6, r11
    asrs r6, r7
    stm r1!, {r3, r6}
    cmp r1, r10
.endm

@ A skip: r5 has moved on with it
.macro SKIP tag, next
.Lskip\tag:
    adds r5, r3
    ldr r3, [sp, #SKIPS]
    subs r3, #1
    bmi outside
    str r3, [sp, #SKIPS]
    cmp r5, #0
    blt \next
    GROUPS
    b \next
.endm

    LIST l3_palette_nibbles
nibbles:
    NEXT
    lsls r3, r4, #28
    lsrs r3, r3, #26
    cmp r3, #60
    beq .Lskipfirst
    adds r5, r3
    bpl 4f
2:  TAP
    beq end
high:
    lsrs r4, #4
    lsls r3, r4, #2
    cmp r3, #60
    beq .Lskipsecond
    adds r5, r3
    bpl 5f
3:  TAP
    bne nibbles
    b end
4:  GROUPS
    b 2b
5:  GROUPS
    b 3b
    SKIP first, high
    SKIP second, nibbles

@ The last tap must be the filter's: r5 is one behind it
end:
    adds r5, #GROUP / 2
    adds r5, #GROUP / 2
    cmp r5, lr
    bgt outside
    mov r0, r8
    RETURN
outside:
    movs r0, #0
    RETURN

    LIST l3_palette_bytes
bytes:
    NEXT
    lsls r3, r4, #2
    cmp r4, #255
    beq .Lskipbyte
    adds r5, r3
    bpl 4f
2:  TAP
    bne bytes
    b end
4:  GROUPS
    b 2b
    SKIP byte, bytes
