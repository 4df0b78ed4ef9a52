# MicroPython's source, for the firmware and for native modules, and the mpy-cross of that source.
PACKAGES=(make gcc libc6-dev xz-utils)

build() {
    fetch_source micropython
    make -C micropython/mpy-cross -j"$JOBS"
    mv micropython "$STAGE/"
}
