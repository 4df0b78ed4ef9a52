// CRC-32, as binascii computes it but faster, because a window checks every chunk. A table for nibbles saves a kilobyte.
#include "l3native.h"

uint32_t crc_table[16]; // made at the first call; not static, as a native module requires

// Each entry is the sum (XOR) of the entries of powers of two.
static void make_crc_table(void) {
    uint32_t crc = 1;
    for (int bit = 8; bit; bit >>= 1) {
        crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        for (int i = 0; i < 16; i += 2 * bit) {
            crc_table[i + bit] = crc_table[i] ^ crc;
        }
    }
}

ALWAYS_INLINE uint32_t crc_byte(uint32_t crc) {
    crc = crc_table[crc & 15] ^ crc >> 4;
    return crc_table[crc & 15] ^ crc >> 4;
}

L3_LOCAL uint32_t crc32(const uint8_t *data, size_t n) {
    uint32_t crc = 0xFFFFFFFFu;
    if (!crc_table[1]) {
        make_crc_table();
    }
    for (; n && (uintptr_t)data & 3; n--) {
        crc = crc_byte(crc ^ *data++);
    }
    for (; n >= 4; n -= 4, data += 4) { // a word of a little-endian machine
        crc ^= *(const uint32_t *)(const void *)data;
        crc = crc_byte(crc_byte(crc_byte(crc_byte(crc))));
    }
    for (; n; n--) {
        crc = crc_byte(crc ^ *data++);
    }
    return ~crc;
}
