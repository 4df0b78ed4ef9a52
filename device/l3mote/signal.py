"""The self-test of a model that listens: its signal comes as sound does, portion by portion, and rows are made of it."""

from l3mote.model import test_signal


class Signal:
    """The self-test's signal, as a Ring has its samples."""

    def __init__(self, buffer, seed):
        self.buffer, self.view, self.state = buffer, memoryview(buffer), seed
        self.first = self.total = self.needed = 0

    def go_on(self):
        """Fill the buffer from the first sample on that is still needed."""
        start = max(self.first, self.needed)
        self.view[: self.total - start] = self.view[start - self.first : self.total - self.first]
        self.first = start
        self.state = test_signal(self.view[self.total - self.first :], self.state, self.total)
        self.total = self.first + len(self.buffer)


def hear(model):
    """Put the log-mel of the self-test's signal into the model's plane."""
    rows, signal = model.rows(model.reader.frontend.window), Signal(model.ring, model.reader.seed)
    while not rows.ready:
        if not rows.make(signal):
            signal.go_on()
    rows.fill(model.planes[0])
