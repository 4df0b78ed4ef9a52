// Start, window and exception vectors, setjmp and the semihosting call of a windowed Xtensa core with 32 address registers
// in QEMU (-M sim -cpu de233_fpu). MULUH and MULSH, which the ESP32-S3 has and de233_fpu has not, are done in software,
// so that modules for the ESP32-S3 run unchanged.

// ---- window vectors: offsets and contents are the windowed ABI's
    .section .vectors, "ax"
    .macro at offset
    .org \offset
    .endm
vectors:
overflow4:
    s32e    a0, a5, -16
    s32e    a1, a5, -12
    s32e    a2, a5, -8
    s32e    a3, a5, -4
    rfwo
    at 0x40
underflow4:
    l32e    a0, a5, -16
    l32e    a1, a5, -12
    l32e    a2, a5, -8
    l32e    a3, a5, -4
    rfwu
    at 0x80
overflow8:
    s32e    a0, a9, -16
    l32e    a0, a1, -12
    s32e    a1, a9, -12
    s32e    a2, a9, -8
    s32e    a3, a9, -4
    s32e    a4, a0, -32
    s32e    a5, a0, -28
    s32e    a6, a0, -24
    s32e    a7, a0, -20
    rfwo
    at 0xc0
underflow8:
    l32e    a0, a9, -16
    l32e    a1, a9, -12
    l32e    a2, a9, -8
    l32e    a7, a1, -12
    l32e    a3, a9, -4
    l32e    a4, a7, -32
    l32e    a5, a7, -28
    l32e    a6, a7, -24
    l32e    a7, a7, -20
    rfwu
    at 0x100
overflow12:
    s32e    a0, a13, -16
    l32e    a0, a1, -12
    s32e    a1, a13, -12
    s32e    a2, a13, -8
    s32e    a3, a13, -4
    s32e    a4, a0, -48
    s32e    a5, a0, -44
    s32e    a6, a0, -40
    s32e    a7, a0, -36
    s32e    a8, a0, -32
    s32e    a9, a0, -28
    s32e    a10, a0, -24
    s32e    a11, a0, -20
    rfwo
    at 0x140
underflow12:
    l32e    a0, a13, -16
    l32e    a1, a13, -12
    l32e    a2, a13, -8
    l32e    a11, a1, -12
    l32e    a3, a13, -4
    l32e    a4, a11, -48
    l32e    a5, a11, -44
    l32e    a6, a11, -40
    l32e    a7, a11, -36
    l32e    a8, a11, -32
    l32e    a9, a11, -28
    l32e    a10, a11, -24
    l32e    a11, a11, -20
    rfwu
    at 0x300  // exceptions of the kernel mode, which is never left
    wsr     a0, excsave1
    rsr     a0, exccause
    beqi    a0, 5, 1f
    j       trap
1:  j       spilled_caller
    at 0x340
    j       0x300 + vectors
    at 0x3c0  // exception within an exception
    movi    a2, 1
    movi    a3, 98
    simcall 0

// ---- MOVSP (alloca) while the caller's registers are in memory: fetch them as a return would, then do it again
spilled_caller:
    rsr     a0, windowbase
    rotw    -1
    rsr     a0, ps
    extui   a1, a0, 8, 4
    xor     a1, a1, a4
    slli    a1, a1, 8
    xor     a0, a0, a1  // PS.OWB: the window to come back to
    wsr     a0, ps
    rsr     a4, excsave1
    rsync
    bbci    a4, 31, 1f
    rotw    -1
    bbci    a8, 30, 2f
    rotw    -1
    j       underflow12
1:  j       underflow4
2:  j       underflow8

// ---- illegal instruction: MULUH and MULSH, anything else ends QEMU
    .data
    .align  4
saved:
    .space  64      // a0 to a15
trap_pc:
    .word   0       // the instruction being done, 0 for none
    .section .text.trap, "ax"
    .literal_position
    .align  4
