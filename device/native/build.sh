#!/usr/bin/env bash
# Builds the native module of every architecture whose compiler is here into ../l3mote/kernels, and notes the compiler in ./compilers.
#   usage: build.sh MICROPYTHON_SOURCE          PYTHON: an interpreter with pyelftools and ar
set -euo pipefail

MPY_DIR=$(realpath "${1:?usage: build.sh MICROPYTHON_SOURCE}")
cd "$(dirname "$0")"

have() {
    case $1 in
        x64) echo '#include <stdint.h>' | gcc -E - >/dev/null 2>&1 || { echo "package gcc"; return 1; } ;;
        x86) echo '#include <stdint.h>' | gcc -m32 -E - >/dev/null 2>&1 || { echo "package gcc-multilib"; return 1; } ;;
        arm*) command -v arm-none-eabi-gcc >/dev/null || { echo "package gcc-arm-none-eabi"; return 1; } ;;
        xtensawin) command -v xtensa-esp32-elf-gcc >/dev/null || { echo "Espressif's gcc"; return 1; } ;;
    esac
}

compiler() {
    case $1 in
        x64 | x86) gcc --version ;;
        arm*) arm-none-eabi-gcc --version ;;
        xtensawin) xtensa-esp32-elf-gcc --version ;;
    esac | sed -n 1p
}

# note ARCH: its line in ./compilers
note() {
    touch compilers
    { grep -v "^$1: " compilers || true; echo "$1: $(compiler "$1")"; } | sort >compilers.new
    mv compilers.new compilers
}

[ -e "$MPY_DIR/py/dynruntime.mk" ] || { echo "native: no MicroPython source in $MPY_DIR: run make emulators, or set MPY_DIR" >&2; exit 1; }
for arch in x64 x86 armv6m armv7m armv7emsp xtensawin; do
    if ! missing=$(have $arch); then
        echo "native: $arch left as it is: it needs $missing" >&2
        continue
    fi
    # mpy_ld.py puts the parts of libgcc in the order of a set: the seed keeps it
    PYTHONHASHSEED=0 make -s ARCH=$arch MPY_DIR="$MPY_DIR" PYTHON="${PYTHON:-python3}"
    cp l3native_$arch.mpy ../l3mote/kernels/
    note $arch
done
