"""What the device tests share, whatever runs them."""

import io

from where import SMALL

from l3mote import KernelError, Reader
from l3mote.kernels import KERNELS, choose


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
    """A file in memory whose last weights go bad on demand, as worn-out flash does."""

    def __init__(self, data):
        self.file = io.BytesIO(data)
        self.end = sum(Reader(SMALL).sections["WEIGHTS"])
        self.damage = False

    def seek(self, *args):
        return self.file.seek(*args)

    def read(self, n):
        return self.file.read(n)

    def readinto(self, view):
        n = self.file.readinto(view)
        if self.damage and self.file.seek(0, 1) == self.end:
            view[len(view) - 8] ^= 64
        return n

    def close(self):
        self.file.close()
