// The Xtensa LX7 of an ESP32-S3. For l3native.h, which includes it.
#include "../portable/arch.h"
