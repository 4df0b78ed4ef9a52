// Cortex-M with Thumb-2: M3, and M4 without FPU. For l3native.h, which includes it.
#include "../portable/arch.h"
