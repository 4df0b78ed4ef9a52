"""Filters and levels of the capture against scipy, the standard's table and the host's own NumPy; WAV files of a real library."""

import importlib
import json
import sys
import types
from array import array

import numpy as np
import pytest
import soundfile
from scipy import signal
from support import SCRIPTS, micropython, require

from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3host.package.library import copy_library
from l3host.reference import listening
from l3host.sound import hearing
from l3mote import filters, settings
from l3mote.kernels import capture
from l3mote.limits import MAX_FACTOR
from l3mote.mic import Callback, SoundError, open_source
from l3mote.ring import Meter, Ring
from l3mote.wav import Wav

# IEC 61672-1:2013, table 3: A-weighting in dB at the nominal third-octave frequencies, which stand for 1000 * 10^(k / 10)
TABLE = {
    20: -50.5, 25: -44.7, 31.5: -39.4, 40: -34.6, 50: -30.2, 63: -26.2, 80: -22.5, 100: -19.1, 125: -16.1, 160: -13.4, 200: -10.9,
    250: -8.6, 315: -6.6, 400: -4.8, 500: -3.2, 630: -1.9, 800: -0.8, 1000: 0.0, 1250: 0.6, 1600: 1.0, 2000: 1.2, 2500: 1.3,
    3150: 1.2, 4000: 1.0, 5000: 0.5, 6300: -0.1, 8000: -1.1, 10000: -2.5, 12500: -4.3, 16000: -6.6, 20000: -9.3,
}  # fmt: skip
RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000)


def exact(nominal):
    return 1000 * 10 ** (round(10 * np.log10(nominal / 1000)) / 10)


@pytest.mark.parametrize("factor", range(2, MAX_FACTOR + 1))
def test_low_pass_is_scipys(factor):
    taps = np.array(filters.lowpass(factor))
    ideal = signal.firwin(40 * factor, 1 / factor, window=("kaiser", 6.0)) * 32768
    assert np.abs(taps - ideal).max() <= 0.51
    frequencies, response = signal.freqz(taps / 32768, worN=1 << 15)
    gain = 20 * np.log10(np.maximum(np.abs(response), 1e-9))
    frequencies = frequencies / (2 * np.pi) * factor  # in units of the lower rate
    assert np.abs(gain[frequencies <= 0.45]).max() < 0.02
    assert gain[frequencies >= 0.55].max() < -60


