"""The watchdog: fed while sound is taken and not otherwise, in the app, and with the emulated Pico's own."""

import errno
import json
import shutil

import numpy as np
import pytest
from make_small import PATH as SMALL
from support import SCRIPTS, runtime_of

from l3host.emulate import runtimes
from l3host.package.library import copy_library
from l3mote import app, settings, watchdog
from l3mote.mic import Callback

RATE = 8000


@pytest.fixture
def fed(monkeypatch):
    """What happens to a watchdog of ours, in order: its seconds, then what else is put there, and a "fed" each time."""
    happened = []

    def start(seconds):
        happened.append(seconds)
        return lambda: happened.append("fed")

    monkeypatch.setattr(watchdog, "start", start)
    return happened


def listen(source, sleep=None, **values):
    app.listen(str(SMALL), settings.check({"mic": "callback", "log": "", "watchdog": 8, **values}), source, sleep=sleep)


class Microphone(Callback):
    """So many seconds of noise, in one call of three; calls numbered in `bad` fail. happened: a list to note them in."""

    live = False

    def __init__(self, happened, seconds=13, bad=()):
        super().__init__(self.read, RATE)
        self.happened, self.bad, self.left, self.calls = happened, bad, seconds * RATE, 0
        self.noise = np.random.default_rng(1)

    def read(self, x):
        self.calls += 1
        if self.calls in self.bad:
            raise OSError(errno.EIO)
        n = min(len(x), self.left) if self.calls % 3 == 1 else 0
        x[:n] = memoryview(self.noise.integers(-300, 300, n, np.int16).tobytes()).cast("h")
        self.left -= n
        self.happened.append("sound" if n else "nothing")
        return n if self.left else -1


def test_it_is_fed_when_sound_was_taken_and_never_twice_for_the_same(fed):
    listen(Microphone(fed))
    assert fed[0] == 8 and fed.count("fed") > 20
    taken = "".join({"fed": "F", "sound": "s"}.get(name, "") for name in fed)
    assert "FF" not in taken, "between two feedings sound was taken"
    assert fed.count("nothing") > fed.count("fed")


def test_it_starves_while_the_microphone_fails(fed, monkeypatch):
    monkeypatch.setattr(app.time, "sleep", lambda seconds: fed.append(f"slept {seconds}") if seconds >= 1 else None)
    listen(Microphone(fed, bad=range(5, 9)))
    pauses = [i for i, name in enumerate(fed) if str(name).startswith("slept")]
    assert fed[pauses[0] : pauses[-1] + 1] == ["slept 1", "slept 2", "slept 4", "slept 8"]
    assert "fed" in fed[: pauses[0]] and "fed" in fed[pauses[-1] :]


def test_a_sleep_is_cut_into_pieces_that_it_bears(fed):
    listen(Microphone(fed), fed.append, mode="every", every=30)
    first = fed.index(4.0)
    assert fed[first - 1 : first + 15] == ["fed", 4.0] * 7 + ["fed", 2.0]


def test_without_the_setting_none_is_started(fed):
    listen(Microphone(fed), watchdog=0)
    assert set(fed) == {"sound", "nothing"}


def test_firmware_without_one_gets_a_warning_and_listens(capsys):
    listen(Microphone([]))
    labels = [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines() if '"label"' in line]
    assert any(label.startswith("no watchdog: ModuleNotFoundError: ") for label in labels) and "end of the recording" in labels


def test_the_emulated_pico_is_reset_when_sound_stops_and_not_before(tmp_path):
    library, folder = tmp_path / "lib", tmp_path / "job"
    library.mkdir()
    folder.mkdir()
    copy_library(library)
    shutil.copy(SMALL, folder / "model.l3m")
    done = runtimes.execute(runtime_of("rp2040"), SCRIPTS / "watched_app.py", library, folder)
    assert "reset by the watchdog" in done.stderr, done.stdout + done.stderr
    times = [json.loads(line)["t"] for line in done.stdout.splitlines() if '"level"' in line]
    assert max(times) > 2.2, "three seconds of sound, and a watchdog of one"  # a warning comes late
