"""The README's own command on an emulated Pico, with the shipped model and its microphone: it has started when the app says so."""

import json
import time
from pathlib import Path

import pytest
from deployed import COMMAND, FEW, PICO, PINS, first_line, put, soft_reboot, with_heap
from support import runtime_of

from l3host.cli import main
from l3host.deploy import payload, starting, steps
from l3host.deploy.targets import Drive
from l3host.emulate import rp2040
from l3host.emulate.rp2040.serial_port import board
from l3mote import start


def listens(port):
    """Does the app say so before anything else but that it was started?"""
    event = first_line(port)
    return (event["event"], event.get("label")) == ("status", "listening")


def logged(image):
    """Lines in the app's log."""
    fs, lines = rp2040.file_system(image), []
    for name in fs.listdir("/"):
        if name.startswith("events."):
            with fs.open("/" + name, "rb") as f:
                lines += [json.loads(line) for line in f.read().splitlines()]
    return lines


def deployed(*settings):
    """A file system with a version of each of these settings, as deploying them one after the other leaves it; their names."""
    fs, names = rp2040.file_system(), []
    for sequence, values in enumerate(settings):
        files = payload.build(PICO, "esc10", ("native",), "noise_monitor", {**PINS, **values}, True)
        for path, data in files.files.items():
            put(fs, f"/l3/{files.version}/{path}", data)
        put(fs, start.slot_path("/l3", sequence % 2), start.slot_line(sequence + 1, files.version))
        names.append(files.version)
    put(fs, steps.STARTER, Path(start.__file__).read_bytes())
    put(fs, "/main.py", steps.PROGRAM)
    return fs, names


def test_the_documented_command_starts_with_little_heap_and_what_does_not_start_is_taken_back(capsys):
    runtime_of("rp2040")
    with board(with_heap(None, FEW)) as there:
        assert main([*COMMAND, "--port", there.port, "--json"]) == 0, capsys.readouterr()
        done = json.loads(capsys.readouterr().out)
        assert done["started"] and done["heap_free"] <= FEW
        soft_reboot(there.port)
        assert listens(there.port)
        assert main([*COMMAND, "--set", "sd=99", "--port", there.port]) == 1  # there is no such pin
        *messages, last = capsys.readouterr().err.strip().splitlines()
        assert last.startswith("l3mote: ") and "does not start: ValueError: " in last and f"{done['version']} listens again" in last
        assert [line.split()[0] for line in messages] == ["copying", "self-test", "making", "starting", "starting"]
        soft_reboot(there.port)
        assert listens(there.port)
        time.sleep(5)  # for the log
    assert "listening" in [line.get("label") for line in logged(there.image)]
    with board(there.image) as again:
        assert listens(again.port)


def test_a_board_listens_after_power_on_and_a_rollback(capsys):
    runtime_of("rp2040")
    fs, (older, newer) = deployed({}, {"hop": 4.0, "watchdog": 8})
    with board(rp2040.dump(fs)) as there:
        assert listens(there.port)
        assert main(["deploy", "--rollback", "--port", there.port, "--json"]) == 0, capsys.readouterr()
        back = json.loads(capsys.readouterr().out)
        assert (back["before"], back["version"], back["started"]) == (newer, older, True)


# what a board prints, without one


class Line:
    """A link to a board that prints these pieces once it is started."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def start(self):
        self.started = True

    def read(self):
        return self.pieces.pop(0) if self.pieces else b""


BANNER = b"\r\nMicroPython v1.25.0 on 2026-11-30; Raspberry Pi Pico with RP2040\r\n>>> \r\n>>> "  # before the reset
REBOOT = b"\r\nMPY: soft reboot\r\n"
STARTED = b'{"event": "status", "label": "started", "t": 0}\r\n'
LISTENS = b'{"event": "status", "label": "listening", "t": 0.000}\r\n'
DIES = b'Traceback (most recent call last):\r\n  File "main.py"\r\nOSError: [Errno 19] ENODEV\r\n'
GREETING = b'MicroPython v1.25.0 on 2026-11-30\r\nType "help()" for more information.\r\n>>> '
CANNOT = b'{"event": "warning", "label": "cannot start: HeapError: no", "t": 0}\r\n'
DONE = b"\r\nCode done running.\r\n\r\nPress any key to enter the REPL. Use CTRL-D to reload.\r\n"
SAYS = {
    "listens": ((BANNER, REBOOT, STARTED, LISTENS[:9], LISTENS[9:]), None),
    "cannot": ((BANNER + REBOOT, STARTED, CANNOT), "HeapError: no"),
    "dies": ((BANNER + REBOOT + STARTED + DIES + GREETING,), "OSError: [Errno 19] ENODEV"),
    "ends": ((REBOOT, GREETING), "it ended without printing anything"),
    "CircuitPython": ((REBOOT, DIES, DONE), "OSError: [Errno 19] ENODEV"),
    "floods": ((REBOOT, *(b"x" * 1024 + b"\n" for _ in range(100))), "it prints 65536 bytes without saying that it listens"),
    "an old app's line": ((LISTENS, REBOOT, DIES, GREETING), "OSError: [Errno 19] ENODEV"),
}


@pytest.mark.parametrize("name", SAYS)
def test_what_a_started_board_says_is_one_line(name):
    pieces, reason = SAYS[name]
    assert starting.failure(Line(*pieces)) == reason


def test_a_silent_board_is_given_up(monkeypatch):
    monkeypatch.setattr(starting, "SECONDS", 0.1)
    assert starting.failure(Line(REBOOT)) == "it says nothing for 0.1 s"


# taking back, on real files


def test_a_first_version_that_does_not_start_leaves_the_board_as_it_was(tmp_path):
    (tmp_path / "main.py").write_text("print('mine')\n")
    target = Drive(str(tmp_path))
    files = payload.manifested("noise_monitor", {"model.l3m": b"1"})
    steps.deploy(target, files, lambda folder: None, False)
    assert (tmp_path / "main.before.py").exists() and start.running(f"{tmp_path}/l3")[1] == files.version
    steps.take_back(target, files.version, None)
    assert (tmp_path / "main.py").read_text() == "print('mine')\n" and not (tmp_path / "main.before.py").exists()
    assert list((tmp_path / "l3").iterdir()) == []


def test_a_later_version_that_does_not_start_gives_way_and_is_not_there_for_a_rollback(tmp_path):
    target, versions = Drive(str(tmp_path)), []
    for word in (b"1", b"2"):
        files = payload.manifested("noise_monitor", {"model.l3m": word})
        steps.deploy(target, files, lambda folder: None, False)
        versions.append(files.version)
    steps.take_back(target, versions[1], versions[0])
    assert start.running(f"{tmp_path}/l3")[1] == versions[0] and steps.versions(target) == [versions[0]]
    assert not (tmp_path / "l3" / versions[1]).exists() and (tmp_path / "main.py").read_bytes() == steps.PROGRAM
