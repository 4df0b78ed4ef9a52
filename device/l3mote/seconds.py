"""Times of sound: counted in whole samples, printed in seconds to the millisecond, without a float on the way."""


class Seconds:
    """`samples` at a rate, as a time that prints as seconds with three decimals: as text, and as a number in JSON (log.text).

    Exact however long the board runs; a board's float has only 24 bits, or 22. ms: whole milliseconds.
    """

    def __init__(self, samples, rate):
        self.ms = (1000 * samples + rate // 2) // rate

    def __eq__(self, other):
        return isinstance(other, Seconds) and self.ms == other.ms

    def __repr__(self):
        return "%d.%03d" % (self.ms // 1000, self.ms % 1000)


def samples(seconds, rate):
    """Return a setting in seconds as whole samples. It counts to the millisecond, so floats of any length give the same number."""
    return (int(seconds * 1000 + 0.5) * rate + 500) // 1000
