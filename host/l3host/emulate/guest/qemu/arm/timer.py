"""Timer 0 of mps2-an385 and mps2-an386: at 25 MHz."""

BASE, TICKS_PER_US = 0x40000000, 25
