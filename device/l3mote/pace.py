"""Does the log-mel keep up with the sound? Asked before listening begins: a board that is too slow has no window, ever."""

from l3mote.model import test_signal
from l3mote.ticks import ticks_diff, ticks_ms

FRAMES = 4  # that are timed, because a clock has whole milliseconds


def share(listener):
    """Return what share of the time of its sound the log-mel takes. Before the first sound: it writes into ring and rows."""
    rows, ring = listener.rows, listener.model.ring
    test_signal(memoryview(ring)[: rows.fe.n_fft], listener.model.reader.seed)
    start = ticks_ms()
    for _ in range(FRAMES):
        rows.frontend.frame(ring, 0, rows.levels, 0)
    return ticks_diff(ticks_ms(), start) * rows.fe.sample_rate / (1000 * FRAMES * rows.fe.hop_length)


def too_slow(listener):
    """Return one line that says so where the log-mel takes longer than its sound, else None."""
    taken = share(listener)
    if taken < 1:
        return None
    return (
        "too slow to listen: kernel %s takes %.1f s for the log-mel of 1 s of sound. "
        "Use a faster board or firmware, or a model of a lower rate" % (listener.model.kernel_name, taken)
    )
