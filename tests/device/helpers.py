"""What the device tests share, whatever runs them."""

import io
from array import array

from where import SMALL

from l3mote import KernelError, Reader
from l3mote.format import PADDING_VALID, SCALE_LINEAR, Frontend
from l3mote.kernels import KERNELS, choose
from l3mote.limits import ring_samples, stored_rows
from l3mote.rows import Rows


def raises(kind, function, *args):
    try:
        function(*args)
    except kind as e:
        return str(e)
    raise AssertionError("no %s" % kind)


def kernels():
    """The kernels that load here; python always does."""
    result = []
    for name in KERNELS:
        try:
            result.append(choose(name).name)
        except KernelError as e:
            assert "python" in str(e)
    assert "python" in result
    return result


def contents():
    with open(SMALL, "rb") as f:
        return f.read()


class Damaged:
    """A file in memory whose weights up to `end`, its last, go bad on demand, as worn-out flash does."""

    def __init__(self, data):
        self.file = io.BytesIO(data)
        self.end = sum(Reader(SMALL).sections["WEIGHTS"])
        self.damage = False

    def seek(self, *args):
        return self.file.seek(*args)

    def read(self, n):
        return self.file.read(n)

    def readinto(self, buffer, n=None):
        view = memoryview(buffer)[:n]
        found = self.file.readinto(view)
        if self.damage and self.file.seek(0, 1) == self.end:
            view[found - 8] ^= 64
        return found

    def close(self):
        self.file.close()


class Hears:
    """What a Listener needs of a model, without a network: each frame of `size` samples, none of which overlap, becomes one number.

    look(pcm, start): that number. judge(numbers): .output, of a window's frames, in the second of `count` steps (or the only one).
    """

    class reader:
        pass

    class Store:
        pass

    def __init__(self, labels, thresholds, window, hop, size, look, judge, count=1):
        self.labels, self.look, self.judge, self.count = labels, look, judge, count
        self.fe = Frontend(8000, window, hop, size, size, 1, SCALE_LINEAR, PADDING_VALID, 0, 4000, 0, 0, 0, 0)
        self.reader = Hears.reader()
        self.reader.thresholds, self.reader.frontend = array("f", thresholds), self.fe
        self.ring, self.store = array("h", bytes(2 * ring_samples(self.fe))), Hears.Store()
        self.store.rows = stored_rows(self.fe)
        self.store.flat = [None] * self.store.rows
        self.planes = [[None] * self.fe.frames]

    def rows(self, hop):
        return Rows(self, hop, self.store)

    def frame(self, pcm, start, levels, at):
        levels[at] = self.look(pcm, start)
        return 0

    def normalise(self, levels, at, pitch, plane, first, rows, loudest):
        for i in range(rows):
            plane[first + i] = levels[at + i]

    def network_steps(self):
        for k in range(self.count):
            if k == min(1, self.count - 1):
                self.output = self.judge(self.planes[0])
            yield
