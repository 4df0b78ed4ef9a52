# A gcc for the ESP32-S3's core (windowed LX7): xtensa/bin/xtensa-esp32-elf-*.
# Trixie's gcc and binutils for Xtensa take their core from a plugin, the shared library in XTENSA_GNU_CONFIG; its table of
# instructions is compiled out of QEMU's source package. patchelf lets the programs run beside another release's libc.
FILES=(xtensa)
PACKAGES=(gcc libc6-dev patchelf xz-utils)
XTENSA_PACKAGES=(gcc-xtensa-lx106 binutils-xtensa-lx106 picolibc-xtensa-lx106-elf)
XTENSA_LIBRARIES=(libc6 libgmp10 libmpfr6 libmpc3 libisl23 libzstd1 zlib1g libstdc++6 libgcc-s1)

# Make the programs below a folder run with the libraries that came with them. Both paths must be the final ones.
use_own_libraries() {
    local program libraries loader
    loader=$(cd "$1" && echo usr/lib/*/ld-linux-*.so.*)
    libraries=$2/$(dirname "$loader")
    for program in "$1"/usr/bin/xtensa-lx106-elf-* "$1"/usr/lib/xtensa-lx106-elf/bin/* \
        "$1"/usr/lib/gcc/xtensa-lx106-elf/*/{cc1,cc1plus,collect2,lto1,lto-wrapper}; do
        if [ -f "$program" ] && [ ! -L "$program" ] && head -c 4 "$program" | grep -q ELF; then
            patchelf --set-interpreter "$2/$loader" --set-rpath "$libraries" "$program"
        fi
    done
}

build() {
    local root=xtensa/root tool
    fetch_source qemu '*/target/xtensa/*' '*/include/hw/xtensa/*'
    fetch_packages "$STAGE/$root" "${XTENSA_PACKAGES[@]}" "${XTENSA_LIBRARIES[@]}"
    use_own_libraries "$STAGE/$root" "$out/$root"
    gcc -O1 -shared -fPIC -w -I qemu/target/xtensa -I qemu/include "$HERE/xtensa/core.c" -o "$STAGE/xtensa/core.so"
    mkdir "$STAGE/xtensa/bin"
    for tool in gcc as ld ar nm objcopy objdump size strip readelf; do
        printf '#!/bin/sh\nXTENSA_GNU_CONFIG=%s exec %s "$@"\n' \
            "$out/xtensa/core.so" "$out/$root/usr/bin/xtensa-lx106-elf-$tool" >"$STAGE/xtensa/bin/xtensa-esp32-elf-$tool"
    done
    chmod +x "$STAGE"/xtensa/bin/*
}
