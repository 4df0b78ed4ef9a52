#!/usr/bin/env bash
# Builds what `--runtime qemu` and `--runtime rp2040` run, from Debian packages alone, and links LINK to it.
#   usage: emulators.sh LINK          heaps of the QEMU firmware in kB: QEMU_HEAPS="200 256 1024"
# Result, kept in $XDG_CACHE_HOME/l3mote/emulators-KEY (KEY: this script and the heaps; remove the folder to build anew):
#   qemu-<kB>k.elf   MicroPython for a Cortex-M3 (ports/qemu, MPS2_AN385), one for each heap
#   rp2040.bin       the real firmware of the Raspberry Pi Pico, without TLS (Debian's source leaves mbedtls out)
#   mpy-cross        of the same source;   micropython/   that source, for native modules;   versions   what it was built from
# Sources come from Debian trixie through a private apt configuration: the machine's own sources and lists stay as they are.
set -euo pipefail

SUITE=trixie
LINK=${1:?usage: emulators.sh LINK}
HEAPS=${QEMU_HEAPS:-200 256 1024}
KEY=$({ cat "$0"; echo "$SUITE $HEAPS $(uname -m)"; } | sha256sum | cut -c1-12)
OUT=${XDG_CACHE_HOME:-$HOME/.cache}/l3mote/emulators-$KEY
PROGRAMS=(qemu-system-arm:qemu-system-arm)
BUILD_PROGRAMS=(arm-none-eabi-gcc:gcc-arm-none-eabi cmake:cmake ninja:ninja-build make:make gcc:gcc dpkg-deb:dpkg xz:xz-utils)
LIBRARIES=(libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib)
JOBS=$(nproc)

say() { echo "emulators: $*" >&2; }
die() { say "$*"; exit 1; }

# packages PROGRAM:PACKAGE...: the packages whose program is not there
missing() {
    local pair
    for pair; do command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"; done
}

install_packages() {
    [ $# -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "needs the programs of these Debian packages: $*"
    [ "$(id -u)" = 0 ] || die "as root, run: apt-get install $*"
    say "installing $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# Write an apt configuration of SUITE's own: where this machine gets Debian from, but another release, and lists in $1.
private_apt() {
    local uri key=/usr/share/keyrings/debian-archive-keyring.gpg
    uri=$(apt-get indextargets --format '$(REPO_URI)|$(LABEL)|$(COMPONENT)' | sed -n 's/|Debian|main$//p' | head -n 1)
    [ -n "$uri" ] || die "apt has no Debian archive among its sources: add one and run apt-get update"
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/empty"
    printf '%s [signed-by=%s] %s %s main\n' deb "$key" "$uri" $SUITE deb-src "$key" "$uri" $SUITE >"$1/sources.list"
    cat >"$1/apt.conf" <<EOF
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "$1/empty";
Dir::Etc::preferences "$1/empty/none";
Dir::Etc::preferencesparts "$1/empty";
Dir::State::lists "$1/lists";
Dir::Cache "$1/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
EOF
}

# Sources of MicroPython, the Pico's SDK and TinyUSB, unpacked in the working folder.
fetch_sources() {
    private_apt "$PWD/apt"
    say "fetching sources from Debian $SUITE"
    (
        export APT_CONFIG=$PWD/apt/apt.conf
        apt-get update -qq
        apt-get source -qq --download-only micropython
        apt-get download -qq pico-sdk-source tinyusb-source
    )
    mkdir micropython
    tar xf micropython_*.orig.tar.xz -C micropython --strip-components=1
    dpkg-deb -x pico-sdk-source_*.deb sdk
    dpkg-deb -x tinyusb-source_*.deb sdk
    cp -r micropython "$STAGE/micropython"
}

build_mpy_cross() {
    make -C micropython/mpy-cross -j"$JOBS"
    cp micropython/mpy-cross/build/mpy-cross "$STAGE/"
}

# Only main.c knows the heap's size, so each further firmware is one file and a link.
build_qemu() {
    local port=micropython/ports/qemu kb
    for kb in $HEAPS; do
        rm -f $port/build-MPS2_AN385/main.o $port/build-MPS2_AN385/firmware.elf
        make -C $port -j"$JOBS" BOARD=MPS2_AN385 MICROPY_HEAP_SIZE=$((kb * 1024)) FROZEN_MANIFEST=
        cp $port/build-MPS2_AN385/firmware.elf "$STAGE/qemu-${kb}k.elf"
    done
}

# Debian's source has no mbedtls: take TLS out, and what hangs on it.
without_tls() {
    sed -i -e '/^set(MICROPY_SSL_MBEDTLS ON)/d' -e '/mbedtls_port\.c/d' -e '/micropy_lib_mbedtls)/d' "$1/CMakeLists.txt"
    sed -i -E 's/^(#define MICROPY_(SSL_MBEDTLS|PY_CRYPTOLIB|PY_HASHLIB_SHA1) +)\(1\)/\1(0)/' "$1/mpconfigport.h"
}

# The stock manifest without the drivers of micropython-lib, which is no part of the source.
build_rp2040() {
    local port=$PWD/micropython/ports/rp2
    without_tls "$port"
    rmdir micropython/lib/tinyusb && ln -s "$PWD/sdk/usr/src/tinyusb" micropython/lib/tinyusb
    printf 'freeze("$(PORT_DIR)/modules")\ninclude("$(MPY_DIR)/extmod/asyncio")\n' >manifest.py
    mkdir no-library && touch no-library/README.md
    cmake -G Ninja -S "$port" -B rp2040 -DMICROPY_BOARD=RPI_PICO -DMICROPY_FROZEN_MANIFEST="$PWD/manifest.py" \
        -DMICROPY_LIB_DIR="$PWD/no-library" -DPICO_SDK_PATH_OVERRIDE="$PWD/sdk/usr/src/pico-sdk" -DPICO_NO_PICOTOOL=1
    ninja -C rp2040 -j"$JOBS" firmware
    cp rp2040/firmware.bin "$STAGE/rp2040.bin"
}

versions() {
    (cd "$1" && ls -- *.dsc *.deb)
    arm-none-eabi-gcc --version | head -n 1
    (cd "$STAGE" && sha256sum -- *.elf *.bin)
}

build() {
    work=$(mktemp -d)
    log=$work/log
    : >"$log"
    mkdir -p "$(dirname "$OUT")"
    STAGE=$(mktemp -d "$OUT.XXXX")
    trap 'status=$?; [ $status = 0 ] || tail -n 30 "$log" >&2; rm -rf "$work" "$STAGE"; exit $status' EXIT
    cd "$work"
    fetch_sources
    local step
    for step in build_mpy_cross build_qemu build_rp2040; do
        say "$step (${SECONDS} s)"
        $step >>"$log" 2>&1
    done
    versions "$work" >"$STAGE/versions"
    chmod 755 "$STAGE"
    rm -rf "$OUT"
    mv "$STAGE" "$OUT"
}

LINK=$(realpath -m -s "$LINK")
# shellcheck disable=SC2046  # package names are words
if [ -e "$OUT/versions" ]; then
    install_packages $(missing "${PROGRAMS[@]}")
else
    packages=$(missing "${PROGRAMS[@]}" "${BUILD_PROGRAMS[@]}")
    arm-none-eabi-gcc --print-file-name=libstdc++.a 2>/dev/null | grep -q / || packages="$packages ${LIBRARIES[*]}"
    install_packages $packages
    build
fi
mkdir -p "$(dirname "$LINK")"
ln -sfn "$OUT" "$LINK"
say "$LINK -> $OUT ($SECONDS s)"
