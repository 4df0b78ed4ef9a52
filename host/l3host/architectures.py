"""The architectures of .mpy files that l3mote is precompiled for, in one table: compiler of the native module, and what runs it.

Numbers in .mpy files, which module other architectures load, and which have an FPU: l3mote.kernels, which boards read too.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """compiler: its program; install: how to get it. runtimes: those of `l3mote emulate` that load its module.

    flags and sources: added to those of every module (device/native/Makefile). headers: flags for the compiler to find its C
    library. libgcc: link the functions that the core has no instructions for. board: a microcontroller's, not a PC's.
    """

    cores: str
    compiler: str
    install: str
    runtimes: tuple[str, ...] = ()
    flags: str = ""
    sources: str = ""
    headers: str = ""
    libgcc: bool = True
    board: bool = True


_ARM = ("arm-none-eabi-gcc", "package gcc-arm-none-eabi")
_M0_PLUS = "armv6m/sums.S armv6m/weights.S armv6m/palette.S armv6m/mel.S"
ARCHITECTURES = {
    "x64": Architecture("PC, 64 bits", "gcc", "package gcc", ("unix",), libgcc=False, board=False),
    "x86": Architecture("PC, 32 bits", "gcc", "package gcc-multilib", headers="-m32", libgcc=False, board=False),
    # the other allocator spills too much in the DFT: 6 % of a frame
    "armv6m": Architecture("Cortex-M0+ (RP2040)", *_ARM, ("rp2040",), flags="-fira-algorithm=priority", sources=_M0_PLUS),
    "armv7m": Architecture("Cortex-M3, and M4 without FPU", *_ARM, ("qemu",), sources="armv7m/sums.S"),
    "armv7emsp": Architecture("Cortex-M4, M7 and M33 with FPU (RP2350)", *_ARM, ("m4", "m33"), sources="armv7em/sums.S"),
    # at -O2 its gcc copies structs of more than 16 bytes with memcpy, which a module does not have
    "xtensawin": Architecture(
        "Xtensa LX7 (ESP32-S3)",
        "xtensa-esp32-elf-gcc",
        "make emulators PARTS=xtensa",
        ("lx7", "lx7-wifi"),
        flags="-O3",
        libgcc=False,
    ),
    "rv32imc": Architecture(
        "RISC-V (RP2350, ESP32-C3, ESP32-C6)",
        "riscv64-unknown-elf-gcc",
        "packages gcc-riscv64-unknown-elf and picolibc-riscv64-unknown-elf",
        ("rv32",),
        headers="--specs=picolibc.specs",
    ),
}
BOARDS = tuple(name for name, arch in ARCHITECTURES.items() if arch.board)
