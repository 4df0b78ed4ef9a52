"""The command line against a board, and what a board's app says."""

import json
import time

import serial

from l3host.cli import main
from l3host.deploy import facts, monitor
from l3host.emulate import rp2040

PICO = facts.Facts(
    "micropython", (1, 25, 0), "Raspberry Pi Pico with RP2040", mpy=4870, float_bits=32, ulab=False, viper=True, hashlib=True,
    heap=241_000, folder="/", flash=1_400_000, writable=True,
)  # fmt: skip


def l3mote(capsys, *arguments):
    """(status, what it printed: JSON if it is, else stderr)."""
    status = main([*map(str, arguments)])
    out, err = capsys.readouterr()
    return status, json.loads(out) if status == 0 and "--json" in arguments else out + err


def monitored(port):
    """Events from the board, each within a minute."""
    last_line = time.monotonic()
    for event in monitor.events(port):
        assert time.monotonic() - last_line < 60, "the app says nothing"
        if event:
            last_line = time.monotonic()
            yield event


# the README's command, and starts of what it brings

PINS = {"sck": 16, "ws": 17, "sd": 18}
COMMAND = ["deploy", "esc10", *(word for key, pin in PINS.items() for word in ("--set", f"{key}={pin}"))]
FEW = 180_000  # bytes of heap free at the prompt, as Wi-Fi firmware leaves them


def put(fs, path, data):
    """A file, with its folders, into a file system."""
    fs.makedirs(path.rpartition("/")[0] or "/", exist_ok=True)
    with fs.open(path, "wb") as f:
        f.write(data)


def with_heap(image, free=None):
    """An image whose boot.py leaves so many bytes free; None: all of them."""
    fs = rp2040.file_system(image)
    boot = f"import gc\ngc.collect()\ntaken = bytearray(gc.mem_free() - {free})\n" if free else ""
    put(fs, "/boot.py", boot.encode())
    return rp2040.dump(fs)


def first_line(port):
    """What the app says first but that it was started."""
    begun = time.monotonic()
    for event in monitor.events(port):
        if event and event["event"] != "text" and event.get("label") != "started":
            return event
        assert time.monotonic() - begun < 180, "the app says nothing"
    raise AssertionError("the board is gone")


def soft_reboot(port):
    with serial.Serial(port, exclusive=True, timeout=1) as line:
        while b">>> " not in line.read_until(b">>> "):
            line.write(b"\r\x03\x02")
        line.write(b"\x04")
