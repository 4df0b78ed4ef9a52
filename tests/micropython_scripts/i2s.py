"""Board side of test_mic.py: machine.I2S with nothing at its data pin, left alone at first as while a model is opened, asked often,
left alone for half a second, asked again."""

import json
import sys
import time
from array import array

from l3mote.mic_machine import I2S


def work(folder):
    x, result = array("h", bytes(1024)), []
    for bits, channel in ((32, "left"), (32, "right"), (16, "left")):
        source = I2S(16, 17, 18, 16000, bits, channel)
        time.sleep(0.3)
        source.readinto(memoryview(x))
        first = source.overruns
        start, longest, samples = time.ticks_us(), 0, 0
        while time.ticks_diff(time.ticks_us(), start) < 50000:
            before = time.ticks_us()
            samples += source.readinto(memoryview(x))
            longest = max(longest, time.ticks_diff(time.ticks_us(), before))
        lost = source.overruns
        time.sleep(0.5)
        while source.readinto(memoryview(x)):
            pass
        result.append([samples, longest, list(x[:samples]), source.overruns - lost, first])
        source.close()
        yield
    with open(folder + "/found.json", "w") as f:
        json.dump(result, f)


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