trap:
    movi    a0, saved
    s32i    a1, a0, 4
    s32i    a2, a0, 8
    s32i    a3, a0, 12
    s32i    a4, a0, 16
    s32i    a5, a0, 20
    rsr     a1, excsave1
    s32i    a1, a0, 0
    rsr     a1, exccause
    bnez    a1, fatal
    rsr     a1, epc1
    movi    a2, touched
    beq     a1, a2, multiply
    // Its result may belong to a window still in use: touch a15 outside the exception, which saves that window.
    s32i    a1, a0, 64
    movi    a1, touch
    wsr     a1, epc1
    j       leave
multiply:
    s32i    a6, a0, 24
    s32i    a7, a0, 28
    s32i    a8, a0, 32
    s32i    a9, a0, 36
    s32i    a10, a0, 40
    s32i    a11, a0, 44
    s32i    a12, a0, 48
    s32i    a13, a0, 52
    s32i    a14, a0, 56
    s32i    a15, a0, 60
    l32i    a1, a0, 64
    l8ui    a2, a1, 0
    l8ui    a3, a1, 1
    l8ui    a4, a1, 2
    extui   a5, a2, 0, 4
    bnez    a5, fatal
    movi    a5, 0xa2
    movi    a6, 0       // 1: signed
    beq     a4, a5, 1f
    movi    a5, 0xb2
    bne     a4, a5, fatal
    movi    a6, 1
1:  extui   a2, a2, 4, 4
    extui   a5, a3, 0, 4
    extui   a3, a3, 4, 4
    addx4   a2, a2, a0
    l32i    a2, a2, 0   // at
    addx4   a5, a5, a0
    l32i    a5, a5, 0   // as
    addx4   a3, a3, a0  // where ar is
    extui   a7, a2, 0, 16
    extui   a8, a2, 16, 16
    extui   a9, a5, 0, 16
    extui   a10, a5, 16, 16
    mull    a11, a7, a9
    mull    a12, a8, a9
    mull    a13, a7, a10
    mull    a14, a8, a10
    extui   a11, a11, 16, 16
    extui   a15, a12, 0, 16
    add     a11, a11, a15
    extui   a15, a13, 0, 16
    add     a11, a11, a15
    extui   a11, a11, 16, 16
    add     a14, a14, a11
    extui   a12, a12, 16, 16
    add     a14, a14, a12
    extui   a13, a13, 16, 16
    add     a14, a14, a13
    beqz    a6, 3f
    bgez    a2, 2f
    sub     a14, a14, a5
2:  bgez    a5, 3f
    sub     a14, a14, a2
3:  s32i    a14, a3, 0
    addi    a1, a1, 3
    rsr     a2, lend        // the last instruction of a loop goes back to its start
    bne     a1, a2, 4f
    rsr     a2, lcount
    beqz    a2, 4f
    addi    a2, a2, -1
    wsr     a2, lcount
    rsr     a1, lbeg
4:  wsr     a1, epc1
    l32i    a6, a0, 24
    l32i    a7, a0, 28
    l32i    a8, a0, 32
    l32i    a9, a0, 36
    l32i    a10, a0, 40
    l32i    a11, a0, 44
    l32i    a12, a0, 48
    l32i    a13, a0, 52
    l32i    a14, a0, 56
    l32i    a15, a0, 60
leave:
    l32i    a1, a0, 4
    l32i    a2, a0, 8
    l32i    a3, a0, 12
    l32i    a4, a0, 16
    l32i    a5, a0, 20
    l32i    a0, a0, 0
    rfe
    .align  4
touch:
    mov     a15, a15
touched:
    ill
