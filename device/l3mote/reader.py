"""Reads .l3m files: opening.py checks one from its header to its last chunk, Reader then streams weights from it."""

import sys
from array import array
from binascii import crc32

from l3mote import format as fmt
from l3mote.format import CHUNK_BYTES, Chunk, FormatError
from l3mote.memory import Plain, forget


def check(data, n, crcs, i):
    """Is the CRC of the data's first n bytes crcs[i]?"""
    return crc32(memoryview(data)[:n]) == crcs[i]


def truncated(what, offset, found, wanted):
    return FormatError("truncated: %s at byte %d has %d of %d bytes" % (what, offset, found or 0, wanted))


class Bytes:
    """A binary file's bytes and sections; FormatError where it ends early. bytes_read counts them."""

    def __init__(self, file):
        self.file = file
        self.bytes_read = 0

    def _read(self, offset, n, what):
        self.file.seek(offset)
        data = self.file.read(n)
        self.bytes_read += n
        if len(data) != n:
            raise truncated(what, offset, len(data), n)
        return data

    def readinto(self, buffer, n, offset, what):
        """Fill the buffer's first n bytes from where the file stands, which is `offset`."""
        found = self.file.readinto(memoryview(buffer)[:n])
        self.bytes_read += n
        if found != n:
            raise truncated(what, offset, found, n)

    def _check_size(self, name, least, most):
        offset, size = self.sections[name]
        if not least <= size <= most:
            raise FormatError("section %s at byte %d: %d bytes, must be %d to %d" % (name, offset, size, least, most))

    def _section(self, name, least, most):
        self._check_size(name, least, most)
        offset, size = self.sections[name]
        return offset, self._read(offset, size, "section " + name)


class Reader(Bytes):
    """Opens a .l3m file, checks all of it but the weights' values, and streams weight chunks.

    source: a path, or a binary file object with seek, read and readinto, which on boards also takes a number of bytes.
    Raises FormatError for anything that FORMAT.md does not allow, OSError if the file cannot be read.
    """

    def __init__(self, source):
        from l3mote.opening import Opening  # here, because it is forgotten afterwards

        super().__init__(open(source, "rb") if isinstance(source, str) else source)
        self._fixed = None
        try:
            self._take(Opening(self.file))
        except:
            self.close()
            raise
        del Opening
        forget("opening")

    def close(self):
        self.file.close()

    def _take(self, opening):
        """Take over what the checks found out about the file."""
        self.version, self.length, self.crc = opening.version, opening.length, opening.crc
        self.sections, self.frontend, self.layers = opening.sections, opening.frontend, opening.layers
        self.labels, self.thresholds, self.seed = opening.labels, opening.thresholds, opening.seed
        self.parts, self.crcs = opening.parts, opening.crcs  # of each chunk
        self.palette, self.chunk_bytes = opening.palette, opening.chunk_bytes
        self.chunk_values, self.max_values = opening.chunk_values, opening.max_values

    def chunks(self, layer, buffer):
        """Yield the layer's chunks, one Chunk that is updated each time, as Weights reads them."""
        weights = Weights(self, buffer)
        weights.open(layer)
        while weights.next():
            yield weights.chunk

    def expected(self):
        """Return the self-test's expected output, array of f32."""
        offset, size = self.sections["SELFTEST"]
        return array("f", self._read(offset + fmt.SELFTEST_BYTES, size - fmt.SELFTEST_BYTES, "SELFTEST"))

    def provenance(self):
        """Return the PROVENANCE section as text (a JSON object)."""
        offset, data = self._section("PROVENANCE", 2, fmt.MAX_TEXT)
        try:
            return str(data, "utf-8")
        except UnicodeError:
            raise FormatError("PROVENANCE at byte %d is not UTF-8" % offset)

    def fixed(self):
        """Return the FIXED section, decoded and checked, or None for a file that is not calibrated. Read once, then kept."""
        if "FIXED" in self.sections and self._fixed is None:
            from l3mote.fixed import Fixed  # here, for the same reason as Opening

            offset, data = self._section("FIXED", fmt.FIXED_BYTES, fmt.MAX_TEXT)
            self._fixed = Plain(Fixed(self, offset, data))
            del Fixed
            forget("fixed")
        return self._fixed


class Weights:
    """Reads a layer's chunks one after the other into a buffer of chunk_bytes, and allocates nothing for them.

    chunk: the one that is in the buffer, once next() was true. check: of the CRCs; kernels have a quicker one. A chunk's CRC is
    checked when it is first read after restart(): a strip reads again what the one before has read. locate: whether chunk.locate()
    is needed; the kernel may do it.
    """

    def __init__(self, reader, buffer, check=check, locate=True):
        self.reader, self.buffer, self.check, self.locate = reader, buffer, check, locate
        self.file, self.parts = reader.file, reader.parts
        self.palette = memoryview(buffer)[reader.palette : reader.palette + fmt.PALETTE_BYTES]
        self.checked = bytearray(len(reader.crcs))
        self.chunk = Chunk(reader.layers[0])
        self.i = self.stop = self.at = 0  # number and byte of the next chunk, number of the first that is not the layer's
        self.fill = self._fill if sys.implementation.name == "cpython" else self.file.readinto

    def restart(self):
        """Check each chunk's CRC once more."""
        for i in range(len(self.checked)):
            self.checked[i] = 0

    def open(self, layer):
        """Go to a layer's first chunk. A palette is read, to where chunk.palette says."""
        reader, chunk = self.reader, self.chunk
        chunk.layer, chunk.first, chunk.filters = layer, 0, 0
        chunk.palette = 0
        self.i, self.stop = layer.first_chunk, layer.first_chunk + layer.chunks
        self.at = reader.sections["WEIGHTS"][0] + layer.offset + CHUNK_BYTES
        if layer.palette:
            chunk.palette = reader.palette
            self._read(self.palette, fmt.PALETTE_BYTES, self.i)

    def next(self):
        """Read the next chunk; False after the layer's last."""
        i, chunk, parts = self.i, self.chunk, self.parts
        if i == self.stop:
            return False
        self._read(self.buffer, parts[4 * i], i)
        chunk.number = i
        chunk.first += chunk.filters
        chunk.filters = parts[4 * i + 1]
        if self.locate:
            chunk.locate(chunk.filters, parts[4 * i + 2], parts[4 * i + 3])
        return True

    def _read(self, buffer, n, i):
        """Read the payload of chunk number i, which has n bytes."""
        at = self.chunk.at = self.at
        self.file.seek(at)
        self.reader.bytes_read += n
        if self.fill(buffer, n) != n:
            self._refuse(buffer, n)
        if not self.checked[i]:
            self.checked[i] = self.check(buffer, n, self.reader.crcs, i)
            if not self.checked[i]:
                raise self.chunk.error("crc32 differs: the file is damaged")
        self.i, self.at = i + 1, at + n + CHUNK_BYTES

    def _fill(self, buffer, n):
        """Do what readinto does on boards where files take no number: a slice is two objects."""
        return self.file.readinto(memoryview(buffer)[:n])

    def _refuse(self, buffer, n):
        """Raise the error of a file that ends early, by reading once more."""
        self.file.seek(self.at)
        raise truncated(self.chunk.layer.name, self.at, self.fill(buffer, n), n)
