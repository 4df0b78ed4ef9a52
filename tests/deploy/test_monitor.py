"""l3mote monitor: a program's lines from the emulated RP2040, in a terminal of its own, and what is not an event."""

import contextlib
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
from l3host.emulate.rp2040.serial_port import board
from l3host.errors import L3Error
from l3host.text import cell

PROGRAM = """
import json, time
n = 0
while True:
    n += 1
    print(json.dumps({"event": "level", "level": -40.5, "t": n}))
    print('{"event": "start", "label": "dog", "score": 0.875, "level": -20.25, "t": %d.500}' % n)
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
    start = '{"event": "start", "label": "dog", "score": 0.875, "level": -20.25, "t": '
    assert any(line.startswith(start) and line.endswith(".500}") for line in lines), "--json gives lines as they are"
    assert '{"event": "text", "label": "an odd line"}' in lines
    last = [[json.loads(line)["t"] for line in events if '"t"' in line][-1] for events in (lines, later)]
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
    lines = [process.stdout.readline().rstrip("\n") for _ in range(count)]
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
    events = threading.Event()

    def speak():
        while not events.wait(0.2):
            os.write(ours, b'{"event": "end", "label": "dog", "score": 0.5, "level": -31.26, "t": 2}\n')

    speaker = threading.Thread(target=speak)
    speaker.start()
    assert process.stdout.readline() == "end  dog  0.50  -31.3  2.000\n"
    events.set()
    speaker.join()
    os.close(theirs)
    os.close(ours)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and err.startswith("l3mote: ") and "the board is gone" in err and err.count("\n") == 1


HOSTILE = {
    "terminal escapes": b'{"event": "start", "label": "\\u001b[2J\\u001b]52;c;cHduZWQ=\\u0007dog", "score": 0.5}\n'
    b"\x1b[2J\x1b]0;pwn\x07\x9b31m\n",
    "an event that is a dict": b'{"event": {"a": 1}, "label": [1], "score": "x", "level": "y", "t": null}\n',
    "a label that is a list": b'{"event": "start", "label": ["unhashable"], "x": {"y": []}}\n{"event": "end", "label": {}}\n',
    "no numbers": b'{"event": "level", "level": NaN}\n{"event": "level", "level": 1e400}\n{"event": "level", "level": true}\n',
    "deep nesting": b'{"event": ' + b"[" * 5000 + b'\n{"event": "x", "label": ' + b"[" * 900 + b"]" * 900 + b"}\n",
    "long numbers": b'{"event": "level", "level": ' + b"9" * 400 + b'}\n{"event": "level", "level": ' + b"9" * 5000 + b"}\n",
    "a lone surrogate": b'{"event": "start", "label": "\\ud800", "score": 1}\n',
    "a line break in a label": b'{"event": "start", "label": "one\\r\\ntwo", "score": 1}\n',
    "markup": b'{"event": "start", "label": "[bold red]x[/nope]", "score": 1}\n',
    "zero bytes": b'\0\0\0{"event": "start", "label": "late"}\n',
    "a line without end": b"x" * 8_000_000 + b"\n",
    "many labels": b"".join(b'{"event": "start", "label": "%d"}\n' % n for n in range(3000)),
}
FIRST, LAST = b'{"event": "status", "label": "listening"}\n', b'{"event": "end", "label": "LAST", "t": 9}\n'


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("kind", HOSTILE)
def test_the_monitor_survives_any_line_and_its_csv_stays_whole(kind, terminal, tmp_path):
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    table = tmp_path / "events.csv"
    command = [sys.executable, "-m", "l3host.cli", "monitor", "--port", os.ttyname(theirs), "--csv", str(table)]
    screen, screen_end = pty.openpty()
    out = screen_end if terminal else subprocess.PIPE
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    os.close(screen_end)
    printed = bytearray()
    reader = threading.Thread(target=drain, args=(screen if terminal else process.stdout.fileno(), printed))
    reader.start()
    speak_until(ours, FIRST, lambda: table.exists() and b"listening" in table.read_bytes())
    view = memoryview(HOSTILE[kind])
    while view and process.poll() is None:
        view = view[os.write(ours, view[:4096]) :]
    speak_until(ours, LAST, lambda: b"LAST" in table.read_bytes() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    status = process.wait(30)
    for end in (ours, theirs):
        os.close(end)
    reader.join(30)
    assert status == 0, printed
    with table.open(newline="", encoding="utf-8") as f:
        rows = list(csv.reader(f))
    assert {len(row) for row in rows} == {6} and rows[1][1:3] == ["status", "listening"]
    assert rows[-1][1:] == ["end", "LAST", "", "", "9"]
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for row in rows for cell in row for c in cell)
    sent = [b"\x1b]", b"\x1b[2J", b"\x1b[31m", b"\x07", b"\xc2\x9b", b"\x9b31m"]
    assert not [escape for escape in sent if escape in printed] and b"LAST" in printed
    if not terminal:
        assert b"\x1b" not in printed and len(printed) < 200_000


def speak_until(fd, line, done):
    for _ in range(600):
        if done():
            return
        os.write(fd, line)
        threading.Event().wait(0.1)


def drain(fd, to):
    with contextlib.suppress(OSError):  # of a terminal whose other end is closed
        while data := os.read(fd, 65536):
            to += data


def test_cells_of_the_csv_are_not_formulas_and_numbers_stay_numbers():
    given = ["=HYPERLINK(1)", "+1", "-x", "@SUM", "dog", -20.25, 3, None, "a\tb\x1b"]
    assert [cell(value) for value in given] == ["'=HYPERLINK(1)", "'+1", "'-x", "'@SUM", "dog", "-20.25", "3", "", "a\\tb\\x1b"]


def test_lines_are_read_or_shown_as_they_are():
    assert parsed(b'{"event": "end", "label": "x"}\r\n') == {"event": "end", "label": "x"}
    assert parsed(b'{"label": "no event"}\n') == {"event": "text", "label": '{"label": "no event"}'}
    assert parsed(b"Traceback \xff\n") == {"event": "text", "label": "Traceback \ufffd"}
    assert parsed(b"\r\n") is None
    event = {"event": "start", "label": "dog", "score": 0.876, "level": -20.25, "t": 3, "by": 2}
    assert cells(event) == ["start", "dog by=2", "0.88", "-20.2", "3.000"]


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
