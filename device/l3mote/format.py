"""The .l3m file: every constant and struct of FORMAT.md, and the records it is made of. reader.py reads them.

Runs unchanged on MicroPython, CircuitPython and CPython.
"""

import struct

MAGIC = b"\x89L3M"
FORMAT_VERSION = 1
SECTIONS = ("FRONTEND", "LAYERS", "LABELS", "SELFTEST", "PROVENANCE", "WEIGHTS", "FIXED")
REQUIRED_SECTIONS = 6  # only a calibrated file has FIXED

HEADER = "<4sHHII"
SECTION = "<HHII"
FRONTEND = "<IIIHHHBBffffffI"
LAYER = "<16sBBBBHHHHIIIII"
LABEL = "<fB"
SELFTEST = "<BBHI"
CHUNK = "<HHII"
FIXED = "<bBBBiiiHhI"
FIXED_LAYER = "<bB"
HEADER_BYTES = 16
SECTION_BYTES = 12
FRONTEND_BYTES = 48
LAYER_BYTES = 48
LABEL_BYTES = 5
SELFTEST_BYTES = 8
CHUNK_BYTES = 12
FIXED_BYTES = 24
FIXED_LAYER_BYTES = 2
LOG2_ENTRIES = 65

SCALE_LINEAR, SCALE_MEL = 0, 1
PADDING_VALID, PADDING_SAME = 0, 1
CONV, DENSE = 1, 2
NONE, RELU, SOFTMAX, SIGMOID = 0, 1, 2, 3
ALL, BYTE_GAPS, NIBBLE_GAPS, BITMAP = 0, 1, 2, 3  # position codes: an encoding's low four bits
PALETTE = 16  # in an encoding: values are indices into 256 float16
SELFTEST_NOISE = 1

CHUNK_TARGET = 4096  # payload bytes the writer fills a chunk to
CHUNK_LIMIT = 16384  # payload bytes a reader accepts
PALETTE_BYTES = 512
SKIP = 255  # position byte: move on 255 places without a value
NIBBLE_SKIP = 15  # the same for half a byte

# Limits that a reader enforces, so that no count in a file can make it allocate without bound.
MAX_LAYERS = 32
MAX_OUTPUTS = 4096
MAX_WINDOW = 192000
MAX_FRAMES = 1024
MAX_TEXT = 65536
MAX_LABELS = 1024
NEVER = 2.0  # threshold of a silent label: no score reaches it
MIN_FLOOR = 1e-18  # its square must not be zero in a board's 32-bit floats


class FormatError(ValueError):
    """The file is not a valid .l3m file; the message names the field and the byte offset."""


def align(n):
    """Return n rounded up to a multiple of 4."""
    return (n + 3) & ~3


def log2(n):
    """Return the logarithm of a power of two."""
    bits = 0
    while n > 1:
        n >>= 1
        bits += 1
    return bits


def silent(label):
    """Is it a label that is learnt and never reported, as sounds that are none of the others?"""
    return label[:1] == "_"


def finite(x):
    """Return False for infinities and NaN."""
    return x - x == 0


class Frontend:
    """Parameters of the log-mel front-end; field names as in FORMAT.md."""

    FIELDS = (
        "sample_rate", "window", "hop", "n_fft", "hop_length", "bands", "scale", "padding",
        "fmin", "fmax", "floor", "dynamic_range", "norm_scale", "norm_shift",
    )  # fmt: skip

    def __init__(self, *values):
        (self.sample_rate, self.window, self.hop, self.n_fft, self.hop_length, self.bands, self.scale, self.padding,
         self.fmin, self.fmax, self.floor, self.dynamic_range, self.norm_scale, self.norm_shift) = values  # fmt: skip

    @property
    def frames(self):
        """Rows of the log-mel plane."""
        if self.padding == PADDING_SAME:
            return -(-self.window // self.hop_length)
        return 1 + (self.window - self.n_fft) // self.hop_length

    @property
    def pad_before(self):
        """Zero samples before the window's first sample."""
        if self.padding == PADDING_VALID:
            return 0
        return max(0, (self.frames - 1) * self.hop_length + self.n_fft - self.window) // 2


class Layer:
    """One record of LAYERS and the shapes that follow from its place in the network."""

    def __init__(self, record, rows, cols):
        (name, self.kind, self.activation, self.encoding, self.reserved, self.inputs, self.outputs,
         self.pool_rows, self.pool_cols, self.chunks, self.offset, self.length, self.nonzeros,
         self.reserved2) = record  # fmt: skip
        self.name = str(name.rstrip(b"\0"), "utf-8")
        self.rows = rows  # of the input plane, time
        self.cols = cols  # bands
        self.taps = self.inputs * 9 if self.kind == CONV else self.inputs
        self.code = self.encoding & 15  # of its positions
        self.palette = self.encoding >= PALETTE
        self.value_bytes = 1 if self.palette else 2

    @property
    def out_rows(self):
        return self.rows // self.pool_rows

    @property
    def out_cols(self):
        return self.cols // self.pool_cols

    @property
    def out_size(self):
        """Values in the output: out_rows x out_cols x outputs."""
        return self.out_rows * self.out_cols * self.outputs


class Chunk:
    """Byte offsets, in the buffer, of the parts of the chunk that it holds now."""

    def __init__(self, layer):
        self.layer = layer
        self.number = 0
        self.first = 0  # index of the first filter
        self.filters = 0
        self.biases = self.counts = self.values = self.positions = 0
        self.n_values = 0
        self.n_position_bytes = 0
        self.palette = 0  # offset of the layer's palette, if it has one
        self.at = 0  # file offset of the payload, for messages

    def locate(self, filters, n_position_bytes, n_values):
        """Set the offsets of a chunk with so many filters, bytes of positions and values."""
        self.filters, self.n_position_bytes, self.n_values = filters, n_position_bytes, n_values
        self.counts = self.values = 4 * filters
        if self.layer.code:
            self.values += 2 * filters
        self.positions = self.values + self.layer.value_bytes * n_values

    def count(self, buffer, f):
        """Return how many weights filter f of this chunk has in the file, never more than layer.taps."""
        if not self.layer.code:
            return self.layer.taps
        n = struct.unpack_from("<H", buffer, self.counts + 2 * f)[0]
        if n > self.layer.taps:
            raise self.error("filter %d has %d values of %d" % (self.first + f, n, self.layer.taps))
        return n

    def bias(self, buffer, f):
        value = struct.unpack_from("<f", buffer, self.biases + 4 * f)[0]
        if not finite(value):
            raise self.error("bias of filter %d is not finite" % (self.first + f))
        return value

    def bits(self, buffer, at):
        """Return the bits of the float16 value at byte `at`."""
        if self.layer.palette:
            at = self.palette + 2 * buffer[at]
        return buffer[at] | buffer[at + 1] << 8

    def error(self, what):
        return FormatError("layer %s, chunk at byte %d: %s" % (self.layer.name, self.at, what))


def half(bits):
    """Return the value of a float16 given as its bits. Raises ValueError for infinity, NaN and subnormals."""
    exponent = bits >> 10 & 31
    if exponent == 31 or (exponent == 0 and bits & 1023):
        raise ValueError("0x%04x" % bits)
    value = (1024 + (bits & 1023)) * 2.0 ** (exponent - 25) if exponent else 0.0
    return -value if bits & 0x8000 else value
