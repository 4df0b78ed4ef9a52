"""Run the unchanged device package in a real MicroPython (or CPython) and compare it with the reference."""

from l3host.emulate.emulation import Emulation, emulate

__all__ = ["Emulation", "emulate"]
