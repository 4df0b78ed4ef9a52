// The heap: one piece of HEAP_BYTES, or, if they are 0, as MicroPython on an ESP32-S3 without PSRAM has it. There it starts with
// 64 kB and grows by pieces that py/gc.c takes out of what ESP-IDF's regions have left, where Wi-Fi takes its share first.
#include "py/gc.h"
#include "py/mphal.h"

// QEMU's loader writes these two before the start.
#define HEAP_BYTES (*(volatile uint32_t *)0x8000)
#define WIFI_BYTES (*(volatile uint32_t *)0x8004)

enum { KB = 1024, FIRST_PIECE = 64 * KB, MOST_BLOCKS = 32 };

typedef struct {
    char *at;
    size_t bytes;
    bool used;
} block_t;

// In order of addresses; between two regions is a gap, so that blocks of different ones never touch.
static block_t blocks[MOST_BLOCKS] = {
    { (char *)0x1000000, 230 * KB, false },
    { (char *)0x1100000, 32 * KB, false },
    { (char *)0x1200000, 20 * KB, false },
};
static int n_blocks = 3;

static void insert(int i, block_t block) {
    for (int k = n_blocks++; k > i; k--) {
        blocks[k] = blocks[k - 1];
    }
    blocks[i] = block;
}

// A free block takes in the next one if that is free and touches it.
static void join(int i) {
    if (i >= 0 && i + 1 < n_blocks && !blocks[i].used && !blocks[i + 1].used && blocks[i].at + blocks[i].bytes == blocks[i + 1].at) {
        blocks[i].bytes += blocks[i + 1].bytes;
        n_blocks--;
        for (int k = i + 1; k < n_blocks; k++) {
            blocks[k] = blocks[k + 1];
        }
    }
}

static int largest(void) {
    int best = -1;
    for (int i = 0; i < n_blocks; i++) {
        if (!blocks[i].used && (best < 0 || blocks[i].bytes > blocks[best].bytes)) {
            best = i;
        }
    }
    return best;
}

size_t gc_get_max_new_split(void) {
    int i = largest();
    return HEAP_BYTES || i < 0 || n_blocks == MOST_BLOCKS ? 0 : blocks[i].bytes;
}

void *heap_take(size_t bytes) {
    int i = largest();
    bytes = (bytes + 15) & ~(size_t)15;
    if (i < 0 || blocks[i].bytes < bytes || n_blocks == MOST_BLOCKS) {
        return NULL;
    }
    block_t *b = &blocks[i];
    if (b->bytes > bytes) {
        insert(i + 1, (block_t) { b->at + bytes, b->bytes - bytes, false });
        b->bytes = bytes;
    }
    b->used = true;
    return b->at;
}

void heap_give_back(void *piece) {
    for (int i = 0; i < n_blocks; i++) {
        if (blocks[i].at == piece) {
            blocks[i].used = false;
            join(i);
            join(i - 1);
            return;
        }
    }
}

void heap_init(void) {
    char *start = blocks[0].at;
    size_t bytes = HEAP_BYTES;
    if (!bytes) {
        if (WIFI_BYTES) {
            heap_take(WIFI_BYTES);
        }
        start = heap_take(FIRST_PIECE);
        bytes = FIRST_PIECE;
    }
    gc_init(start, start + bytes);
}
