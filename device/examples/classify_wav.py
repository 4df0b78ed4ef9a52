"""What a model hears in a WAV file: classify_wav.py model.l3m clip.wav (on a board, change the two names)."""

import sys

from l3mote import Model
from l3mote.listener import Listener
from l3mote.wav import Wav

path, clip = sys.argv[1:] or ("model.l3m", "clip.wav")
for event in Listener(Model(path, listening=True), Wav(clip)).run():
    print(event)
