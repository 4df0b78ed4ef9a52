"""Sound from a recording, as a source like those of mic.py."""

import struct
from array import array

from l3mote.limits import SoundError


class Wav:
    """A RIFF WAVE file of 16-bit PCM with one or two channels (their mean, rounded down).

    A file whose writer could not go back to note its length, because power failed or it wrote to a pipe, is read to its end.
    file: a path, or a binary file object. Raises SoundError, OSError.
    """

    live = False
    overruns = 0

    def __init__(self, file):
        self.name = file if isinstance(file, str) else "WAV"
        self.file = open(file, "rb") if isinstance(file, str) else file
        try:
            self._read_header()
        except:
            self.close()
            raise

    def close(self):
        self.file.close()

    def error(self, what):
        return SoundError("%s: %s" % (self.name, what))

    def _read_header(self):
        head = self.file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise self.error("not a WAV file")
        end, at = 8 + struct.unpack("<I", head[4:8])[0], 12
        self.rate = 0
        while True:
            head = self.file.read(8)
            at += 8
            if len(head) < 8:
                raise self.error("no sound in it: the WAV file has no data chunk")
            size = struct.unpack("<I", head[4:])[0]
            if head[:4] == b"data":
                break
            skip = size + (size & 1)
            at += skip
            if head[:4] == b"fmt ":
                data = self.file.read(min(size, 40))
                skip -= len(data)
                self._read_format(data, size)
            self.file.seek(skip, 1)
        if not self.rate:
            raise self.error("its sound comes before its format")
        if not size and not at < end <= 0xFFFFFFFF:  # no length, here or in the file's header: none was ever noted
            size = 0xFFFFFFFF
        self.left = size // (2 * self.channels)

    def _read_format(self, data, size):
        if size < 16 or len(data) < min(size, 40):
            raise self.error("its format is cut off")
        code, self.channels, self.rate = struct.unpack_from("<HHI", data, 0)
        bits = struct.unpack_from("<H", data, 14)[0]
        if code == 0xFFFE and len(data) >= 26:
            code = struct.unpack_from("<H", data, 24)[0]
        if code != 1 or bits != 16 or self.channels not in (1, 2) or not self.rate:
            raise self.error("expected 16-bit PCM with 1 or 2 channels, got format %d, %d bits, %d channels, %d Hz"
                             % (code, bits, self.channels, self.rate))  # fmt: skip

    def readinto(self, x):
        n = min(len(x), self.left)
        if not n:
            return -1
        if self.channels == 1:
            n = self.file.readinto(memoryview(x)[:n]) // 2
        else:
            data = self.file.read(4 * n)
            pairs = array("h", data[: len(data) // 4 * 4])  # the file may end in the middle of one
            n = len(pairs) // 2
            for i in range(n):
                x[i] = (pairs[2 * i] + pairs[2 * i + 1]) >> 1
        self.left = self.left - n if n else 0
        return n or -1
