# Firmware of MicroPython's own port for QEMU.
port=micropython/ports/qemu

copy_source() { [ -e micropython ] || cp -r "$(part micropython)/micropython" .; }

# firmware NAME BOARD HEAP_WORD: $STAGE/NAME.elf for one of the port's boards or of those in boards/
firmware() {
    copy_source
    cp -r "$HERE/qemu/boards/." "$port/boards/"
    cp "$HERE/qemu/start.c" "$port/boards/"
    cat >>"$port/boards/$2/mpconfigboard.mk" <<EOF
SRC_BOARD_O += boards/start.o
CFLAGS += -DHEAP_WORD=$3
LDFLAGS += -Wl,--wrap=gc_init -Wl,--wrap=main
EOF
    make -C "$port" -j"$JOBS" BOARD="$2" MICROPY_HEAP_SIZE=1048576 FROZEN_MANIFEST=
    cp "$port/build-$2/firmware.elf" "$STAGE/$1.elf"
}
