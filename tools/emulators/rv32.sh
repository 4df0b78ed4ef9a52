# MicroPython for a RISC-V core (RV32IMAC).
NEEDS=(micropython)
FILES=(qemu)
PACKAGES=(gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf make)
RUN=(qemu-system-misc)

# The port would say rv32imac_zicsr, for which bookworm's gcc has no libraries: its rv32imac of 2017 had those instructions.
build() {
    . "$HERE/qemu/firmware.sh"
    copy_source
    printf 'RV32_ARCH = rv32imac\nAFLAGS += -misa-spec=2.2\n' >>"$port/boards/VIRT_RV32/mpconfigboard.mk"
    firmware rv32 VIRT_RV32 0x84000000
}
