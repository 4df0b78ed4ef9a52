"""Simulated time, for the host's emulation and for tests: a recording plays in real time to a board of a given speed."""


class Clock:
    """A Listener's clock. seconds: what a window costs the board; steps: how many steps of the model that is.

    pause: seconds that a board waits when it has nothing to do.
    """

    def __init__(self, seconds, steps, pause=0.005):
        self.us = 0
        self.cost, self.pause = int(seconds * 1000000 / steps), int(pause * 1000000)

    def step(self):
        self.us += self.cost

    def idle(self):
        self.us += self.pause


class Paced:
    """The part of a source that has played so far. held: samples that its driver keeps (None: all); more are lost, and counted."""

    live = True

    def __init__(self, source, clock, held=None):
        self.source, self.clock, self.held = source, clock, held
        self.rate = source.rate
        self.played = self.overruns = 0

    def readinto(self, x):
        due = self.clock.us * self.rate // 1000000 - self.played
        while self.held is not None and due > self.held:
            n = self._read(x, due - self.held)
            if n < 0:
                return n
            self.overruns += n
            due -= n
        return self._read(x, due) if due else 0

    def _read(self, x, most):
        n = self.source.readinto(memoryview(x)[: min(most, len(x))])
        self.played += max(n, 0)
        return n

    def close(self):
        self.source.close()
