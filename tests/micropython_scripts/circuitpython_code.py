"""Board side of test_circuitpython.py: code.py as a CircuitPython board starts it, with a microphone that plays sound.raw.

When it is over somebody presses Ctrl-C. Writes what is printed to lines.jsonl. Runs after circuitpython_modules.py, in the same
namespace.
"""

import builtins
import os
import sys


class Board:
    GP16 = GP17 = GP18 = "a pin"


class Microphone:
    """audioi2sin.I2SIn on a recording of int16 samples at its rate."""

    overflow = False

    def __init__(self, bit_clock, word_select, data, *, sample_rate, **more):
        self.sample_rate = sample_rate
        self.file = open("sound.raw", "rb")  # noqa: SIM115

    def record(self, buffer, length):
        n = self.file.readinto(memoryview(buffer)[:length]) // 2
        if not n:
            raise KeyboardInterrupt
        return n

    def deinit(self):
        self.file.close()


class Audio:
    I2SIn = Microphone


def work(folder):
    os.chdir(folder)
    sys.modules["board"], sys.modules["audioi2sin"] = Board, Audio
    with open("lines.jsonl", "w") as lines:
        builtins.print = lambda *text: lines.write(" ".join([str(t) for t in text]) + "\n")
        with open("code.py") as f:
            code = f.read()
        try:  # noqa: SIM105 (boards have no contextlib)
            exec(code, {"__name__": "__main__"})
        except KeyboardInterrupt:
            pass
    yield
