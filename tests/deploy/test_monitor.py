"""l3mote monitor: a program's lines from the emulated RP2040, in a terminal of its own, and what is no event."""

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import tty

import pytest
from rich.console import Console
from support import require

from l3host.deploy.monitor import Screen, bar, cells, parsed
from l3host.emulate import rp2040, runtimes
from l3host.emulate.rp2040.board import board
from l3host.errors import L3Error

PROGRAM = """
import json, time
n = 0
while True:
    n += 1
    print(json.dumps({"event": "level", "level": -40.5, "t": n}))
    print(json.dumps({"event": "start", "label": "dog", "score": 0.875, "level": -20.25, "t": n}))
    print("an odd line")
    time.sleep_ms(100)
"""


def test_events_of_a_board_reach_the_terminal_and_the_csv_and_the_board_goes_on(tmp_path):
    try:
        runtimes.find("rp2040")
    except L3Error as e:
        require(False, str(e))
    (tmp_path / "main.py").write_text(PROGRAM)
    fs = rp2040.file_system()
    rp2040.copy_in(fs, tmp_path / "main.py", "/main.py")
    command = [sys.executable, "-m", "l3host.cli", "monitor", "--json", "--port"]
    with board(rp2040.dump(fs)) as pico:
        lines = listen([*command, pico.port, "--csv", str(tmp_path / "events.csv")], 8)
        later = listen([*command, pico.port], 3)
    assert {"event": "start", "label": "dog", "score": 0.875, "level": -20.25, "t": lines[3]["t"]} in lines
    assert {"event": "text", "label": "an odd line"} in lines
    last = [[event["t"] for event in heard if "t" in event][-1] for heard in (lines, later)]
    assert last[1] > last[0], "Ctrl-C in the monitor is not the board's"
    with open(tmp_path / "events.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert list(rows[0]) == ["time", "event", "label", "score", "level", "t"]
    (dog, *_) = [row for row in rows if row["event"] == "start"]
    assert (dog["label"], dog["score"], dog["level"]) == ("dog", "0.875", "-20.25") and len(rows) >= 8


def listen(command, count):
    """Run the monitor until it has printed so many lines, then press Ctrl-C."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    lines = [json.loads(process.stdout.readline()) for _ in range(count)]
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    assert process.wait() == 0
    watchdog.cancel()
    return lines


def test_a_board_that_goes_is_one_line():
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    command = [sys.executable, "-m", "l3host.cli", "monitor", "--port", os.ttyname(theirs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    heard = threading.Event()

    def speak():
        while not heard.wait(0.2):
            os.write(ours, b'{"event": "end", "label": "dog", "score": 0.5, "level": -31.26, "t": 2}\n')

    speaker = threading.Thread(target=speak)
    speaker.start()
    assert process.stdout.readline() == "end  dog  0.50  -31.3  2.0\n"
    heard.set()
    speaker.join()
    os.close(theirs)
    os.close(ours)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and err.startswith("l3mote: ") and "the board is gone" in err and err.count("\n") == 1


def test_lines_are_read_or_shown_as_they_are():
    assert parsed(b'{"event": "end", "label": "x"}\r\n') == {"event": "end", "label": "x"}
    assert parsed(b'{"label": "no event"}\n') == {"event": "text", "label": '{"label": "no event"}'}
    assert parsed(b"Traceback \xff\n") == {"event": "text", "label": "Traceback \ufffd"}
    assert parsed(b"\r\n") is None
    event = {"event": "start", "label": "dog", "score": 0.876, "level": -20.25, "t": 3, "by": 2}
    assert cells(event) == ["start", "dog by=2", "0.88", "-20.2", "3.0"]


@pytest.mark.parametrize("level, at", [(-200, 0), (-80, 0), (-40, 4), (0, 8), (3, 8)])
def test_bars_stand_for_levels(level, at):
    assert bar(level) == at


def test_the_screen_shows_what_sounds():
    screen = Screen("port")
    screen.add({"event": "level", "level": -40.0})
    for label in ("dog", "rain"):
        screen.add({"event": "start", "label": label, "score": 0.9})
    screen.add({"event": "end", "label": "dog", "score": 0.2, "t": 4})
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(screen)
    text = console.export_text()
    assert "port   -40.0 dB ▄" in text and "now: rain" in text and text.count("dog") == 2 and "level" not in text.split("now")[0]
