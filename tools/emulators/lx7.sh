# MicroPython for an emulated Xtensa LX7 (QEMU's core de233_fpu), a port of our own.
NEEDS=(micropython xtensa)
FILES=(lx7)
PACKAGES=(make gcc)
RUN=(qemu-system-misc)

build() {
    PATH=$(part xtensa)/xtensa/bin:$PATH
    cp -r "$(part micropython)/micropython" .
    cp -r "$HERE/lx7" port
    make -C port -j"$JOBS" MPY_DIR="$PWD/micropython"
    cp port/build/firmware.elf "$STAGE/lx7.elf"
}
