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
import time
import tty

import pytest
from rich.console import Console
from support import require
from terminal import Terminal

from l3host.deploy.monitor import parsed
from l3host.deploy.screen import Screen, columns, share, words
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


def test_lines_are_read_or_shown_in_words():
    assert parsed(b'{"event": "end", "label": "x"}\r\n') == {"event": "end", "label": "x"}
    assert parsed(b'{"label": "no event"}\n') == {"event": "text", "label": '{"label": "no event"}'}
    assert parsed(b"Traceback \xff\n") == {"event": "text", "label": "Traceback \ufffd"}
    assert parsed(b"\r\n") is None
    event = {"event": "start", "label": "dog", "score": 0.876, "level": -20.25, "t": 3, "crc": "0badcafe"}
    assert columns(event) == ["start", "dog", "0.88", "-20.2", "3.000"]
    lost = {"event": "warning", "label": "overrun", "score": 4385.0, "level": -40.0, "t": 2.5}
    assert columns(lost)[1:3] == ["4385 samples lost so far: the network is slower than the sound, or the board was busy", ""]
    status = {"event": "status", "label": "listening", "kernel": "native", "hop": 2.0, "free": 8016, "lost": 0, "tiles": 1, "t": 0}
    assert words(status) == "listening, kernel native, a window every 2 s, 8.0 kB of heap free"


@pytest.mark.parametrize("level, of_it", [(-200, 0), (-80, 0), (-40, 0.5), (0, 1), (3, 1)])
def test_bars_stand_for_levels(level, of_it):
    assert share(level) == of_it


def drawn(*events, width=80, height=24):
    """The lines of a screen that got these events."""
    screen = Screen("/dev/ttyACM0")
    for event in events:
        screen.add(event)
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(screen)
    return [line.rstrip() for line in console.export_text().splitlines()]


LISTENING = {"event": "status", "label": "listening", "kernel": "native", "hop": 2.0, "t": 0.0}


def test_a_sound_is_one_row_and_rows_are_in_order_of_time():
    lines = drawn(
        LISTENING,
        {"event": "level", "level": -40.0, "t": 1},
        {"event": "start", "label": "rain", "score": 0.9, "level": -30.0, "t": 2.0},
        {"event": "end", "label": "rain", "score": 0.95, "level": -28.0, "t": 6.5, "began": 2.0},
        {"event": "start", "label": "dog", "score": 0.8, "level": -20.0, "t": 6.0},  # windows overlap: it began before that end
        {"event": "end", "label": "cat", "score": 0.7, "level": -21.0, "t": 5.0, "began": 1.5},  # whose start we have missed
    )
    assert lines[0] == "/dev/ttyACM0  listening, kernel native, a window every 2 s"
    assert lines[1].split()[:3] == ["level", "-21.0", "dB"]
    rows = [line.split()[1:] for line in lines if ":" in line[:9] and "time" not in line]
    assert rows == [
        ["cat", "0.70", "-21.0", "dB", "1.5", "5.0", "s"], ["rain", "0.95", "-28.0", "dB", "2.0", "6.5", "s"],
        ["dog", "0.80", "-20.0", "dB", "6.0"],
    ]  # fmt: skip
    (dog,) = [line for line in lines if line.startswith("dog")]
    assert dog.split()[1] == "0.80" and dog.count("█") == 16 and dog.endswith("since 6.0 s")
    (rain,) = [line for line in lines if line.startswith("rain")]
    assert rain.count("█") == 0


def test_what_has_stopped_says_why_and_what_to_do():
    message = (
        "Traceback (most recent call last):",
        '  File "main.py", line 7, in <module>',
        "HeapError: no room",
        "MicroPython v1.25.0 on",
    )
    lines = drawn(LISTENING, *({"event": "text", "label": text} for text in message))
    assert "the app has stopped: HeapError: no room" in lines
    assert "reset the board, or: l3mote deploy --rollback --port /dev/ttyACM0" in lines
    assert not [line for line in lines if "File" in line or "Traceback" in line]
    prompts = ({"event": "text", "label": text} for text in (">>>", "MPY: soft reboot", "a line of somebody's"))
    assert [line.split()[1:] for line in drawn(LISTENING, *prompts)[-1:]] == [["a", "line", "of", "somebody's"]]
    (cannot,) = [line for line in drawn({"event": "warning", "label": "cannot start: ENODEV", "t": 0}) if "stopped" in line]
    assert cannot == "the app has stopped: ENODEV"
    assert not [line for line in drawn(*({"event": "text", "label": text} for text in message), LISTENING) if "stopped" in line]


def test_a_terminal_of_80_by_24_shows_each_thing_once():
    """Everything is drawn over what was there, without ghosts."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    with Terminal([sys.executable, "-m", "l3host.cli", "monitor", "--port", os.ttyname(theirs)]) as terminal:
        speak_until(ours, json.dumps(LISTENING).encode() + b"\n", lambda: any("listening" in line for line in terminal.lines))
        for n in range(40):
            os.write(ours, b'{"event": "level", "level": %d, "t": %d}\n' % (-80 + n, n))
            os.write(ours, b'{"event": "start", "label": "a long name, %d", "score": 0.5, "level": -30, "t": %d}\n' % (n % 12, n))
            os.write(ours, b'{"event": "warning", "label": "%s", "t": %d}\n' % (b"w" * 150, n))
            threading.Event().wait(0.03)
        last = b'{"event": "warning", "label": "LAST", "t": 99}\n'
        speak_until(ours, last, lambda: any("LAST" in line for line in terminal.lines))
        threading.Event().wait(1)
        lines = terminal.lines
    assert terminal.status == 0 and terminal.scrolled == 0
    for end in (ours, theirs):
        os.close(end)
    text = "\n".join(lines)
    assert [text.count(once) for once in ("/dev/pts/", "listening", "\nlevel ", "\ntime ")] == [1, 1, 1, 1]
    assert lines[0].startswith("/dev/pts/") and "LAST" in text


def test_what_says_nothing_for_a_while_is_not_thought_gone():
    """The app writes a level every ten seconds, the emulated board every half a minute."""
    screen = Screen("/dev/ttyACM0")

    def shown(after):
        screen.latest = time.monotonic() - after
        console = Console(width=80, height=24, record=True, file=io.StringIO())
        console.print(screen)
        return "nothing has come" in console.export_text()

    assert [shown(10), shown(20)] == [False, True]
    screen.add(LISTENING)
    assert [shown(60), shown(100)] == [False, True]
