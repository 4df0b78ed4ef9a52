"""What settings, model and source of sound must agree in: apart from what uses it, which small heaps hold after the model only."""

from array import array

RATE = 16000  # of a microphone, unless the settings say another: what every driver and microphone can, and twice the models' 8,000
BLOCK = 512  # samples asked of a source at once
MAX_FACTOR = 12
OFF_RATE = 3  # per cent by which a source's rate may be off a multiple of the model's: drivers round
PER_LABEL = "threshold."  # threshold.dog=0.6: one label's own

# What the setting `mic` may be: the settings that each source needs, in the order in which they are asked for.
SOURCES = {"i2s": ("sck", "ws", "sd"), "pdm": ("sck", "sd"), "wav": ("wav",), "callback": ()}


class SoundError(ValueError):
    """One line: what is wrong with a source of sound, and what to do."""


def ring_samples(fe):
    """That a Listener keeps, of a Frontend: those of a frame, and as many again as wait to become one."""
    return fe.n_fft + 2 * BLOCK


def inner_frames(fe):
    """(first, stop) of the frames that lie within the window."""
    stop = max(0, min(fe.frames, (fe.window + fe.pad_before - fe.n_fft) // fe.hop_length + 1))
    return min(-(-fe.pad_before // fe.hop_length), stop), stop


def stored_rows(fe):
    """Of the log-mel, that a Listener keeps: a window's, those of the two that begin in it, and a quarter more for what waits."""
    first, stop = inner_frames(fe)
    return fe.frames + 2 * (fe.frames - (stop - first)) + fe.frames // 4


def possible_hop(fe, hop):
    """The hop at which windows can be heard: `hop` (samples) where they do not overlap, else whole frames, not too few of them."""
    if hop >= fe.window:
        return hop
    first, stop = inner_frames(fe)
    alone = fe.frames - (stop - first)  # rows that each window has for itself
    most = 2 + fe.frames // 4 // alone if alone else fe.frames  # windows that begin in one: stored_rows() has no room for more
    least = max(-(-fe.frames // most), first, fe.frames - stop)
    return min(max(hop // fe.hop_length, least) * fe.hop_length, fe.window)


def decimation(rate, wanted):
    """How many of a source's samples make one of the model's: rate / wanted, rounded.

    Raises SoundError unless rate is within OFF_RATE of 1 to MAX_FACTOR times wanted.
    """
    factor = (2 * rate + wanted) // (2 * wanted)
    if not 1 <= factor <= MAX_FACTOR or 100 * abs(rate - factor * wanted) > OFF_RATE * factor * wanted:
        rates = ", ".join([str(wanted * k) for k in (1, 2, 3, 4, 6)])
        raise SoundError("the sound has %d Hz, the model takes %d: use a rate of %s Hz" % (rate, wanted, rates))
    return factor


def kept_rate(rate, wanted):
    """Samples a second that are kept of a source's `rate`, to the nearest whole number."""
    factor = decimation(rate, wanted)
    return (2 * rate + factor) // (2 * factor)


def thresholds(labels, own, settings):
    """A threshold for each label: threshold.LABEL, else threshold, else the model's own. Raises SoundError."""
    found = array("f", own)
    for i in range(len(found)):
        if settings.get("threshold") is not None:
            found[i] = settings["threshold"]
    for key in settings:
        if key.startswith(PER_LABEL) and settings[key] is not None:
            label = key[len(PER_LABEL) :]
            if label not in labels:
                raise SoundError("%s: the model has no label %s, but %s" % (key, label, ", ".join(labels)))
            found[labels.index(label)] = settings[key]
    return found
