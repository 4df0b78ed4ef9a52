// What the port's start lacks: the FPU, and a heap as large as the host says.
#include <stdint.h>

int __real_main(int argc, char **argv);
void __real_gc_init(void *start, void *end);

int __wrap_main(int argc, char **argv) {
    #ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88 |= 0xf << 20; // CPACR
    __asm__ volatile ("dsb\nisb");
    #endif
    return __real_main(argc, argv);
}

// QEMU's loader puts the heap's bytes into HEAP_WORD, in memory that nothing else uses.
void __wrap_gc_init(void *start, void *end) {
    (void)end;
    __real_gc_init(start, (char *)start + *(volatile uint32_t *)HEAP_WORD);
}
