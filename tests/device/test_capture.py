"""Samples on their way from a source to the ring: literals by hand, and the forms of the filters against their specification."""

import io
import struct
from array import array

from helpers import raises

from l3mote import KernelError
from l3mote.filters import lowpass, weighting
from l3mote.kernels import capture
from l3mote.kernels.forms import FORMS, choose
from l3mote.limits import BLOCK, decimation, kept_rate
from l3mote.mic import Callback, SoundError, open_source
from l3mote.model import test_signal as fill_signal
from l3mote.ring import Meter, Ring
from l3mote.wav import Wav

EXACT = ("native", "viper", "python")


def forms():
    """(name, module) of the forms that load here."""
    result = []
    for name in FORMS:
        try:
            result.append(choose(name))
        except KernelError as e:
            assert "python" in str(e)
    assert "python" in [name for name, _ in result]
    return result


def noise(n, seed, shift=0):
    x = array("h", bytes(2 * n))
    fill_signal(x, seed)
    for i in range(n):
        x[i] >>= shift
    return x


def test_taking_a_channel():
    raw = array("h", [1, -2, 3, -4, 32767, -32768, 7, 8])
    for name, form in forms():
        out = array("h", [99] * 4)
        form.take(raw, out, array("i", [1, 2, 4, 0]))
        assert list(out) == [-2, -4, -32768, 8], name
        form.take(raw, out, array("i", [0, 4, 2, 1]))  # unsigned: 1 and 32767 are near the least
        assert list(out) == [1 - 32768, -1, -32768, 8], name


def test_decimation_by_hand():
    # a filter of four: (1, 3, 3, 1) / 8 at every second sample; 8 goes 8 + 24 + 0 + 0 -> 4
    taps = array("h", [4096, 12288, 12288, 4096])
    x = array("h", [8, 8, 0, 0, 80, 0, -32768, -32768, 5])
    for name, form in forms():
        ring = array("h", [7] * 4)
        made = form.decimate(x, taps, ring, array("i", [8, 2, 3]))
        # places 3, 0, 1: (8 + 24) / 8 = 4, (0 + 0 + 240 + 0) / 8 = 30, (80 + 0 - 3 * 32768 - 32768) / 8 = -16374
        assert made == 3 and list(ring) == [30, -16374, 7, 4], (name, made, ring)
        assert form.decimate(x, taps, ring, array("i", [3, 2, 0])) == 0


def test_decimation_saturates():
    taps = lowpass(2)
    x = array("h", [32767 if t >= 0 else -32768 for t in taps])
    for name, form in forms():
        ring = array("h", [0] * 8)
        assert form.decimate(x, taps, ring, array("i", [len(x), 2, 0])) == 1 and ring[0] == 32767, name
        down = array("h", [-1 - v for v in x])
        form.decimate(down, taps, ring, array("i", [len(x), 2, 0]))
        assert ring[0] == -32768, name


def test_forms_decimate_alike():
    for factor in (2, 3, 6):
        taps, x = lowpass(factor), noise(700, factor)
        wanted = array("h", bytes(800))
        made = capture.decimate(x, taps, wanted, array("i", [699, factor, 390]))
        for name, form in forms():
            ring = array("h", bytes(800))
            assert form.decimate(x, taps, ring, array("i", [699, factor, 390])) == made
            off = max([abs(a - b) for a, b in zip(ring, wanted)])
            assert off <= (0 if name in EXACT else 1), (name, off)


def near(a, b):
    """As near as sums of 32-bit floats come."""
    return abs(a - b) <= b >> 16


