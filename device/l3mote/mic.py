"""Where sound comes from. Every source has the same few names:

- rate: samples a second, the true rate where a driver rounds the one it was asked for
- readinto(x): writes samples to x, a buffer of int16, without waiting; returns how many: 0 when there is none yet, -1 when the
  sound is over
- live: sound goes on whether it is read or not (a file waits)
- overruns: samples that the driver lost since the first look at it, as far as it can tell
- close()
"""

import sys

from l3mote.limits import RATE, SOURCES, SoundError


class Callback:
    """Sound from your own function(x), which does what readinto() does."""

    live = True
    overruns = 0

    def __init__(self, function, rate):
        self.readinto = function
        self.rate = rate

    def close(self):
        pass


def open_source(settings, ibuf=None):
    """Open the source that the app's settings name. ibuf: bytes of MicroPython's I2S buffer, None: mic_machine's default.

    Raises SoundError, OSError and what a driver raises.
    """
    kind = settings["mic"]
    missing = [name for name in SOURCES[kind] if settings.get(name) in (None, "")]
    if missing:
        raise SoundError("%s not set: mic=%s needs %s" % (", ".join(missing), kind, ", ".join(SOURCES[kind])))
    if kind == "wav":
        from l3mote.wav import Wav

        return Wav(settings["wav"])
    if kind == "callback":
        raise SoundError("mic is callback: give your own source to the app, for example mic.Callback(function, rate)")
    try:
        return _microphone(kind, settings, ibuf)
    except ImportError as e:
        raise SoundError("this firmware has no %s input (%s): mic=wav and mic=callback work everywhere" % (kind, e))


def _microphone(kind, settings, ibuf):
    sck, sd, rate = settings["sck"], settings["sd"], settings.get("rate") or RATE
    if kind == "pdm":
        from l3mote.mic_circuitpython import PDM

        return PDM(sck, sd, rate)
    ws, bits, channel = settings["ws"], settings.get("bits") or 32, settings.get("channel") or "left"
    if sys.implementation.name == "circuitpython":
        from l3mote.mic_circuitpython import I2SIn

        return I2SIn(sck, ws, sd, rate, bits, channel)
    from l3mote.mic_machine import I2S

    return I2S(sck, ws, sd, rate, bits, channel, ibuf, settings.get("i2s_id") or 0)
