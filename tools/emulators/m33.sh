# MicroPython for a Cortex-M33 with FPU.
NEEDS=(micropython)
FILES=(qemu)
PACKAGES=(gcc-arm-none-eabi libnewlib-arm-none-eabi make)
RUN=(qemu-system-arm)

# It starts in secure state: its memory and UART are those with bit 28 set. The collector's helper says .cpu cortex-m4, which does
# not link with code for an M33.
build() {
    . "$HERE/qemu/firmware.sh"
    copy_source
    sed 's/ORIGIN = 0x00000000/ORIGIN = 0x10000000/' "$port/mcu/arm/mps2.ld" >"$port/mcu/arm/an505.ld"
    sed -i 's/0x40004000/0x50200000/' "$port/uart.c"
    sed -i '/\.cpu/d' micropython/shared/runtime/gchelper_thumb2.s
    firmware m33 MPS2_AN505 0x80000000
}
