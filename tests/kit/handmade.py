"""Two files written by hand, byte by byte from FORMAT.md, the graphs that they hold, and what a reader decodes."""

import numpy as np

from l3host.graph.network import Conv, Dense, Graph
from l3mote import format as fmt
from l3mote.verify import filters


def by_hand(*lines):
    return bytes.fromhex(" ".join(lines))


# One convolution, dense float16, 96 samples at 8 kHz as 2 frames of 4 mel bands, two filters, a pool over the whole plane.
DENSE = by_hand(
    # header, at 0
    "89 4C 33 4D",  # magic
    "01 00  06 00",  # version 1, 6 sections
    "14 01 00 00",  # length 276
    "41 25 54 32",  # crc32 0x32542541
    # section table, at 16: kind, reserved, offset, length
    "01 00 00 00  58 00 00 00  30 00 00 00",  # FRONTEND at 88, 48 bytes
    "02 00 00 00  88 00 00 00  30 00 00 00",  # LAYERS at 136, 48 bytes
    "03 00 00 00  B8 00 00 00  02 00 00 00",  # LABELS at 184, 2 bytes and 2 of padding
    "04 00 00 00  BC 00 00 00  10 00 00 00",  # SELFTEST at 188, 16 bytes
    "05 00 00 00  CC 00 00 00  10 00 00 00",  # PROVENANCE at 204, 16 bytes
    "06 00 00 00  DC 00 00 00  38 00 00 00",  # WEIGHTS at 220, 56 bytes
    # FRONTEND, at 88
    "40 1F 00 00",  # sample_rate 8000
    "60 00 00 00",  # window 96
    "30 00 00 00",  # hop 48
    "40 00  20 00  04 00",  # n_fft 64, hop_length 32, bands 4
    "01 00",  # mel, valid
    "00 00 FA 42  00 00 7A 45",  # fmin 125, fmax 4000
    "00 00 80 35  00 00 80 41",  # floor 2^-20, dynamic_range 16
    "00 00 00 3E  00 00 00 40",  # norm_scale 0.125, norm_shift 2
    "00 00 00 00",
    # LAYERS, at 136
    "63 31 00 00 00 00 00 00 00 00 00 00 00 00 00 00",  # c1
    "01 01 00 00",  # conv3x3, ReLU, dense float16
    "01 00  02 00",  # 1 input, 2 outputs
    "02 00  04 00",  # pool over 2 rows and 4 columns
    "01 00 00 00",  # 1 chunk
    "00 00 00 00  38 00 00 00",  # at 0, 56 bytes
    "0A 00 00 00",  # 10 non-zeros
    "00 00 00 00",
    # LABELS, at 184
    "00 00  00 00",  # none; padding
    # SELFTEST, at 188
    "01 00  02 00  39 30 00 00",  # kind 1, 2 outputs, seed 12345
    "00 00 A0 3F  00 00 00 00",  # 1.25 (0.25 + 0.5 x the plane's maximum, norm_shift), 0 (ReLU)
    # PROVENANCE, at 204
    "7B 22 74 6F 6F 6C 22 3A 20 22 68 61 6E 64 22 7D",  # {"tool": "hand"}
    # WEIGHTS, at 220: one chunk
    "02 00  00 00  2C 00 00 00  1C DF 10 41",  # 2 filters, no positions, 44 bytes, crc32 0x4110df1c
    "00 00 80 3E  00 00 C0 BF",  # biases 0.25, -1.5
    "00 00 00 00 00 00  00 00 00 38 00 00  00 00 00 00 00 00",  # 0.5 in the centre
    "00 B0 00 B4 00 B6  00 B8 00 B9 00 BA  00 BB 00 BC 80 BC",  # -1/8, -2/8 ... -9/8; a row (time) after the other
)
# A convolution of one empty filter, and a dense layer of 264 inputs: both sparse.
SPARSE = by_hand(
    # header, at 0
    "89 4C 33 4D  01 00  06 00  74 01 00 00  B8 EF E9 62",  # length 372, crc32 0x62e9efb8
    # section table, at 16
    "01 00 00 00  58 00 00 00  30 00 00 00",  # FRONTEND at 88, 48 bytes
    "02 00 00 00  88 00 00 00  60 00 00 00",  # LAYERS at 136, 96 bytes
    "03 00 00 00  E8 00 00 00  1B 00 00 00",  # LABELS at 232, 27 bytes and 1 of padding
    "04 00 00 00  04 01 00 00  18 00 00 00",  # SELFTEST at 260, 24 bytes
    "05 00 00 00  1C 01 00 00  10 00 00 00",  # PROVENANCE at 284, 16 bytes
    "06 00 00 00  2C 01 00 00  48 00 00 00",  # WEIGHTS at 300, 72 bytes
    # FRONTEND, at 88
    "80 3E 00 00  20 01 00 00  A0 00 00 00",  # sample_rate 16000, window 288, hop 160
    "40 00  20 00  21 00  00 00",  # n_fft 64, hop_length 32, 33 bands, linear, valid: 8 frames
    "00 00 00 00  00 00 FA 45",  # fmin 0, fmax 8000
    "00 00 80 35  00 00 A0 42",  # floor 2^-20, dynamic_range 80
    "00 00 80 3F  00 00 00 00  00 00 00 00",  # norm_scale 1, norm_shift 0
    # LAYERS, at 136
    "63 31 00 00 00 00 00 00 00 00 00 00 00 00 00 00",  # c1
    "01 00 01 00  01 00  01 00  01 00  01 00",  # conv3x3, no activation, sparse; 1 input, 1 output, no pool
    "01 00 00 00  00 00 00 00  14 00 00 00  00 00 00 00  00 00 00 00",  # 1 chunk at 0 of 20 bytes, no non-zero
    "68 65 61 64 00 00 00 00 00 00 00 00 00 00 00 00",  # head
    "02 00 01 00  08 01  04 00  01 00  01 00",  # dense, no activation, sparse; 264 inputs, 4 outputs
    "01 00 00 00  14 00 00 00  34 00 00 00  04 00 00 00  00 00 00 00",  # 1 chunk at 20 of 52 bytes, 4 non-zeros
    # LABELS, at 232
    "04 00",
    "00 00 00 3F  01  61",  # 0.5 a
    "00 00 80 3E  02  C3 A9",  # 0.25 é
    "00 00 80 3F  01  62",  # 1 b
    "00 00 00 00  01  63",  # 0 c
    "00",  # padding
    # SELFTEST, at 260
    "01 00  04 00  39 30 00 00",  # kind 1, 4 outputs, seed 12345
    "00 00 80 BF  00 00 40 C0  00 00 40 3F  00 F8 3F 45",  # -1, -3, 0.75, 3071.5: bias + 1.5 x the sum of the weights
    # PROVENANCE, at 284
    "7B 22 74 6F 6F 6C 22 3A 20 22 68 61 6E 64 22 7D",
    # WEIGHTS, at 300: the convolution's chunk
    "01 00  00 00  08 00 00 00  8A EE BB 57",  # 1 filter, no positions, 8 bytes, crc32 0x57bbee8a
    "00 00 C0 3F  00 00  00 00",  # bias 1.5, no values, padding
    # the dense layer's chunk
    "04 00  06 00  28 00 00 00  B1 3B 3A B6",  # 4 filters, 6 bytes of positions, 40 bytes, crc32 0xb63a3bb1
    "00 00 00 3F  00 00 40 C0  00 00 00 00  00 00 80 3F",  # biases 0.5, -3, 0, 1
    "02 00  00 00  01 00  01 00",  # 2 values, none, 1, 1
    "00 3C  00 C0  00 38  FF 67",  # 1, -2; 0.5; 2047
    "00  FF 07  FF 00  FE",  # positions 0, 263 (0 + 255 + 8); 255 (-1 + 255 + 1); 254
    "00 00",  # padding
)


