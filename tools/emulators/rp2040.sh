# The real firmware of the Raspberry Pi Pico, without TLS (Debian's source leaves mbedtls out).
NEEDS=(micropython)
PACKAGES=(gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib cmake ninja-build make gcc g++)

# Debian's source has no mbedtls: take TLS out, and what hangs on it.
without_tls() {
    sed -i -e '/^set(MICROPY_SSL_MBEDTLS ON)/d' -e '/mbedtls_port\.c/d' -e '/micropy_lib_mbedtls)/d' "$1/CMakeLists.txt"
    sed -i -E 's/^(#define MICROPY_(SSL_MBEDTLS|PY_CRYPTOLIB|PY_HASHLIB_SHA1) +)\(1\)/\1(0)/' "$1/mpconfigport.h"
}

# The stock manifest without the drivers of micropython-lib, which is no part of the source.
build() {
    local port=$PWD/micropython/ports/rp2
    cp -r "$(part micropython)/micropython" .
    fetch_packages sdk pico-sdk-source tinyusb-source
    without_tls "$port"
    rmdir micropython/lib/tinyusb && ln -s "$PWD/sdk/usr/src/tinyusb" micropython/lib/tinyusb
    printf 'freeze("$(PORT_DIR)/modules")\ninclude("$(MPY_DIR)/extmod/asyncio")\n' >manifest.py
    mkdir no-library && touch no-library/README.md
    cmake -G Ninja -S "$port" -B rp2040 -DMICROPY_BOARD=RPI_PICO -DMICROPY_FROZEN_MANIFEST="$PWD/manifest.py" \
        -DMICROPY_LIB_DIR="$PWD/no-library" -DPICO_SDK_PATH_OVERRIDE="$PWD/sdk/usr/src/pico-sdk" -DPICO_NO_PICOTOOL=1
    ninja -C rp2040 -j"$JOBS" firmware
    cp rp2040/firmware.bin "$STAGE/rp2040.bin"
}
