// conv_armv6m.S against the C that it equals, on a Cortex-M in QEMU (semihosting). Prints "equal", or what differs.
#include "conv.h"

#define TRIALS 300

static uint32_t state = 1;
static uint16_t plane[2000];
static int32_t list[400], asm_sums[48], c_sums[48];

static uint32_t random32(void) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state;
}

static void semihost(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void finish_with(const char *text) {
    semihost(4, text); // SYS_WRITE0
    semihost(0x18, (const void *)0x20026); // SYS_EXIT: ADP_Stopped_ApplicationExit
}

static bool same(int n) {
    for (int i = 0; i < n; i++) {
        if (asm_sums[i] != c_sums[i]) {
            return false;
        }
    }
    return true;
}

static void fill(int words, int group) {
    for (int i = 0; i < 2000; i++) {
        plane[i] = (uint16_t)random32();
    }
    for (int i = 0; i < words; i++) {
        list[i] = (int32_t)random32() >> 16;
    }
    for (int i = group == 2 ? 0 : 3; i < words; i += group) {
        list[i] = (int32_t)(random32() % 16) * 2;
    }
}

static bool lists(int taps, int blocks, uint32_t bias) {
    fill(2 * taps, 2);
    l3_list8(plane, list, list + 2 * taps, asm_sums, bias, blocks);
    for (int i = 0; i < blocks; i++) {
        list8(plane + 8 * i, list, list + 2 * taps, c_sums + 8 * i, bias, false);
    }
    return same(8 * blocks);
}

static bool rows(int rows, int blocks, int width, uint32_t bias) {
    fill(4 * rows, 4);
    (width == 6 ? l3_rows6 : l3_rows4)(plane, list, list + 4 * rows, asm_sums, bias, blocks);
    for (int i = 0; i < width * blocks; i += 2) {
        rows4(plane + i, list, list + 4 * rows, c_sums + i, bias, false);
    }
    return same(width * blocks);
}

void start(void) {
    for (int i = 0; i < TRIALS; i++) {
        int n = (int)(random32() % 60), blocks = 1 + (int)(random32() % 5);
        uint32_t bias = random32();
        if (!lists(n, blocks, bias)) {
            finish_with("l3_list8 differs\n");
        }
        if (!rows(n + 1, blocks, 4, bias)) {
            finish_with("l3_rows4 differs\n");
        }
        if (!rows(n + 1, blocks, 6, bias)) {
            finish_with("l3_rows6 differs\n");
        }
    }
    finish_with("equal\n");
}

__attribute__((section(".vectors"), used)) static void *const vectors[] = {(void *)0x20010000, (void *)start};