@pytest.mark.parametrize("factor", range(2, MAX_FACTOR + 1))
def test_no_sum_of_the_low_pass_leaves_32_bits(factor):
    taps = np.abs(np.array(filters.lowpass(factor), np.int64))
    half = taps[: len(taps) // 2]
    assert 2 * 32768 * half[0::2].sum() < 2**31 and 2 * 32768 * half[1::2].sum() < 2**31
    assert list(taps) == list(taps[::-1]) and len(taps) % 4 == 0


def response(c, frequencies, rate):
    """Gain in dB of the sections that filters.weighting's coefficients describe."""
    z = np.exp(-2j * np.pi * np.asarray(frequencies) / rate)
    h = np.ones_like(z)
    for a, shift, runs in ((c[0], c[1], 2), (c[2], c[3], 1), (c[4], c[5], 1)):
        a = a / 2**shift
        h *= ((1 - a) * (1 - z) / (1 - (1 - a) * z)) ** runs
    return 20 * np.log10(np.abs(h * ((c[7] + c[8] * z) / (2048 - c[6] * z)) ** 2))


@pytest.mark.parametrize("rate", RATES)
def test_a_weighting_is_the_standards_up_to_its_band_limit(rate):
    c = list(filters.weighting(rate))
    named = [f for f in TABLE if exact(f) <= 0.45 * rate]
    gain = response(c, [exact(f) for f in named], rate) - response(c, [1000], rate)
    assert np.abs(gain - [TABLE[f] for f in named]).max() < 0.3  # the table itself is rounded to 0.05
    assert np.abs(gain - 20 * np.log10(listening.a_weighting([exact(f) for f in named]))).max() < 0.25


def test_the_hosts_a_weighting_is_the_standards():
    assert np.abs(20 * np.log10(listening.a_weighting([exact(f) for f in TABLE])) - list(TABLE.values())).max() < 0.06


def noise(n, seed, scale=3000):
    return np.clip(np.round(np.random.default_rng(seed).normal(size=n) * scale), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("factor", [2, 3, 6])
def test_decimation_is_scipys_and_the_hosts(factor):
    x = noise(4000, factor)
    ring = np.zeros(3000, np.int16)
    taps = filters.lowpass(factor)
    half = len(taps) // 2
    padded = np.pad(x, half)
    made = capture.decimate([int(v) for v in padded], taps, ring, [len(padded), factor, 0])
    ideal = signal.upfirdn(np.array(taps) / 32768, padded, down=1)[len(taps) - 1 : len(padded)][::factor]
    assert np.abs(ring[:made] - ideal).max() <= 0.51
    host = listening.decimate(x, factor)
    assert len(host) == -(-len(x) // factor) and (host == ring[: len(host)]).all()


def sections(rate):
    """The A-weighting of `rate` as scipy's second-order sections, its poles mapped as filters.weighting says."""
    c = list(filters.weighting(rate))
    high = [[1 - c[k] / 2 ** c[k + 1]] * 2 for k in (0, 0, 2, 4)]
    low = [c[7] / 2048, c[8] / 2048, 0, 1, -c[6] / 2048, 0]
    return np.array([[r, -r, 0, 1, -p, 0] for r, p in high] + [low, low])


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("scale", [10, 3000, 20000])
def test_measured_level_is_that_of_scipys_filter(rate, scale):
    x = noise(6000, rate, scale)
    state = capture.state(filters.weighting(rate))
    capture.measure([int(v) for v in x], state, [0, len(x)])
    high, low, a_high, a_low = capture.measured(state)
    assert (high << 16) + low == np.square(x.astype(np.int64)).sum()
    y = signal.sosfilt(sections(rate), x)
    assert 10 * np.log10(((a_high << 16) + a_low) / np.square(2 * y).sum()) == pytest.approx(0, abs=0.02)


def without_offset(x, rate):
    out, memory = [int(v) for v in x], capture.offset_memory(rate)
    capture.remove_offset(out, memory, [0, len(out)])
    return np.array(out), list(memory)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_what_is_left_without_an_offset_is_what_scipys_high_pass_leaves(rate):
    x = noise(4 * rate, rate) + 1500
    out, memory = without_offset(x, rate)
    assert memory[4:] == [x.min(), x.max(), 0]
    a = 1 / 2 ** memory[0]
    ideal = signal.lfilter([1 - a, a - 1], [1, a - 1], x)  # begins at an offset of 0, so they differ at first
    assert np.abs(out - ideal)[2 * rate :].max() <= 1.1
    assert np.abs(out[: rate // 10]).max() < 20000  # and this one has no step there


@pytest.mark.parametrize("rate", [8000, 15625, 16000, 48000, 96000])
def test_the_offset_ends_below_40_hertz(rate):
    n = np.arange(2 * rate)
    for hertz, least, most in ((1, -20, -8), (40, -0.1, 0), (1000, -0.05, 0)):
        x = np.round(10000 * np.sin(2 * np.pi * hertz * n / rate)).astype(int)
        out, _ = without_offset(x + 3000, rate)
        level = 20 * np.log10(out[rate:].std() / x[rate:].std())
        assert least <= level <= most, (hertz, level)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_host_hears_what_the_board_does(rate):
    x = np.concatenate([np.full(50, 700), noise(3000, 4) + 700, np.full(2000, -300)]).astype(np.int16)
    out, _ = without_offset(x, rate)
    assert (hearing.without_offset(x, rate) == out).all() and (listening.without_offset(x, rate) == out).all()


def levels(x, rate):
    meter = Meter(capture, rate, len(x), 1)
    meter.add([int(v) for v in x], 0, len(x))
    return meter.level(0, 1)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("hertz", [100, 1000, 3150])
@pytest.mark.parametrize("amplitude", [32767, 3000, 30])
def test_tones_have_the_levels_of_the_standard(rate, hertz, amplitude):
    x = np.round(amplitude * np.sin(2 * np.pi * exact(hertz) / rate * np.arange(rate))).astype(int)
    plain, weighted = levels(x, rate)
    wanted = 20 * np.log10(amplitude / 32768)
    assert plain == pytest.approx(wanted, abs=0.05)
    assert weighted == pytest.approx(wanted + TABLE[hertz], abs=0.2 if amplitude > 100 else 0.4)  # the tone itself is in 16 bits


def test_a_level_at_rest_and_of_silence():
    assert levels(np.zeros(4000), 8000) == (-120, -120)
    assert levels(np.full(4000, 1000), 8000) == (-120, -120)  # a microphone that rests off zero


@pytest.mark.parametrize("channels", [1, 2])
def test_wav_files_of_a_real_library(channels, tmp_path):
    x = noise(3000 * channels, 1).reshape(-1, channels)
    path = str(tmp_path / "sound.wav")
    soundfile.write(path, x, 22050, subtype="PCM_16")
    source, samples = Wav(path), []
    buffer = np.zeros(700, np.int16)
    while (n := source.readinto(buffer)) > 0:
        samples.append(buffer[:n].copy())
    source.close()
    assert n == -1 and source.rate == 22050 and not source.live
    assert (np.concatenate(samples) == x.astype(int).sum(axis=1) >> (channels - 1)).all()


def test_other_wav_files_of_a_real_library_are_refused(tmp_path):
    path = str(tmp_path / "sound.wav")
    for subtype, what in (("PCM_24", "24 bits"), ("FLOAT", "format 3"), ("PCM_U8", "8 bits"), ("ULAW", "format 7")):
        soundfile.write(path, noise(100, 1), 8000, subtype=subtype)
        with pytest.raises(SoundError, match=f"{path}: .*{what}"):
            Wav(path)


def test_ring_of_a_tone_above_the_models_band_is_silent():
    """What would fold back to 1 kHz is lowered by 60 dB; what is in the band comes through."""
    for hertz, least, most in ((15000, -130, -60), (1000, -0.05, 0.05)):
        x = np.round(32000 * np.sin(2 * np.pi * hertz / 48000 * np.arange(24000))).astype(np.int16)
        at = [0]

        def readinto(to, x=x, at=at):
            n = min(len(to), len(x) - at[0])
            to[:n] = memoryview(x)[at[0] : at[0] + n]
            at[0] += n
            return n or -1

        ring = Ring(Callback(readinto, 48000), 8000, array("h", bytes(2 * 5000)))
        while not ring.ended:
            ring.service()
        kept = np.array(ring.buffer[200:3800], float)
        level = 10 * np.log10(max(np.square(kept).mean(), 1e-9) / (32000**2 / 2))
        assert least <= level <= most


def test_the_real_i2s_driver_does_not_wait_and_its_losses_are_counted(tmp_path):
    """RPI_PICO firmware on the emulated RP2040, whose PIO runs at a fiftieth of its rate: most samples are missing."""
    try:
        runtime = runtimes.find("rp2040")
    except L3Error as e:
        require(False, str(e))
    library, folder = tmp_path / "lib", tmp_path / "job"
    library.mkdir()
    folder.mkdir()
    copy_library(library)
    done = runtimes.execute(runtime, SCRIPTS / "i2s.py", library, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    for samples, longest, values, lost, first in json.loads((folder / "found.json").read_text()):
        assert first == 0  # the driver ran for 0.3 s, which is 4,800 samples
        assert samples and set(values) == {0}
        assert longest < 20000  # microseconds, a collection among them; 512 samples are 32000
        assert 8000 - 1600 - 512 <= lost <= 8000 + 800  # the driver may hold 1,600


NATIVE_CHECKS = """
from array import array
from l3mote.kernels.native import module
x, taps, ring = array("h", bytes(200)), array("h", bytes(40)), array("h", bytes(60))
state = array("i", [1, 16, 1, 14, 1, 12] + [0] * 15)
memory = array("i", [8] + [0] * 6)
def call(name, *args):
    try:
        return getattr(module, name)(*args[:-1], array("i", args[-1]))
    except ValueError as e:
        return str(e)
print(call("take", x, ring, [99, 1, 1, 0]), call("decimate", x, taps, ring, [100, 2, 29]), call("measure", x, state, [0, 100]),
      call("remove_offset", x, memory, [0, 100]))
for bad in ([100, 1, 1, 0], [0, 4, 26, 0], [0, 1, 31, 0], [-1, 1, 1, 0], [0, 0, 1, 0], [0, 1, -1, 0], [0, 1, 1]):
    print(call("take", x, ring, bad))
for bad in ([101, 2, 0], [100, 0, 0], [100, 2, 30], [100, 2, -1], [-1, 2, 0], [100, 2]):
    print(call("decimate", x, taps, ring, bad))
print(call("decimate", x, taps[:18], ring, [100, 2, 0]), call("decimate", x, taps, ring[:0], [100, 2, 0]))
for bad in ([0, 101], [-1, 5], [5, 4], [0]):
    print(call("measure", x, state, bad))
print(call("measure", x, state[:20], [0, 1]), call("measure", x, array("i", [1, 9] + [0] * 19), [0, 1]))
for bad in ([0, 101], [-1, 5], [5, 4], [0]):
    print(call("remove_offset", x, memory, bad))
for bad in ([8, 0, 0, 0, 0, 0], [13] + [0] * 6, [-1] + [0] * 6, [8, 0, 0, 9, 0, 0, 0], [8, 0, 0, -1, 0, 0, 0],
            [8, 0, 2, 0, 0, 0, 0], [8, 0, -1, 0, 0, 0, 0]):
    print(call("remove_offset", x, array("i", bad), [0, 1]))
"""


def test_native_parameters_are_checked():
    lines = micropython(NATIVE_CHECKS).splitlines()
    assert lines[0] == "None 41 None None"
    refused = "parameters reach outside a buffer"
    assert lines[1:14] == [refused] * 13 and lines[14] == f"{refused} {refused}"
    assert lines[15:] == [refused] * 4 + [f"{refused} {refused}"] + [refused] * 11


class Clock:
    """Time, for drivers on a clock of the test's."""

    def __init__(self, ns=0):
        self.ns = ns

    def monotonic_ns(self):
        return self.ns

    def ticks_us(self):
        return self.ns // 1000

    def ticks_diff(self, a, b):
        return a - b


class Recording:
    """audioi2sin.I2SIn or audiobusio.PDMIn: what CircuitPython's stubs say of them. Samples are their numbers from 0 on.

    late: seconds after which record() brings so many samples fewer than asked, once.
    """

    given, short = None, 0

    def __init__(self, *pins, sample_rate, **options):
        self.sample_rate, self.options = self.given or sample_rate, options
        self.count, self.closed = 0, False

    def record(self, raw, n):
        n, Recording.short = n - Recording.short, 0
        for i in range(n):
            raw[i] = (self.count + i) % 32768
        self.count += n
        clock.ns = max(clock.ns, self.count * 1000000000 // self.sample_rate)
        return n

    def deinit(self):
        self.closed = True


clock = Clock()


@pytest.fixture
def circuitpython(monkeypatch):
    """l3mote.mic_circuitpython over Recording, whose clock is `clock`."""
    clock.ns = 0
    monkeypatch.setattr(Recording, "given", None)
    monkeypatch.setattr(Recording, "short", 0)
    for name in ("I2SIn", "PDMIn"):
        module = types.ModuleType({"I2SIn": "audioi2sin", "PDMIn": "audiobusio"}[name])
        setattr(module, name, Recording)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    board = types.ModuleType("board")
    board.GP1 = board.GP2 = board.GP3 = object()
    monkeypatch.setitem(sys.modules, "board", board)
    monkeypatch.delitem(sys.modules, "l3mote.mic_circuitpython", raising=False)
    module = importlib.import_module("l3mote.mic_circuitpython")
    monkeypatch.setattr(module, "time", clock)
    yield module
    sys.modules.pop("l3mote.mic_circuitpython", None)


def after(seconds):
    clock.ns += round(seconds * 1e9)


def test_fewer_samples_than_asked_are_an_overrun_and_no_old_sound(circuitpython):
    source, x = circuitpython.I2SIn("GP1", "GP2", "GP3"), array("h", [77] * 512)
    assert source.readinto(x) == 0
    after(0.1)
    assert source.readinto(x) == 256 and list(x[:256]) == list(range(256)) and source.overruns == 0
    Recording.short = 100
    assert source.readinto(x) == 156 and list(x[:157]) == [*range(256, 412), 156] and source.overruns == 100
    assert source.readinto(x) == 256 and x[0] == 412 and source.overruns == 100


def test_fewer_samples_of_pdm_than_asked_are_an_overrun(circuitpython):
    source, x = circuitpython.PDM("GP1", "GP2"), array("h", [77] * 512)
    Recording.short = 56
    assert source.readinto(x) == 200 and list(x[:2]) == [-32768, -32767] and list(x[200:]) == [77] * 312
    assert source.overruns == 56


def test_what_a_circuitpython_driver_dropped_before_it_was_asked_is_not_an_overrun(circuitpython, monkeypatch):
    dropped = [True, False, False, True]
    monkeypatch.setattr(Recording, "overflow", property(lambda self: dropped.pop(0)), raising=False)
    source, x = circuitpython.I2SIn("GP1", "GP2", "GP3"), array("h", bytes(1024))
    dropped[:] = [True, False, True]  # asked for by hasattr
    after(30)  # a model is opened
    assert source.readinto(x) == 0 and source.overruns == 0
    after(0.02)
    assert source.readinto(x) == 256 and source.overruns == 0
    after(0.05)
    assert source.readinto(x) == 256 and source.overruns > 0


def test_a_driver_slower_than_the_clock_does_not_make_the_board_wait_for_ever(circuitpython):
    Recording.given = 15700
    source, x, slow = circuitpython.I2SIn("GP1", "GP2", "GP3"), array("h", bytes(1024)), 0
    source.rate = 16000  # it says so, and is two per cent slower
    while clock.ns < 60e9:
        before = clock.ns
        source.readinto(x)
        slow += clock.ns - before > 8e6
        after(0.001)
    assert slow < 200  # of 3,700


def test_a_rounded_rate_is_taken_and_another_refused(circuitpython):
    Recording.given = 15625
    assert circuitpython.I2SIn("GP1", "GP2", "GP3").rate == 15625
    Recording.given = 15000
    with pytest.raises(SoundError, match="gives 15000 Hz for a rate of 16000 Hz: set another rate"):
        circuitpython.PDM("GP1", "GP2")


def test_a_firmware_without_audioi2sin_says_which_has_it(circuitpython, monkeypatch):
    monkeypatch.setitem(sys.modules, "audioi2sin", None)
    with pytest.raises(SoundError, match="CircuitPython 10.3 and later"):
        circuitpython.I2SIn("GP1", "GP2", "GP3")


def test_pdm_is_a_setting(circuitpython):
    source = open_source(settings.check({"mic": "pdm", "sck": "GP1", "sd": "GP2", "rate": 24000}))
    assert isinstance(source, circuitpython.PDM) and source.rate == 24000
    with pytest.raises(settings.SettingsError, match="mic=pdm needs sd set"):
        settings.check({"mic": "pdm", "sck": "GP1"})


class Port:
    """machine.I2S of a port that knows numbers 1 and 2. It began to record when it was made, and holds a tenth of a second."""

    RX, MONO, STEREO = range(3)

    def __init__(self, number, rate, **options):
        if number not in (1, 2):
            raise ValueError("invalid id")
        self.rate, self.read, self.began = rate, 0, clock.ns

    def readinto(self, view):
        come = (clock.ns - self.began) * self.rate // 1000000000
        self.read = max(self.read, come - self.rate // 10)  # the rest was dropped
        n = min(len(view) // 2, come - self.read)
        self.read += n
        return 4 * n

    def deinit(self):
        pass


@pytest.fixture
def machine(monkeypatch):
    """l3mote.mic_machine over Port."""
    clock.ns = 0
    module = types.ModuleType("machine")
    module.I2S, module.Pin = Port, lambda pin: pin
    monkeypatch.setitem(sys.modules, "machine", module)
    monkeypatch.delitem(sys.modules, "l3mote.mic_machine", raising=False)
    module = importlib.import_module("l3mote.mic_machine")
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module.select, "poll", lambda: types.SimpleNamespace(register=lambda *a: None, poll=lambda n: None))
    yield module
    sys.modules.pop("l3mote.mic_machine", None)


def test_the_start_of_a_driver_is_not_an_overrun(machine):
    source, x = machine.I2S(1, 2, 3, number=1), array("h", bytes(1024))
    after(27.4)  # 438,400 samples: a model is opened
    while source.readinto(x):
        pass
    after(0.05)
    assert source.readinto(x) == 256
    while source.readinto(x):
        pass
    assert source.overruns == 0
    after(0.5)
    while source.readinto(x):
        pass
    assert source.overruns == pytest.approx(0.4 * 16000, abs=2)


def test_the_number_of_an_i2s_is_a_setting(machine):
    given = {"mic": "i2s", "sck": 1, "ws": 2, "sd": 3}
    assert open_source(settings.check(given | {"i2s_id": 2})).driver.rate == 16000
    with pytest.raises(ValueError, match="invalid id"):
        open_source(settings.check(given))
