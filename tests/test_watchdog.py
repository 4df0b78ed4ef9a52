"""The watchdog: fed while sound is taken and not otherwise, in the app, on the emulated Pico's own, and through a deployment."""

import errno
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from make_small import PATH as SMALL
from support import require
from test_app import Microphone, sound
from test_deploy import l3mote, monitored

from l3host.emulate import runtimes
from l3host.emulate.rp2040.board import board
from l3host.errors import L3Error
from l3mote import app, settings, watchdog

BOARD = Path(__file__).parent / "watchdog_board.py"


@pytest.fixture
def rp2040():
    try:
        return runtimes.find("rp2040")
    except L3Error as e:
        return require(False, str(e))


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


class Pausing(Microphone):
    """Half of its calls find no sound."""

    def __init__(self, pcm, happened):
        super().__init__(pcm)
        self.happened = happened
        self.idle = False

    def read(self, x):
        self.idle = not self.idle
        n = 0 if self.idle else super().read(x)
        self.happened.append("sound" if n > 0 else "nothing")
        return n


def test_it_is_fed_when_sound_was_taken_and_never_twice_for_the_same(fed):
    listen(Pausing(sound(), fed))
    assert fed[0] == 8 and fed.count("fed") > 20
    taken = "".join({"fed": "F", "sound": "s"}.get(name, "") for name in fed)
    assert "FF" not in taken, "between two feedings sound was taken"
    assert fed.count("nothing") > fed.count("fed")


def test_it_starves_while_the_microphone_fails(fed, monkeypatch):
    monkeypatch.setattr(app.time, "sleep", lambda seconds: fed.append(f"slept {seconds}") if seconds >= 1 else None)
    listen(Microphone(sound(), {call: OSError(errno.EIO) for call in range(5, 9)}))
    pauses = [i for i, name in enumerate(fed) if str(name).startswith("slept")]
    assert fed[pauses[0] : pauses[-1] + 1] == ["slept 1", "slept 2", "slept 4", "slept 8"]
    assert "fed" in fed[: pauses[0]] and "fed" in fed[pauses[-1] :]


def test_a_sleep_is_cut_into_pieces_that_it_bears(fed):
    listen(Microphone(np.tile(sound(), 2)), fed.append, mode="every", every=30)
    first = fed.index(4.0)
    assert fed[first - 1 : first + 16] == ["fed", 4.0] * 7 + ["fed", 2.0, "fed"]


def test_without_the_setting_none_is_started(fed):
    listen(Microphone(sound()), watchdog=0)
    assert fed == []


def test_firmware_without_one_is_told_of_and_listens(capsys):
    listen(Microphone(sound()))
    labels = [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines() if '"label"' in line]
    assert any(label.startswith("no watchdog: ModuleNotFoundError: ") for label in labels) and "end of the recording" in labels


def test_the_emulated_pico_is_reset_when_sound_stops_and_not_before(rp2040, tmp_path):
    library, folder = tmp_path / "lib", tmp_path / "job"
    library.mkdir()
    folder.mkdir()
    runtimes.copy_library(library)
    shutil.copy(SMALL, folder / "model.l3m")
    done = runtimes.execute(rp2040, BOARD, library, folder)
    assert "reset by the watchdog" in done.stderr, done.stdout + done.stderr
    times = [json.loads(line)["t"] for line in done.stdout.splitlines() if '"level"' in line]
    assert times[-1] > 2.2, "three seconds of sound, and a watchdog of one"


def test_a_deployment_keeps_it_fed(rp2040, capsys):
    """Only a reset stops an RP2040's watchdog, and one would end the emulation."""
    with board() as there:
        arguments = ["deploy", SMALL, "--port", there.port, "--json", "--set", "sck=16", "--set", "ws=17", "--set", "sd=18"]
        status, first = l3mote(capsys, *arguments, "--set", "watchdog=2")
        assert status == 0, first
        next(event for event in monitored(there.port) if event.get("label") == "listening")
        status, second = l3mote(capsys, *arguments, "--set", "watchdog=2", "--set", "smooth=2")
        assert status == 0 and second["before"] == first["version"], second
        begun = time.monotonic()
        last = [event["t"] for event in monitored(there.port) if time.monotonic() - begun < 30 and event["event"] == "level"]
        assert there.running
