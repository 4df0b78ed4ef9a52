// Cortex-M4, M7 and M33: two products an instruction. For l3native.h, which includes it.
#include "../portable/arch.h"
