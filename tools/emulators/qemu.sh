# MicroPython for a Cortex-M3.
NEEDS=(micropython)
FILES=(qemu)
PACKAGES=(gcc-arm-none-eabi libnewlib-arm-none-eabi make)
RUN=(qemu-system-arm)

build() {
    . "$HERE/qemu/firmware.sh"
    firmware qemu MPS2_AN385 0x21000000
}