fatal:  // says cause and address in C, on the stack in use
    rsr     a6, exccause
    rsr     a7, epc1
    rsr     a8, excvaddr
    movi    a0, 0
    movi    a1, trap_stack
    movi    a2, 0x40000 | 0x0f
    mov     a10, a6
    mov     a11, a7
    mov     a12, a8
    rsr     a3, windowbase
    ssl     a3
    movi    a3, 1
    sll     a3, a3
    wsr     a3, windowstart
    wsr     a2, ps
    rsync
    mov     a6, a10
    mov     a7, a11
    mov     a8, a12
    call4   fatal_exception

// ---- reset: QEMU starts here, whatever the ELF's entry is
    .section .reset, "ax"
    .begin  no-transform
    j       1f
    .align  4
start_address:
    .word   _start
1:  l32r    a0, start_address
    jx      a0
    .end    no-transform

// ---- start
    .section .text.start, "ax"
    .literal_position
    .global _start
    .align  4
_start:
    movi    a0, 0
    movi    a2, 1
    wsr     a2, windowstart
    movi    a2, vectors
    wsr     a2, vecbase
    movi    a2, 0xff
    wsr     a2, cpenable        // the FPU
    movi    a2, 0x40000 | 0x0f  // windows, no interrupts, kernel mode
    wsr     a2, ps
    rsync
    movi    a1, stack_top
    movi    a6, 0
    call4   main

// ---- simcall(number, a, b, c)
    .global simcall
    .align  4
simcall:
    entry   sp, 32
    simcall 0
    retw

// ---- save every other window to the stack
    .global spill_windows
    .align  4
spill_windows:
    entry   sp, 48
    call12  1f
    retw
    .align  4
1:  entry   sp, 48
    mov     a11, a11
    retw

// ---- setjmp and longjmp. A buffer: this frame's a0 and a1; the caller's a0 to a3; its a4 to a11 as far as the call kept them.
    .global setjmp
    .align  4
setjmp:
    entry   sp, 32
    call8   spill_windows
    s32i    a0, a2, 0
    s32i    a1, a2, 4
    addi    a3, a1, -16
    l32i    a4, a3, 0
    s32i    a4, a2, 8
    l32i    a4, a3, 4
    s32i    a4, a2, 12
    l32i    a4, a3, 8
    s32i    a4, a2, 16
    l32i    a4, a3, 12
    s32i    a4, a2, 20
    l32i    a6, a2, 12
    addi    a6, a6, -16
    l32i    a6, a6, 4           // the stack of the caller's caller
    extui   a5, a0, 30, 2
    slli    a5, a5, 4           // 16 for call4, 32 for call8, 48 for call12
    sub     a6, a6, a5
    addi    a5, a5, -16
    srli    a5, a5, 2
    addi    a7, a2, 24
    loopnez a5, 1f
    l32i    a4, a6, 0
    s32i    a4, a7, 0
    addi    a6, a6, 4
    addi    a7, a7, 4
1:  movi    a2, 0
    retw

    .global longjmp
    .align  4
longjmp:
    entry   sp, 32
    call8   spill_windows
    movi    a4, 1
    moveqz  a3, a4, a3
    l32i    a0, a2, 0
    l32i    a1, a2, 4           // no other window is in registers: this one becomes setjmp's
    l32i    a6, a2, 12
    addi    a6, a6, -16
    l32i    a6, a6, 4
    extui   a5, a0, 30, 2
    slli    a5, a5, 4
    sub     a6, a6, a5
    addi    a5, a5, -16
    srli    a5, a5, 2
    addi    a7, a2, 24
    loopnez a5, 1f
    l32i    a4, a7, 0
    s32i    a4, a6, 0
    addi    a6, a6, 4
    addi    a7, a7, 4
1:  addi    a6, a1, -16
    l32i    a4, a2, 8
    s32i    a4, a6, 0
    l32i    a4, a2, 12
    s32i    a4, a6, 4
    l32i    a4, a2, 16
    s32i    a4, a6, 8
    l32i    a4, a2, 20
    s32i    a4, a6, 12
    mov     a2, a3
    retw

    .section .bss
    .align  16
    .space  4096
trap_stack:
