"""What the tests of malformed files share: valid files, and what it means to be refused."""

import re

import models
import pytest
from models import seal

from l3mote.format import FormatError
from l3mote.reader import Reader
from l3mote.verify import verify

TINY = bytes(models.data(models.tiny()))  # one dense chunk: 2 biases from byte 12, 18 weights from byte 20
HEADS = bytes(models.data(models.classifier(), [1, 1, 0]))  # chunks 0 (convolution) and 1 (hidden) in byte gaps, 2 (head) dense
BAD_HALVES = [0x7C00, 0xFC00, 0x7E00, 0x0001, 0x83FF]  # +-infinity, NaN, subnormals
SMALL = bytes(models.data(models.small()))


def refused(data, message, place=None):
    """Reader or verify raises FormatError that matches, and names the byte offset if one is given."""
    with pytest.raises(FormatError, match=message) as caught:
        verify(Reader(models.stream(data)))
    if place is not None:
        assert re.search(rf"byte {place}\b", str(caught.value)), caught.value


def refused_behind_crc(data, message, place=None):
    """The same once the checksums are right; before, the damage itself is noticed."""
    refused(data, "crc32 at byte 12")
    refused(seal(data), message, place)


def resized(section, change, source=HEADS):
    """A file with one section's bytes changed, and the rest in order."""
    parts = models.split(source)
    i = models.SECTIONS.index(section)
    parts[i] = change(parts[i])
    return models.join(parts)


class Shrinking:
    """A file that loses its last bytes once `cut` is set, like a card that is pulled out."""

    def __init__(self, data):
        self.file = models.stream(data)
        self.cut = None
        self.seek, self.close = self.file.seek, self.file.close

    def read(self, n):
        return self.file.read(n if self.cut is None else max(0, min(n, self.cut - self.file.tell())))

    def readinto(self, view):
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
