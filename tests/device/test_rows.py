"""Rows made as sound comes are those of whole windows, to the bit, whatever portions it comes in; what needs room makes room."""

from array import array

from helpers import Hears, kernels
from where import SMALL

from l3mote import Model
from l3mote.limits import possible_hop
from l3mote.model import test_signal as fill_signal
from l3mote.ring import Ring


class Sound:
    """Samples, as many at a time as `portions` say by turns; it waits."""

    rate, live = 8000, False

    def __init__(self, samples, portions):
        self.samples, self.portions, self.at, self.turn = samples, portions, 0, 0

    def readinto(self, x):
        n = min(len(x), self.portions[self.turn % len(self.portions)], len(self.samples) - self.at)
        x[:n] = self.samples[self.at : self.at + n]
        self.at, self.turn = self.at + n, self.turn + 1
        return n or -1


class Stream:
    """Rows of a ring that hears samples from its source as they are, offset and all."""

    def __init__(self, model, hop, source):
        self.ring, self.rows = Ring(source, 8000, model.ring, kernel="python"), model.rows(hop)
        self.ring.meter.add = lambda x, first, stop: None

    def until_whole(self):
        while not self.rows.ready:
            if not self.rows.make(self.ring):
                self.ring.service()
                assert not self.ring.ended


def test_every_kernel_gives_a_windows_bits_at_every_hop():
    for name in kernels():
        whole, model = Model(SMALL, kernel=name), Model(SMALL, kernel=name, listening=True)
        fe, work = model.reader.frontend, getattr(model.kernel, "work", None)
        for hop, portions in ((640, (512,)), (896, (1, 200, 7)), (1900, (333,)), (2500, (64, 512))):
            sound = array("h", bytes(2 * (2 * hop + 1900)))
            fill_signal(sound, 4321 + hop)
            stream = Stream(model, possible_hop(fe, hop), Sound(sound, portions))
            for k in range(3):
                stream.until_whole()
                stream.rows.fill(model.planes[0])
                for _ in model.network_steps():
                    for i in range(0, model.plan.frontend_bytes if work else 0, 64):
                        work[i] = 170  # as a frame that is made between two steps
                whole.pcm[:] = sound[k * hop : k * hop + 1900]
                assert list(whole.run()) == list(model.output), (name, hop, k)
        whole.close()
        model.close()


def test_the_self_test_of_a_model_that_listens_is_that_of_a_window():
    for name in kernels():
        model = Model(SMALL, kernel=name, listening=True)
        passed, error = model.selftest()
        listening = list(model.output)
        assert passed, (name, error)
        model.close()
        model = Model(SMALL, kernel=name)
        assert model.selftest() == (passed, error) and list(model.output) == listening
        model.close()


def test_neighbours_share_the_rows_of_the_frames_within_both():
    model = Model(SMALL, kernel="python", listening=True)
    made, frame = [], model.logmel.frame

    def counted(pcm, start, levels, at):
        made.append(at // 25)
        return frame(pcm, start, levels, at)

    model.logmel.frame = counted
    stream = Stream(model, 896, Sound(array("h", bytes(2 * 6000)), (512,)))
    counts = []
    for _ in range(3):
        stream.until_whole()
        stream.rows.fill(model.planes[0])
        counts.append(len(made))
        made.clear()
    # of 15 frames the first and the last are the window's own; the eighth, and the fifteenth as well, begin another window
    assert counts == [16, 9, 9] and stream.rows.skipped == 0
    model.close()


def thing(window=1000, hop=500, size=100):
    """Frames that are known by their first sample."""
    return Hears(["x"], [0.5], window, hop, size, lambda pcm, at: pcm[at], lambda numbers: numbers)


class Numbers:
    """Samples that count from 0, and never end."""

    rate, live, at = 8000, True, 0

    def readinto(self, x):
        for i in range(len(x)):
            x[i] = self.at + i
        self.at += len(x)
        return len(x)


def test_a_window_that_nobody_takes_makes_room_for_the_next():
    model = thing()
    stream = Stream(model, 500, Numbers())
    stream.until_whole()
    assert stream.rows.start == 0
    # ten frames a window, and rows for two more: the third one after the first window needs its first row
    for skipped, at in ((0, 1100), (0, 1200), (1, 1300)):
        while stream.ring.total < at or stream.rows.at * 100 < at:
            stream.rows.make(stream.ring) or stream.ring.service()
        assert (stream.rows.skipped, stream.rows.start) == (skipped, 500 * skipped), at
    stream.until_whole()
    stream.rows.fill(model.planes[0])
    assert model.planes[0] == list(range(500, 1500, 100))


def test_lost_samples_lead_to_the_first_window_after_them():
    model = thing()
    stream = Stream(model, 500, Numbers())
    stream.until_whole()
    while stream.ring.first < 1700:  # nobody makes rows
        stream.ring.service()
    first = stream.ring.first
    stream.rows.make(stream.ring)
    assert stream.rows.start == -(-first // 500) * 500 and stream.rows.skipped == stream.rows.start // 500
    stream.until_whole()
    stream.rows.fill(model.planes[0])
    start = stream.rows.start - 500
    assert model.planes[0] == list(range(start, start + 1000, 100))


def test_a_window_may_be_left_out():
    model = thing()
    stream = Stream(model, 500, Numbers())
    stream.until_whole()
    stream.rows.drop()
    stream.until_whole()
    stream.rows.fill(model.planes[0])
    assert model.planes[0] == list(range(500, 1500, 100)) and stream.rows.skipped == 0
    stream.rows.begin(7)
    stream.until_whole()
    stream.rows.fill(model.planes[0])
    assert model.planes[0] == list(range(3500, 4500, 100))
