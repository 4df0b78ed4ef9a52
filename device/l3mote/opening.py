"""The checks of a .l3m file, from its header to its last chunk: needed only while the file is opened."""

import struct
from array import array
from binascii import crc32

from l3mote import format as fmt
from l3mote.format import Chunk, FormatError, Frontend, Layer, align
from l3mote.reader import Bytes


class Opening(Bytes):
    """Reads and checks all of a file but the weights' values. Its attributes are what a Reader takes over."""

    def __init__(self, file):
        super().__init__(file)
        self._check_header()
        self._check_sections()
        self._check_crc()
        self._check_padding()
        self._read_frontend()
        self._read_layers()
        self._read_labels()
        self._check_selftest()
        self._check_size("PROVENANCE", 2, fmt.MAX_TEXT)
        self._walk_chunks()

    # -- header and sections

    def _check_header(self):
        magic, self.version, count, self.length, self.crc = struct.unpack(fmt.HEADER, self._read(0, fmt.HEADER_BYTES, "header"))
        if magic != fmt.MAGIC:
            raise FormatError("magic at byte 0 is %r: not an .l3m file" % magic)
        if self.version != fmt.FORMAT_VERSION:
            raise FormatError(
                "version at byte 4 is %d, this reader knows %d: update the l3mote package" % (self.version, fmt.FORMAT_VERSION)
            )
        if not fmt.REQUIRED_SECTIONS <= count <= len(fmt.SECTIONS):
            raise FormatError("sections at byte 6 is %d, not %d or %d" % (count, fmt.REQUIRED_SECTIONS, len(fmt.SECTIONS)))
        self.names = fmt.SECTIONS[:count]
        actual = self.file.seek(0, 2)
        if actual != self.length:
            kind = "truncated" if actual < self.length else "trailing bytes"
            raise FormatError("%s: length at byte 8 says %d, the file has %d" % (kind, self.length, actual))

    def _check_sections(self):
        table = self._read(fmt.HEADER_BYTES, fmt.SECTION_BYTES * len(self.names), "section table")
        expected = fmt.HEADER_BYTES + len(table)
        self.sections = {}  # type: dict
        for i, name in enumerate(self.names):
            kind, reserved, offset, size = struct.unpack_from(fmt.SECTION, table, i * fmt.SECTION_BYTES)
            at = fmt.HEADER_BYTES + i * fmt.SECTION_BYTES
            if kind != i + 1 or reserved:
                raise FormatError("section %s at byte %d has kind %d, reserved %d" % (name, at, kind, reserved))
            if offset != expected:
                raise FormatError("section %s at byte %d: offset %d overlaps or leaves a gap, must be %d"
                                  % (name, at, offset, expected))  # fmt: skip
            if offset + size > self.length:
                raise FormatError("section %s at byte %d: out of range, ends at %d of %d" % (name, at, offset + size, self.length))
            self.sections[name] = (offset, size)
            expected = align(offset + size)
        if expected != self.length:
            raise FormatError("trailing bytes: the sections end at %d, the file at %d" % (expected, self.length))

    def _check_crc(self):
        block = bytearray(1024)
        self.file.seek(fmt.HEADER_BYTES)
        left = self.length - fmt.HEADER_BYTES
        crc = 0
        while left:
            n = min(left, len(block))
            self.readinto(block, n, self.length - left, "the file")
            crc = crc32(memoryview(block)[:n], crc)
            left -= n
        if crc != self.crc:
            raise FormatError("crc32 at byte 12 is 0x%08x, the contents have 0x%08x" % (self.crc, crc))

    def _check_padding(self):
        for name in self.names:
            end = sum(self.sections[name])
            if any(self._read(end, align(end) - end, "padding")):
                raise FormatError("section %s: padding at byte %d is not zero" % (name, end))

    def _read_frontend(self):
        offset, data = self._section("FRONTEND", fmt.FRONTEND_BYTES, fmt.FRONTEND_BYTES)
        fields = struct.unpack(fmt.FRONTEND, data)
        self.frontend = Frontend(*fields[:-1])
        problem = "reserved" if fields[-1] else frontend_problem(self.frontend)
        if problem:
            raise FormatError("FRONTEND at byte %d: field %s is out of range" % (offset, problem))

    def _read_layers(self):
        offset, data = self._section("LAYERS", fmt.LAYER_BYTES, fmt.LAYER_BYTES * fmt.MAX_LAYERS)
        if len(data) % fmt.LAYER_BYTES:
            raise FormatError("LAYERS at byte %d: %d bytes is not a multiple of %d" % (offset, len(data), fmt.LAYER_BYTES))
        self.layers = []  # type: list
        rows, cols, channels = self.frontend.frames, self.frontend.bands, 1
        at = 0
        for i in range(len(data) // fmt.LAYER_BYTES):
            try:
                layer = Layer(struct.unpack_from(fmt.LAYER, data, i * fmt.LAYER_BYTES), rows, cols)
            except UnicodeError:
                raise FormatError("layer %d at byte %d: name is not UTF-8" % (i, offset + i * fmt.LAYER_BYTES))
            if layer.kind == fmt.DENSE and (not self.layers or self.layers[-1].kind == fmt.CONV):
                rows, cols, channels = 1, 1, rows * cols * channels
                layer.rows, layer.cols = 1, 1
            problem = self._layer_problem(layer, channels, at)
            if problem:
                raise FormatError("layer %d at byte %d: %s" % (i, offset + i * fmt.LAYER_BYTES, problem))
            rows, cols, channels = layer.out_rows, layer.out_cols, layer.outputs
            at += layer.length
            self.layers.append(layer)
        if self.layers[0].kind != fmt.CONV:
            raise FormatError("LAYERS at byte %d: the first layer is not a convolution" % offset)
        if at != self.sections["WEIGHTS"][1]:
            raise FormatError("LAYERS at byte %d: layers have %d bytes of chunks, WEIGHTS has %d"
                              % (offset, at, self.sections["WEIGHTS"][1]))  # fmt: skip

    def _layer_problem(self, layer, channels, at):
        if layer.kind not in (fmt.CONV, fmt.DENSE):
            return "unknown layer kind %d" % layer.kind
        if layer.kind == fmt.CONV and self.layers and self.layers[-1].kind == fmt.DENSE:
            return "a convolution after a dense layer"
        if layer.activation > (fmt.RELU if layer.kind == fmt.CONV else fmt.SIGMOID):
            return "unknown activation %d" % layer.activation
        if layer.code > fmt.BITMAP or layer.encoding > fmt.PALETTE + fmt.BITMAP:
            return "unknown encoding %d" % layer.encoding
        if layer.reserved or layer.reserved2:
            return "reserved bytes are not zero"
        if "\0" in layer.name:
            return "name has a zero byte inside"
        if layer.inputs != channels:
            return "inputs is %d, the layer before has %d outputs" % (layer.inputs, channels)
        if not 1 <= layer.outputs <= fmt.MAX_OUTPUTS:
            return "outputs is %d" % layer.outputs
        if not (1 <= layer.pool_rows <= layer.rows and 1 <= layer.pool_cols <= layer.cols):
            return "pool of %d x %d on %d x %d" % (layer.pool_rows, layer.pool_cols, layer.rows, layer.cols)
        if layer.offset != at or not 1 <= layer.chunks - layer.palette <= min(layer.outputs, layer.length // fmt.CHUNK_BYTES):
            return "offset %d or chunks %d out of range" % (layer.offset, layer.chunks)
        if layer.nonzeros > layer.outputs * layer.taps:
            return "nonzeros is %d of %d weights" % (layer.nonzeros, layer.outputs * layer.taps)
        return None

    def _read_labels(self):
        offset, data = self._section("LABELS", 2, fmt.MAX_TEXT)
        count = struct.unpack_from("<H", data, 0)[0]
        last = self.layers[-1]
        if count and (count > fmt.MAX_LABELS or last.kind != fmt.DENSE or count != last.outputs):
            raise FormatError("LABELS at byte %d: %d labels for %d outputs" % (offset, count, last.outputs))
        self.labels, self.thresholds = [], array("f")
        at = 2
        for i in range(count):
            if at + fmt.LABEL_BYTES > len(data):
                raise FormatError("LABELS at byte %d: label %d is cut off" % (offset, i))
            threshold, size = struct.unpack_from(fmt.LABEL, data, at)
            if not fmt.finite(threshold):
                raise FormatError("LABELS at byte %d: threshold %d is not finite" % (offset + at, i))
            at += fmt.LABEL_BYTES
            try:
                self.labels.append(str(data[at : at + size], "utf-8"))
            except UnicodeError:
                raise FormatError("LABELS at byte %d: label %d is not UTF-8" % (offset + at, i))
            self.thresholds.append(threshold)
            at += size
        if at != len(data):
            raise FormatError("LABELS at byte %d: %d bytes, its labels take %d" % (offset, len(data), at))

    def _check_selftest(self):
        offset, size = self.sections["SELFTEST"]
        if size < fmt.SELFTEST_BYTES:
            raise FormatError("SELFTEST at byte %d: %d bytes" % (offset, size))
        kind, reserved, count, seed = struct.unpack(fmt.SELFTEST, self._read(offset, fmt.SELFTEST_BYTES, "SELFTEST"))
        if kind != fmt.SELFTEST_NOISE or reserved or not 1 <= seed <= 65535:
            raise FormatError("SELFTEST at byte %d: kind %d, reserved %d, seed %d" % (offset, kind, reserved, seed))
        if count != self.layers[-1].out_size or size != fmt.SELFTEST_BYTES + 4 * count:
            raise FormatError("SELFTEST at byte %d: %d outputs, the network has %d" % (offset, count, self.layers[-1].out_size))
        self.seed = seed

    def _walk_chunks(self):
        """Check every chunk but its weights, and note what streaming needs: later a chunk is read whole and only its CRC checked.

        Finds the largest payload, the fullest chunk and filter, which size the kernels' buffers.
        """
        n = sum([layer.chunks for layer in self.layers])
        self.parts = array("H", bytes(8 * n))  # for each chunk: bytes of payload, filters, bytes of positions, values
        self.crcs = array("I", bytes(4 * n))
        self.palette = self.chunk_values = self.max_values = n = 0  # palettes are stored behind the largest payload
        for layer in self.layers:
            layer.first_chunk = n
            self._walk_layer(layer)
            n += layer.chunks
        self.chunk_bytes = self.palette + (fmt.PALETTE_BYTES if any([layer.palette for layer in self.layers]) else 0)

    def _walk_layer(self, layer):
        at = self.sections["WEIGHTS"][0] + layer.offset
        end = at + layer.length
        chunk = Chunk(layer)
        for i in range(layer.first_chunk, layer.first_chunk + layer.chunks):
            if layer.palette and i == layer.first_chunk:
                at, self.crcs[i] = self._palette_header(at, end, layer)
                continue
            n, n_positions, payload, self.crcs[i] = self._chunk_header(at, end, layer)
            chunk.at = at = at + fmt.CHUNK_BYTES
            n_values = self._count_values(chunk, n)
            chunk.locate(n, n_positions, n_values)
            self._check_payload(chunk, payload)
            for j, number in enumerate((payload, n, n_positions, n_values)):
                self.parts[4 * i + j] = number
            self.palette, self.chunk_values = max(self.palette, payload), max(self.chunk_values, n_values)
            chunk.first += n
            at += payload
        if at != end or chunk.first != layer.outputs:
            raise FormatError("layer %s: chunks hold %d of %d filters and end at byte %d, not %d"
                              % (layer.name, chunk.first, layer.outputs, at, end))  # fmt: skip

    def _count_values(self, chunk, n):
        """Return the number of weights of the chunk's n filters together."""
        taps = chunk.layer.taps
        if not chunk.layer.code:
            self.max_values = max(self.max_values, taps)
            return n * taps
        counts = array("H", self._read(chunk.at + 4 * n, 2 * n, "counts"))
        for f in range(n):
            if counts[f] > taps:
                raise chunk.error("filter %d has %d values of %d" % (chunk.first + f, counts[f], taps))
        self.max_values = max(self.max_values, max(counts))
        return sum(counts)

    def _check_payload(self, chunk, payload):
        """Check that the chunk's parts make up its payload, and that its padding is zero."""
        end = chunk.positions + chunk.n_position_bytes
        if align(end) != payload:
            raise FormatError("chunk of layer %s at byte %d: payload is %d bytes, its parts need %d"
                              % (chunk.layer.name, chunk.at, payload, align(end)))  # fmt: skip
        padding = self._read(chunk.at + end, payload - end, "padding")
        for i in range(payload - end):
            if padding[i]:
                raise chunk.error("padding at its byte %d is not zero" % (end + i))

    def _header(self, at, end, layer):
        if at + fmt.CHUNK_BYTES > end:
            raise FormatError("layer %s: chunk header at byte %d is outside the layer" % (layer.name, at))
        return struct.unpack(fmt.CHUNK, self._read(at, fmt.CHUNK_BYTES, "chunk header"))

    def _chunk_header(self, at, end, layer):
        """Return (filters, bytes of positions, bytes of payload, crc32), checked against the layer."""
        header = self._header(at, end, layer)
        n, n_positions, payload, _crc = header
        if not n or payload & 3 or payload > fmt.CHUNK_LIMIT or at + fmt.CHUNK_BYTES + payload > end:
            raise FormatError("layer %s, chunk at byte %d: %d filters, payload of %d bytes" % (layer.name, at, n, payload))
        code = layer.code
        if code:
            fits = 6 * n + n_positions <= payload and (code != fmt.BITMAP or n_positions == n * ((layer.taps + 7) // 8))
        else:
            fits = n_positions == 0 and align(n * (4 + layer.value_bytes * layer.taps)) == payload
        if not fits:
            raise FormatError("layer %s, chunk at byte %d: payload of %d bytes, %d of them positions, does not fit %d filters"
                              % (layer.name, at, payload, n_positions, n))  # fmt: skip
        return header

    def _palette_header(self, at, end, layer):
        """Return (byte after the palette's chunk, crc32)."""
        n, n_positions, payload, crc = self._header(at, end, layer)
        after = at + fmt.CHUNK_BYTES + payload
        if n or n_positions or payload != fmt.PALETTE_BYTES or after > end:
            raise FormatError("layer %s, chunk at byte %d: no palette, but %d filters, payload of %d bytes"
                              % (layer.name, at, n, payload))  # fmt: skip
        return after, crc


def frontend_problem(fe):
    """Return the name of the first field of a Frontend that is out of range, or None."""
    n = fe.n_fft
    checks = (
        ("sample_rate", 1000 <= fe.sample_rate <= 192000),
        ("window", 1 <= fe.window <= fmt.MAX_WINDOW),
        ("hop", 1 <= fe.hop <= fmt.MAX_WINDOW),
        ("n_fft", 64 <= n <= 4096 and n & (n - 1) == 0),
        ("hop_length", 1 <= fe.hop_length <= fe.window),
        ("scale", fe.scale in (fmt.SCALE_LINEAR, fmt.SCALE_MEL)),
        ("padding", fe.padding in (fmt.PADDING_VALID, fmt.PADDING_SAME)),
        ("window", fe.padding == fmt.PADDING_SAME or fe.window >= n),
    )
    for name, ok in checks:
        if not ok:
            return name
    for name in fe.FIELDS[8:]:
        if not fmt.finite(getattr(fe, name)):
            return name
    checks = (
        ("hop_length", fe.frames <= fmt.MAX_FRAMES),
        ("bands", 1 <= fe.bands <= n // 2 if fe.scale else fe.bands == n // 2 + 1),
        ("fmin", fe.fmin >= 0),
        ("fmax", fe.fmin + (fe.bands if fe.scale else 0) < fe.fmax <= fe.sample_rate / 2),
        ("floor", fe.floor >= fmt.MIN_FLOOR),
        ("dynamic_range", fe.dynamic_range > 0),
    )
    for name, ok in checks:
        if not ok:
            return name
    return None
