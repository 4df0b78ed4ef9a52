# MicroPython for a Cortex-M4 with FPU.
NEEDS=(micropython)
FILES=(qemu)
PACKAGES=(gcc-arm-none-eabi libnewlib-arm-none-eabi make)
RUN=(qemu-system-arm)

build() {
    . "$HERE/qemu/firmware.sh"
    firmware m4 MPS2_AN386 0x21000000
}