def dense_graph():
    kernel = np.zeros((3, 3, 1, 2))  # over (band, frame)
    kernel[1, 1, 0, 0] = 0.5
    kernel[:, :, 0, 1] = -(np.arange(9) + 1).reshape(3, 3).T / 8
    front = fmt.Frontend(8000, 96, 48, 64, 32, 4, fmt.SCALE_MEL, fmt.PADDING_VALID, 125.0, 4000.0, 2.0**-20, 16.0, 0.125, 2.0)
    return Graph(front, [Conv("c1", kernel, np.array([0.25, -1.5]), "relu", (4, 2))], [], [], {"tool": "hand"})


def sparse_graph():
    weights = np.zeros((264, 4))
    weights[0, 0], weights[263, 0], weights[255, 2], weights[254, 3] = 1, -2, 0.5, 2047
    front = fmt.Frontend(16000, 288, 160, 64, 32, 33, fmt.SCALE_LINEAR, fmt.PADDING_VALID, 0.0, 8000.0, 2.0**-20, 80.0, 1.0, 0.0)
    layers = [
        Conv("c1", np.zeros((3, 3, 1, 1)), np.array([1.5]), "none"),
        Dense("head", weights, np.array([0.5, -3.0, 0.0, 1.0])),
    ]
    return Graph(front, layers, ["a", "é", "b", "c"], [0.5, 0.25, 1.0, 0.0], {"tool": "hand"})


def decoded(reader, layer):
    """[(bias, {position: value})] of each filter, in order."""
    result = list(filters(reader, layer, bytearray(reader.chunk_bytes)))
    assert [f for f, *_ in result] == list(range(layer.outputs))
    return [(bias, dict(zip(positions, values, strict=True))) for _, bias, positions, values in result]
