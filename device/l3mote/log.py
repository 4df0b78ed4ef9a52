"""Events on flash: append-only JSON lines with a CRC-32 each, in two files that take turns.

A line is a JSON object whose last key is its checksum: {"event": "start", "label": "dog", "t": 3.500, "crc": "144ebfca"}. That is 8
hex digits, of the line's bytes before `, "crc"`. Each file begins with a line of its own, {"log": N, ...}: the file of the greater
N is the one that is written.

Power can fail after any byte. A file is appended to or begun anew, never changed and never renamed: a FAT that loses power in a
rename can have two names for the same blocks. So a line whose append() returned is there, and only the last can be torn; the next
line starts afresh. (A FAT on bare flash may lose more: a sector that is rewritten takes its neighbours with it.)
"""

import json
import os
import sys
from binascii import crc32

from l3mote.seconds import Seconds

MOST = 1024  # bytes of a line: what reading a damaged file may take
CRC = ', "crc": "%08x"}'
CRC_BYTES = 20
FIRST = ("event", "label", "t")  # keys in front of the others


def seal(record, last=""):
    """Return the line, without its end, of a record (a dict that is not empty). last: text of a last key."""
    return sealed(text(record)[:-1] + last)


def sealed(body):
    """Return a line of what stands before its checksum."""
    return body + CRC % crc32(body.encode())


def text(record):
    """Return a dict as JSON: keys in order, because MicroPython's dicts have none; Seconds as they print; 1 to 4 decimals."""
    keys = sorted(record, key=lambda key: (key not in FIRST, key))
    return "{" + ", ".join(["%s: %s" % (json.dumps(key), _value(record[key])) for key in keys]) + "}"


def _value(value):
    if isinstance(value, float):  # json.dumps prints -83.6 as -83.59999999999999 in MicroPython
        digits = ("%.4f" % value).rstrip("0")
        return digits + "0" if digits.endswith(".") else digits
    return repr(value) if isinstance(value, Seconds) else json.dumps(value)


def unseal(line):
    """Return the record of a line (bytes), or None where the checksum does not match."""
    body = line[:-CRC_BYTES]
    if not body or line[-CRC_BYTES:] != (CRC % crc32(body)).encode():
        return None
    try:
        return json.loads(body + b"}")
    except ValueError:
        return None


def size(path):
    """Return the size of a file in bytes, 0 if it does not exist."""
    try:
        return os.stat(path)[6]
    except OSError:
        return 0


class Log:
    """Lines in path.0.jsonl and path.1.jsonl, `limit` bytes of flash at most: when one file is full, the older one is begun anew.

    .corrupt counts the lines that the last read skipped.
    """

    def __init__(self, path, limit):
        self.paths = ["%s.%d.jsonl" % (path, i) for i in (0, 1)]
        self.most = limit // 2
        self.corrupt = 0
        self.current = None  # index of the file that is written, once it is known
        self.torn = False

    def append(self, line):
        """Write a sealed line; it is on flash when this returns.

        Raises OSError (read-only, flash full), ValueError (line too long).
        """
        data = line.encode() + b"\n"
        if len(data) > min(MOST, self.most - MOST // 8):
            raise ValueError("a line of %d bytes is too long for the log" % len(data))
        if self.current is None:
            self._scan()
        try:
            if self.numbers[self.current] and size(self.paths[self.current]) + len(data) <= self.most:
                self._write("ab", b"\n" + data if self.torn else data)
            else:
                self._begin(data)
        except OSError:
            self.current = None  # scan the files again
            raise
        self.torn = False

    def _scan(self):
        """Find out which file is current, and whether its last line is whole."""
        self.numbers = [self._number(path) for path in self.paths]
        self.current = 0 if self.numbers[0] >= self.numbers[1] else 1
        self.torn = False
        n = size(self.paths[self.current])
        if n:
            try:
                with open(self.paths[self.current], "rb") as f:
                    f.seek(n - 1)
                    self.torn = f.read(1) != b"\n"
            except OSError:
                self.torn = True

    def _number(self, path):
        """Return a file's number, 0 if it does not exist."""
        try:
            with open(path, "rb") as f:
                return (unseal(f.readline(MOST)[:-1]) or {}).get("log", 0)
        except OSError:
            return 0

    def _begin(self, data):
        """Start the older file over, with this line in it."""
        number = self.numbers[self.current] + 1
        i = 1 - self.current if number > 1 else self.current
        self._drop(i)
        self.current = i
        self._write("wb", seal({"log": number}).encode() + b"\n" + data)
        self.numbers[i] = number

    def _drop(self, i):
        if size(self.paths[i]):
            os.remove(self.paths[i])
        self.numbers[i] = 0

    def _write(self, mode, data):
        with open(self.paths[self.current], mode) as f:
            f.write(data)
        if sys.implementation.name == "circuitpython":
            os.sync()  # FAT keeps the last sector in memory for a second

    def lines(self):
        """Yield (line, record), the oldest first. Lines whose checksum does not match are skipped and counted."""
        self._scan()
        self.corrupt = 0
        for i in (1 - self.current, self.current):
            for line, record, _ in self._read(i, 0):
                yield line, record

    def _read(self, i, at):
        """Yield (line, record, where it ends) of file i from byte `at` on, as far as it can be read."""
        try:
            f = open(self.paths[i], "rb")
        except OSError:
            return
        with f:
            f.seek(at)
            while True:
                try:
                    data = f.readline(MOST)
                except OSError:  # a FAT whose table was torn must not stop the app
                    self.corrupt += 1
                    return
                if not data:
                    return
                at += len(data)
                line = data.strip()
                record = unseal(line)
                if record is None:
                    self.corrupt += bool(line)
                elif "log" not in record:
                    yield str(line, "utf-8"), record, at