def test_forms_measure_alike():
    for rate in (8000, 16000, 48000):
        coefficients = weighting(rate)
        for name, form in forms():
            state, wanted = form.state(coefficients), capture.state(coefficients)
            for shift in (0, 5, 15):
                x, p = noise(300, rate // 100, shift), array("i", [3, 290])
                form.measure(x, state, p)
                capture.measure(x, wanted, p)
                a, b = [int(v) for v in form.measured(state)], list(wanted[17:])
                if name in EXACT:
                    assert a == b, (name, rate, shift, a, b)
                else:
                    assert near((a[0] << 16) + a[1], (b[0] << 16) + b[1])
                    exact = (b[2] << 16) + b[3]
                    assert abs((a[2] << 16) + a[3] - exact) < 0.02 * exact + 300, (rate, shift, a, b)  # rounding


def test_measuring_by_hand():
    for name, form in forms():
        state = form.state(weighting(16000))
        form.measure(array("h", [5, 3, -4, 32767, -32768, 0]), state, array("i", [1, 3]))
        assert [int(v) for v in form.measured(state)][:2] == [0, 25], name
        form.measure(array("h", [5, 3, -4, 32767, -32768, 0]), state, array("i", [3, 6]))
        result = [int(v) for v in form.measured(state)]
        total, exact = (result[0] << 16) + result[1], 32767 * 32767 + 32768 * 32768
        assert total == exact if name in EXACT else near(total, exact), (name, result)


def test_removing_an_offset_by_hand():
    # means: 100; 102, half way to 104; 99, half way to 96; 99.25, a quarter of the way to 100; 101.4375, a quarter of that to 108
    for name, form in forms():
        x, memory = array("h", [7, 100, 104, 96, 100, 108, 7]), array("i", [2] + [0] * 6)
        form.remove_offset(x, memory, array("i", [1, 6]))
        assert list(x) == [7, 0, 2, -3, 1, 7, 7], (name, x)
        assert list(memory) == [2, 830976, 4, 2, 96, 108, 0], (name, memory)  # 8192 * 101.4375


def test_what_is_left_without_an_offset_is_limited():
    for name, form in forms():
        for sign in (1, -1):
            x, memory = array("h", [-32768 * sign - (sign < 0), 1]), array("i", [8, 8192 * 3000 * sign, 256, 8, 0, 0, 0])
            form.remove_offset(x, memory, array("i", [0, 2]))
            assert x[0] == (-32768 if sign > 0 else 32767), (name, x)
            assert memory[6] == 1 and memory[4 if sign > 0 else 5] == (-32768 if sign > 0 else 32767), (name, memory)


def test_the_corner_of_the_offset_is_below_six_hertz_at_every_rate():
    for rate in (4000, 8000, 11025, 15625, 16000, 44100, 48000, 96000):
        assert 2.5 < rate / (6.2832 * (1 << capture.offset_memory(rate)[0])) < 5.2, rate


def without_offset(form, rate, portions, constant=0, shift=2):
    """Noise and a constant through remove_offset, in portions."""
    x, memory, at, p = noise(3000, 7, shift), form.offset_memory(rate), 0, array("i", [0, 0])
    for i in range(len(x)):
        x[i] += constant
    while at < len(x):
        for n in portions:
            p[0], p[1] = at, min(at + n, len(x))
            if p[0] < p[1]:
                form.remove_offset(x, memory, p)
            at = p[1]
    return x


def test_forms_remove_an_offset_alike():
    for rate in (8000, 16000):
        wanted = without_offset(capture, rate, [3000], 2000)
        for name, form in forms():
            x = without_offset(form, rate, [512, 1, 300, 7], 2000)
            off = max([abs(a - b) for a, b in zip(x, wanted)])
            assert off <= (0 if name in EXACT else 1), (name, rate, off)


def test_a_constant_changes_no_bit_from_the_first_sample_on():
    for name, form in forms():
        if name in EXACT:
            wanted = list(without_offset(form, 8000, [512]))
            for constant in (1, 98, -3277, 3277):
                assert list(without_offset(form, 8000, [512], constant)) == wanted, (name, constant)


def test_silence_behind_a_sound_is_silence_again():
    for name, form in forms():
        x, memory = array("h", [9000] * 1000 + [-9000] * 500 + [0] * 6000), form.offset_memory(8000)
        for at in range(0, len(x), 500):
            form.remove_offset(x, memory, array("i", [at, at + 500]))
        if name in EXACT:
            assert list(x[-1000:]) == [0] * 1000, name
        else:
            assert max([abs(v) for v in x[-1000:]]) <= 1


def at_hand(sound):
    """A source that has these samples at hand, and then none yet."""
    at = [0]

    def readinto(x):
        k = min(len(x), len(sound) - at[0])
        for i in range(k):
            x[i] = sound[at[0] + i]
        at[0] += k
        return k

    return Callback(readinto, 8000)


def test_ring_keeps_the_last_samples():
    sound = noise(5000, 11, 1)
    ring = Ring(at_hand(sound), 8000, array("h", bytes(2 * 2048)), kernel="python")
    assert ring.service() and ring.total == 512
    while ring.service():
        pass
    assert ring.total == 5000 and 5000 - 2048 <= ring.first <= 5000 - 2048 + BLOCK + 2
    capture.remove_offset(sound, capture.offset_memory(8000), array("i", [0, 5000]))
    assert list(ring.buffer[: 5000 - ring.first]) == list(sound[ring.first :])


def test_ring_keeps_what_is_needed_and_makes_a_file_wait():
    sound = noise(5000, 11, 1)
    source = at_hand(sound)
    source.live = False
    centred = array("h", sound)
    capture.remove_offset(centred, capture.offset_memory(8000), array("i", [0, 5000]))
    centred = list(centred)
    ring = Ring(source, 8000, array("h", bytes(2 * 2048)), kernel="python")
    while ring.service():
        pass
    assert (ring.first, ring.total) == (0, 1536)  # another block might not find room
    ring.needed = 500
    assert ring.service() and (ring.first, ring.total) == (500, 2048) and list(ring.buffer[:1548]) == centred[500:2048]
    ring.needed = 9999
    assert ring.service() and ring.total == 2560
    while ring.service():
        pass
    assert ring.total == 5000 and list(ring.buffer[: 5000 - ring.first]) == centred[ring.first :]


def test_ring_decimates_whatever_the_portions():
    def source(portions):
        at, left = [0], [len(sound)]

        def readinto(x):
            n = min(len(x), portions[at[0] % len(portions)], left[0])
            for i in range(n):
                x[i] = sound[len(sound) - left[0] + i]
            at[0], left[0] = at[0] + 1, left[0] - n
            return n or -1

        return Callback(readinto, 24000)

    sound, answers = noise(3001, 99), []
    for portions in ((512,), (1, 2, 300, 7), (3,)):
        ring = Ring(source(portions), 8000, array("h", bytes(2 * 2048)), kernel="python")
        while not ring.ended:
            ring.service()
        assert ring.total == 1001  # the last sample is number 3000
        answers.append(list(ring.buffer))
    assert answers[0] == answers[1] == answers[2]
    # in the middle the filter sees what the specification sees
    wanted = array("h", bytes(2 * 2048))
    capture.remove_offset(sound, capture.offset_memory(24000), array("i", [0, 3001]))
    capture.decimate(sound, lowpass(3), wanted, array("i", [3001, 3, 20]))
    assert list(wanted)[20:900] == answers[0][20:900]


def test_rates_near_a_multiple_are_taken_and_others_refused():
    for rate, factor in ((8000, 1), (48000, 6), (15625, 2), (7760, 1), (8240, 1), (46560, 6), (98880, 12)):
        assert decimation(rate, 8000) == factor, rate
    assert kept_rate(16000, 8000) == 8000 and kept_rate(15625, 8000) == 7813 and kept_rate(48001, 8000) == 8000
    for rate in (4000, 7759, 8241, 12000, 44100, 98881, 8000 * 13, 1, 0):
        message = raises(SoundError, decimation, rate, 8000)
        assert "%d Hz" % rate in message and "8000, 16000, 24000" in message
    raises(SoundError, Ring, at_hand([1]), 8000, array("h", bytes(2 * BLOCK)))  # half of what it needs


def test_levels_of_slots():
    def add(x):
        meter.add(array("h", x), 0, 400)

    meter = Meter(choose("python")[1], 8000, 800, 2)
    loud, still = [16384, -16384] * 200, [0] * 400
    for x in (loud, loud, still, still, loud):
        add(x)
    assert meter.slots == 2 and meter.filled == 400
    plain, weighted = meter.level(0, 1)
    assert abs(plain - -3.0103) < 0.06  # half of full scale squared, and a sine has half of its square
    assert abs(weighted - -2.05) < 0.2  # IEC 61672-1: 4 kHz weighs 1.0 dB more than 1 kHz
    plain, weighted = meter.level(1, 2)
    assert plain < -60
    assert abs(meter.level(0, 2)[0] - -6.0206) < 0.06
    add(loud)
    assert meter.level(0, 1) == (-120, -120)  # forgotten


def test_levels_do_not_know_of_an_offset():
    levels = []
    for constant in (0, 3277, -3277):
        meter = Meter(choose()[1], 8000, 800, 2)
        x = noise(1600, 3, 4)
        for i in range(1600):
            x[i] += constant
        for at in range(0, 1600, 400):
            meter.add(x, at, at + 400)
        levels.append((meter.level(0, 1), meter.level(1, 2)))
    for other in levels[1:]:
        for a, b in zip(levels[0], other):
            assert abs(a[0] - b[0]) < 0.1 and abs(a[1] - b[1]) < 0.1, levels
    meter = Meter(choose()[1], 8000, 800, 1)
    meter.add(array("h", [3277] * 800), 0, 800)
    assert meter.level(0, 1) == (-120, -120) and meter.unmoved[0] == 800


def test_still_and_clipped_samples_are_counted():
    meter = Meter(choose()[1], 8000, 100, 4)
    meter.add(array("h", [-1] * 30 + [5] * 30), 0, 30)
    assert meter.still == 30
    meter.add(array("h", [-1] * 25), 0, 25)
    assert meter.still == 55
    meter.add(array("h", [5] * 25), 0, 25)
    assert meter.still == 25
    meter.add(array("h", [32767, 5, -32768] * 10), 0, 20)
    assert meter.still == 0 and meter.slots == 1 and meter.clipped[0] == 13


def wav(chunks, riff=b"RIFF", wave=b"WAVE"):
    body = b"".join([name + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for name, data in chunks])
    return io.BytesIO(riff + struct.pack("<I", 4 + len(body)) + wave + body)


def form(code=1, channels=1, rate=8000, bits=16, extra=b""):
    return b"fmt ", struct.pack("<HHIIHH", code, channels, rate, rate * channels * 2, channels * 2, bits) + extra


def samples(*values):
    return b"data", struct.pack("<%dh" % len(values), *values)


def rate_and_samples(file, n=4):
    source, x, all_of_it = Wav(file), array("h", bytes(2 * n)), []
    while True:
        got = source.readinto(x)
        if got < 0:
            return source.rate, all_of_it
        all_of_it += list(x[:got])


def test_wav_files():
    assert rate_and_samples(wav([form(), samples(1, -2, 3, -4, 5)])) == (8000, [1, -2, 3, -4, 5])
    assert rate_and_samples(wav([form(channels=2, rate=44100), samples(10, 20, -3, -4, 32767, 32767)])) == (44100, [15, -4, 32767])
    extensible = struct.pack("<HHIH", 22, 16, 4, 1) + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    assert rate_and_samples(wav([(b"LIST", b"odd"), form(0xFFFE, extra=extensible), (b"fact", b"1234"), samples(7)])) == (8000, [7])
    assert rate_and_samples(wav([form(), samples()])) == (8000, [])
    assert rate_and_samples(wav([form(), samples(), (b"LIST", b"odd")])) == (8000, [])
    cut = wav([form(), samples(1, 2, 3, 4, 5)]).getvalue()[:-3]
    assert rate_and_samples(io.BytesIO(cut)) == (8000, [1, 2, 3])
    streamed = wav([form(), samples(1, 2)]).getvalue()
    at = streamed.find(b"data") + 4
    assert rate_and_samples(io.BytesIO(streamed[:at] + b"\xff\xff\xff\xff" + streamed[at + 4 :])) == (8000, [1, 2])
    for size in (36, 0, 0xFFFFFFFF):  # its writer lost power before it noted the data's length
        unfinished = streamed[:4] + struct.pack("<I", size) + streamed[8:at] + bytes(4) + streamed[at + 4 :]
        assert rate_and_samples(io.BytesIO(unfinished)) == (8000, [1, 2]), size


def test_what_is_not_a_wav_file_is_refused_in_a_line():
    for file, what in (
        (io.BytesIO(b""), "not a WAV file"),
        (wav([form(), samples(1)], riff=b"RIFX"), "not a WAV file"),
        (wav([form()]), "no data chunk"),
        (wav([samples(1), form()]), "before its format"),
        (wav([form(bits=24), samples(1)]), "24 bits"),
        (wav([form(code=3, bits=32), samples(1)]), "format 3, 32 bits"),
        (wav([form(channels=6), samples(1)]), "6 channels"),
        (wav([form(rate=0), samples(1)]), "0 Hz"),
        (wav([(b"fmt ", b"1234"), samples(1)]), "cut off"),
        (io.BytesIO(wav([form()]).getvalue()[:30]), "cut off"),
    ):
        message = raises(SoundError, Wav, file)
        assert what in message and "\n" not in message, message


def test_sources_by_their_settings():
    assert "sck, ws, sd" in raises(SoundError, open_source, {"mic": "i2s"})
    assert "mic.Callback" in raises(SoundError, open_source, {"mic": "callback"})
    assert "sck not set: mic=pdm needs sck, sd" in raises(SoundError, open_source, {"mic": "pdm", "sd": 3})
    raises(OSError, open_source, {"mic": "wav", "wav": "no such file.wav"})
    try:
        from machine import I2S
    except ImportError:
        I2S = None
    if not I2S:
        settings = {"mic": "i2s", "sck": 1, "ws": 2, "sd": 3}
        assert "this firmware has no i2s input" in raises(SoundError, open_source, settings)
