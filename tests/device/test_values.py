"""Small pieces against literals written by hand."""

from array import array

from helpers import raises

from l3mote.format import FormatError, Frontend, half
from l3mote.model import activate
from l3mote.model import test_signal as fill_signal


def test_half_literals():
    assert half(0x0000) == 0.0
    assert half(0x3C00) == 1.0
    assert half(0xC000) == -2.0
    assert half(0x3555) == 0.333251953125
    assert half(0x7BFF) == 65504.0
    assert half(0x0400) == 2.0**-14  # the literal 6.103515625e-05 is not read exactly where floats have 32 bits


def test_half_refuses_what_the_writer_never_writes():
    for bits in (0x7C00, 0xFC00, 0x7E00, 0x0001, 0x83FF):
        raises(ValueError, half, bits)


def test_signal_first_samples():
    # x = 12345 = 0x3039; x ^= x << 7: 0x3039 ^ 0x1C80 = 0x2CB9; x ^= x >> 9: ^ 0x0016 = 0x2CAF; x ^= x << 8: ^ 0xAF00 = 0x83AF
    pcm = array("h", [0] * 3)
    fill_signal(pcm, 12345)
    assert pcm[0] == 0x83AF - 0x8000
    # 0x83AF: ^ 0xD780 = 0x542F; ^ 0x002A = 0x5405; ^ 0x0500 = 0x5105
    assert pcm[1] == 0x5105 - 0x8000


def test_frames_and_padding():
    sea = Frontend(8000, 8000, 4000, 1024, 160, 64, 1, 1, 0.0, 4000.0, 1e-10, 80.0, 1.0, 0.0)
    assert sea.frames == 50 and sea.pad_before == 432
    linear = Frontend(48000, 48000, 24000, 512, 242, 257, 0, 0, 0.0, 24000.0, 1e-10, 80.0, 1.0, 0.0)
    assert linear.frames == 197 and linear.pad_before == 0


def test_softmax_and_sigmoid():
    y = array("f", [1.0, 1.0, 1.0, 1.0])
    activate(y, 2)
    assert list(y) == [0.25] * 4
    y = array("f", [0.0, 1000.0, -1000.0])
    activate(y, 3)
    assert list(y) == [0.5, 1.0, 0.0]


def test_format_error_is_a_value_error():
    assert issubclass(FormatError, ValueError)
