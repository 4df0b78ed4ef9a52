// CRC-32, as binascii computes it but faster, because a window checks every chunk. Its table stands on the stack: it takes as long
// as some 300 bytes, and stays nobody's memory.
#include "l3native.h"

// Each entry is the sum (XOR) of the entries of powers of two.
static NOINLINE void make_crc_table(uint32_t *table) {
    uint32_t crc = 1;
    table[0] = 0;
    for (int bit = 128; bit; bit >>= 1) {
        crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        for (int i = 0; i < 256; i += 2 * bit) {
            table[i + bit] = table[i] ^ crc;
        }
    }
}

ALWAYS_INLINE uint32_t crc_byte(const uint32_t *table, uint32_t crc) {
    return table[crc & 255] ^ crc >> 8;
}

// In a function of its own, which has the table's address in a register.
static NOINLINE uint32_t crc_bytes(const uint32_t *table, const uint8_t *data, size_t n) {
    uint32_t crc = 0xFFFFFFFFu;
    for (; n && (uintptr_t)data & 3; n--) {
        crc = crc_byte(table, crc ^ *data++);
    }
    for (; n >= 4; n -= 4, data += 4) { // a word of a little-endian machine
        crc ^= *(const uint32_t *)(const void *)data;
        crc = crc_byte(table, crc_byte(table, crc_byte(table, crc_byte(table, crc))));
    }
    for (; n; n--) {
        crc = crc_byte(table, crc ^ *data++);
    }
    return ~crc;
}

L3_LOCAL uint32_t crc32(const uint8_t *data, size_t n) {
    uint32_t table[256];
    make_crc_table(table);
    return crc_bytes(table, data, n);
}
