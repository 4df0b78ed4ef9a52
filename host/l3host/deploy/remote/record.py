"""Runs on a board: prints what its microphone hears, block by block. FOLDER (a version), RATE and SECONDS are set before.

RATE: None for the source's own; SECONDS: None for ever.
A line: samples so far, samples lost (of the source), level in dB(A) of full scale, the block's int16 in base64.
"""

import gc
import sys
import time
from array import array
from binascii import b2a_base64

sys.path.insert(0, FOLDER)
from l3mote.memory import Zeros
from l3mote.mic import open_source
from l3mote.ring import Ring
from l3mote.settings import load

settings = load(FOLDER + "/settings.json")
source = open_source(settings)
rate = RATE or source.rate
ring = Ring(source, rate, array("h", Zeros(8192)), max(1, rate // 8), 8)
kept = source.rate // ring.factor
print(kept, source.live)
gc.collect()
sent, settle = 0, int(0.3 * kept) if source.live else 0  # a microphone's first samples are not sound yet
try:
    while SECONDS is None or sent < settle + SECONDS * kept:
        ring.needed = sent
        ring.service()
        have = ring.total - sent
        if have >= 512 or (ring.ended and have):
            missed = max(0, ring.first - sent)
            sent += missed
            part = ring.view[sent - ring.first : min(sent + 512, ring.total) - ring.first]
            sent += len(part)
            if sent > settle:
                level = ring.meter.level(ring.meter.slots - 2, ring.meter.slots)[1]
                lost = source.overruns + missed * ring.factor
                print(sent, lost, round(level, 1), str(b2a_base64(part), "ascii"), end="")
        elif ring.ended:
            break
        else:
            time.sleep(0.002)
finally:
    source.close()
