"""Timer 0 of mps2-an505 as secure code sees it: at 20 MHz."""

BASE, TICKS_PER_US = 0x50000000, 20
