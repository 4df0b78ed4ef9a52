#include <stddef.h>
#include <stdint.h>
#include "shared/runtime/interrupt_char.h"
int simcall(int number, uintptr_t a, uintptr_t b, uintptr_t c);
void heap_init(void);
