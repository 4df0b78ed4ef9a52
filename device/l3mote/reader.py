"""Reads .l3m files: opening.py checks one from its header to its last chunk, Reader then streams weights from it."""

from array import array
from binascii import crc32

from l3mote import format as fmt
from l3mote.format import Chunk, FormatError
from l3mote.memory import Plain, forget


def check(data, crcs, i):
    """Return whether crcs[i] is the CRC of the data."""
    return crc32(data) == crcs[i]


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
            raise FormatError("truncated: %s at byte %d has %d of %d bytes" % (what, offset, len(data), n))
        return data

    def _readinto(self, view, offset, what):
        """Fill view from the file's position, which is `offset`."""
        n, wanted = self.file.readinto(view), len(view)
        self.bytes_read += wanted
        if n != wanted:
            raise FormatError("truncated: %s at byte %d has %d of %d bytes" % (what, offset, n or 0, wanted))

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

    source: a path, or a binary file object with seek, read and readinto.
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

    def chunks(self, layer, buffer, check=check):
        """Read the layer's chunks one after the other into buffer (at least chunk_bytes); yield one Chunk, updated each time.

        A palette is read first, to where chunk.palette says. check: checks a CRC; kernels may have a quicker one.
        """
        chunk, view, parts = Chunk(layer), memoryview(buffer), self.parts
        i, stop = layer.first_chunk, layer.first_chunk + layer.chunks
        at = self.sections["WEIGHTS"][0] + layer.offset + fmt.CHUNK_BYTES
        if layer.palette:
            chunk.palette, chunk.at = self.palette, at
            self._read_payload(chunk, view[self.palette : self.palette + fmt.PALETTE_BYTES], i, check)
            at += fmt.PALETTE_BYTES + fmt.CHUNK_BYTES
            i += 1
        while i < stop:
            chunk.at, payload = at, parts[4 * i]
            self._read_payload(chunk, view[:payload], i, check)
            chunk.locate(parts[4 * i + 1], parts[4 * i + 2], parts[4 * i + 3])
            yield chunk
            chunk.first += chunk.filters
            at += payload + fmt.CHUNK_BYTES
            i += 1

    def _read_payload(self, chunk, part, i, check):
        """Read chunk number i of the file."""
        self.file.seek(chunk.at)
        self._readinto(part, chunk.at, chunk.layer.name)
        if not check(part, self.crcs, i):
            raise chunk.error("crc32 differs: the file is damaged")

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
