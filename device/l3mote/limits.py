"""What settings, model and source of sound must agree on. A module of its own: small heaps load its users only after the model."""

from array import array

from l3mote.format import NEVER, silent

RATE = 16000  # of a microphone, by default: every driver and microphone has it, and it is twice the models' 8,000
BLOCK = 512  # samples read from a source at once
MAX_FACTOR = 12
SILENCE = -80.0  # dB(A) of full scale: a microphone's own noise is at -87 (INMP441), a quiet room's little above
OFF_RATE = 3  # per cent that a source's rate may be off a multiple of the model's: drivers round
PER_LABEL = "threshold."  # threshold.dog=0.6: the threshold of one label
CA = "ca.der"  # beside a deployed model: the certificate of the CA that mqtt_tls names

# What the setting `mic` may be: the settings that each source needs, in the order in which they are asked for.
SOURCES = {"i2s": ("sck", "ws", "sd"), "pdm": ("sck", "sd"), "wav": ("wav",), "callback": ()}


class SoundError(ValueError):
    """One line: what is wrong with a source of sound, and what to do."""


def ring_samples(fe):
    """Return how many samples a Listener keeps: those of a frame, and two blocks that wait to become one."""
    return fe.n_fft + 2 * BLOCK


def inner_frames(fe):
    """Return (first, stop) of the frames that lie within the window."""
    stop = max(0, min(fe.frames, (fe.window + fe.pad_before - fe.n_fft) // fe.hop_length + 1))
    return min(-(-fe.pad_before // fe.hop_length), stop), stop


def stored_rows(fe):
    """Return how many rows of the log-mel a Listener keeps.

    A window's, the other frames of the two windows that begin in one at a hop of half a window, and a quarter more that may wait.
    """
    first, stop = inner_frames(fe)
    return fe.frames + 2 * (fe.frames - (stop - first)) + fe.frames // 4


def possible_hop(fe, hop):
    """Return the hop at which windows can be heard: `hop` (samples) where they do not overlap, else whole frames, not too few."""
    if hop >= fe.window:
        return hop
    first, stop = inner_frames(fe)
    alone = fe.frames - (stop - first)  # rows that each window has for itself
    most = 2 + fe.frames // 4 // alone if alone else fe.frames  # windows that begin in one: stored_rows() has no room for more
    least = max(-(-fe.frames // most), first, fe.frames - stop)
    return min(max(hop // fe.hop_length, least) * fe.hop_length, fe.window)


def decimation(rate, wanted):
    """Return how many of a source's samples make one of the model's: rate / wanted, rounded.

    Raises SoundError unless rate is within OFF_RATE of 1 to MAX_FACTOR times wanted.
    """
    factor = (2 * rate + wanted) // (2 * wanted)
    if not 1 <= factor <= MAX_FACTOR or 100 * abs(rate - factor * wanted) > OFF_RATE * factor * wanted:
        rates = ", ".join([str(wanted * k) for k in (1, 2, 3, 4, 6)])
        raise SoundError("the sound has %d Hz, the model takes %d: use a rate of %s Hz" % (rate, wanted, rates))
    return factor


def kept_rate(rate, wanted):
    """Return the samples a second that are kept of a source's `rate`, to the nearest whole number."""
    factor = decimation(rate, wanted)
    return (2 * rate + factor) // (2 * factor)


def thresholds(labels, own, settings):
    """Return a threshold for each label: threshold.LABEL, else threshold, else the model's own.

    A silent label never starts: its threshold is NEVER. Raises SoundError.
    """
    values = array("f", own)
    for i in range(len(values)):
        if settings.get("threshold") is not None:
            values[i] = settings["threshold"]
    for key in settings:
        if key.startswith(PER_LABEL) and settings[key] is not None:
            label = key[len(PER_LABEL) :]
            if label not in labels:
                raise SoundError("%s: the model has no label %s; its labels are %s" % (key, label, ", ".join(labels)))
            values[labels.index(label)] = settings[key]
    for i in range(len(values)):
        if silent(labels[i]):
            values[i] = NEVER
    return values
