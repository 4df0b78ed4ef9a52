"""A board's Python prompt through the tools that people have: mpremote, or Adafruit's ampy. Both are driven as libraries."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import struct
import time
from collections.abc import Iterator
from typing import Any

from l3host.deploy.line import EndlessError, Line
from l3host.errors import L3Error

SILENCE = 60  # seconds without a byte after which a board that answered before counts as gone
ANSWER = 15  # seconds within which a board must answer at all
WORK = 180  # seconds that a call takes on a board, at most: a self-test in plain Python is slow
START = 300  # seconds that it may print after a restart: starting.py gives up before
MOST_BYTES = 1 << 18  # of an answer: a board's own program in hexadecimal escapes
MOST_REASON = 300  # characters of a board's error that are shown
SAFE_MODE = "Start it without its program (safe mode, or erase the flash and put MicroPython there again)"
BANNERS = (b"MicroPython v", b"Adafruit CircuitPython", b"rst:0x")  # of a board that starts
PROMPT = b">>> "
END = b"\x04"  # of what code has printed, and of its error, at the raw prompt
BAUD = 115200


class BoardError(L3Error):
    """Python on the board raised an exception; .traceback is what it printed."""

    def __init__(self, traceback: str):
        self.traceback = traceback
        super().__init__(f"on the board: {(traceback.strip() or 'no reason given').splitlines()[-1][:MOST_REASON]}")


class Link:
    """One connection to a board's raw prompt, freshly reset: its main.py does not run. port: a serial device. Raises L3Error."""

    errors: tuple = ()  # that the tool raises
    tool: Any  # with the serial line as .serial
    line: Any = None  # a Line, once it is open

    def __init__(self, port: str):
        self.port = port
        self.started = False  # whether the board runs its program
        with self.translated():
            self.open()
            self.line = self.tool.serial = Line(self.tool.serial, ANSWER)
        self.reset()

    def open(self) -> None:
        """Set self.tool, which has the serial line as .serial."""
        raise NotImplementedError

    def enter(self) -> None:
        """Reset the board into the raw prompt."""
        raise NotImplementedError

    def reset(self) -> None:
        """Empty the board's heap."""
        self.started = False
        with self.translated():
            self.interrupt()
            self.enter()

    def interrupt(self) -> None:
        """Get the board to its friendly prompt. Sends it more than once: while a board starts it misses a Ctrl-C."""
        printed, end = b"", time.monotonic() + ANSWER
        self.line.allow(2 * ANSWER, MOST_BYTES)
        while not printed.endswith(PROMPT):
            if time.monotonic() > end:
                raise OSError("no prompt")
            self.line.write(b"\r\x03\x02")
            printed = self.line.read_until(PROMPT, 0.5)
        self.line.allow(4 * ANSWER, MOST_BYTES)

    def exec(self, code: str) -> str:
        """Run code and return what it printed. Raises BoardError, or L3Error when the board does not answer."""
        with self.translated(working=True):
            self.line.allow(WORK, MOST_BYTES)
            printed, error = self.tool.exec_raw(code, timeout=SILENCE)
        if error:
            raise BoardError(error.decode(errors="replace"))
        return printed.decode(errors="replace")

    def stream(self, code: str) -> Iterator[bytes]:
        """Run code and give the lines that it prints as they come, b"" where none came in half a second. Ctrl-C when it is closed.

        Raises BoardError, or L3Error when the board does not answer.
        """
        with self.translated(working=True):
            self.line.allow(ANSWER, MOST_BYTES)
            self.tool.exec_raw_no_follow(code)
        line = b""
        try:
            while True:
                with self.translated(working=True):
                    self.line.allow(ANSWER, MOST_BYTES)
                    line += self.line.read_until((b"\n", END), 0.5)
                if line.endswith(END):
                    break
                if line.endswith(b"\n"):
                    yield line
                    line = b""
                else:
                    yield b""
            with self.translated(working=True):
                error = self.line.read_until(END, ANSWER)[:-1]
            if error:
                raise BoardError(error.decode(errors="replace"))
        finally:
            if not line.endswith(END):
                self.interrupt()

    def start(self) -> None:
        """Let the board start again, with its main.py. What it prints can be read."""
        with self.translated():
            self.tool.exit_raw_repl()
            self.tool.serial.write(b"\x04")
            self.tool.serial.flush()
            self.line.allow(START, MOST_BYTES)
        self.started = True

    def read(self) -> bytes:
        """Return what the board has printed: at most a line, b"" after half a second without."""
        with self.translated():
            return self.line.read_until(b"\n", 0.5)

    def close(self) -> None:
        """Leave the board running, with its main.py."""
        if not self.started:
            with contextlib.suppress(L3Error):
                self.start()
        with contextlib.suppress(OSError):
            self.tool.close()

    @contextlib.contextmanager
    def translated(self, working: bool = False) -> Iterator[None]:
        """Turn the tools' many errors for a dead line into one."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # both tools print input that they did not expect
                yield
        except (*self.errors, OSError, IndexError, ValueError, struct.error) as e:
            reason = str(e.args[0] if e.args else e) or type(e).__name__
            raise L3Error(f"the board on {self.port} {self.symptom(e, reason, working)}") from None

    def symptom(self, error: Exception, reason: str, working: bool) -> str:
        """Return what is wrong, and what to do, judged by what came last. working: it was at its prompt, with work to do."""
        tail = self.line.tail if self.line else b""
        if isinstance(error, EndlessError) and tail:
            return "does not stop printing: its program does not end at Ctrl-C, or this is not MicroPython. " + SAFE_MODE
        if working and any(banner in tail for banner in BANNERS):
            return f"restarted during the work ({reason}): does its program run a watchdog? " + SAFE_MODE
        if reason == "no prompt" and tail.strip(b"\r\n\x03\x02"):
            return "keeps running its program, which does not end at Ctrl-C. " + SAFE_MODE
        return f"does not answer ({reason}): unplugged, reset by a watchdog, or no MicroPython?"


class Mpremote(Link):
    def open(self):
        from mpremote.transport import TransportError
        from mpremote.transport_serial import SerialTransport

        self.errors = (TransportError,)
        self.tool = SerialTransport(self.port, BAUD)

    def enter(self):
        self.tool.enter_raw_repl(soft_reset=True, timeout_overall=ANSWER)


class Ampy(Link):
    def open(self):
        from ampy.pyboard import Pyboard, PyboardError

        self.errors = (PyboardError,)
        self.tool = Pyboard(self.port, BAUD)

    def enter(self):
        self.tool.enter_raw_repl()


TOOLS = {"mpremote": Mpremote, "ampy": Ampy}
REASONS = {
    errno.ENOENT: "there is no such port",
    errno.EACCES: "permission denied: add yourself to the group that may use it (dialout, uucp)",
    errno.EBUSY: "busy: close the program that has it open",
    errno.EAGAIN: "busy: close the program that has it open",
    errno.EWOULDBLOCK: "busy: close the program that has it open",
    errno.ENOTTY: "not a serial port",
    errno.EISDIR: "a folder, but not a CIRCUITPY drive: boot_out.txt is missing",
}


AUTO = "auto"


def port_of(port: str) -> str:
    """Return the port that is meant: for AUTO the only one with something at a USB. Raises L3Error."""
    if port != AUTO:
        return port
    result = [p for p in ports() if p.vid is not None]
    if len(result) == 1:
        return result[0].device
    if not result:
        raise L3Error("--port auto: no board is there; many cables only charge. `l3mote board` emulates one and names its port")
    several = ", ".join(f"{p.device} ({p.description})" for p in result)
    raise L3Error(f"--port auto: there is more than one, name it: {several}")


def ports() -> list:
    """Return the serial ports of this computer as pyserial describes them. Raises L3Error where that is not installed."""
    try:
        from serial.tools import list_ports
    except ImportError:
        raise L3Error("boards are reached through pyserial and mpremote: pip install 'l3mote[deploy]'") from None
    return list_ports.comports()


def check_port(port: str) -> None:
    """Raise L3Error, with the reason and the ports of this machine, for a port that cannot be opened."""
    there = ports()
    import serial

    if os.path.isdir(port):
        raise L3Error(f"{port}: {REASONS[errno.EISDIR]}")
    try:
        serial.serial_for_url(port, BAUD, exclusive=True).close()
    except OSError as e:
        match = re.search(r"\((\d+), ", str(e))  # pyserial keeps some numbers in its text only
        number = e.errno or (int(match.group(1)) if match else None)
        reason = (number and REASONS.get(number)) or (REASONS[errno.EBUSY] if "lock" in str(e) else str(e))
        names = ", ".join(p.device for p in there) or "none"
        hint = f" (ports here: {names})" if number == errno.ENOENT else ""
        raise L3Error(f"{port}: {reason}{hint}") from None


@contextlib.contextmanager
def connected(port: str, tool: str = "mpremote") -> Iterator[Link]:
    """Give a link; when the block ends the board starts its program again. Raises L3Error."""
    check_port(port)
    try:
        link = TOOLS[tool](port)
    except ImportError:
        raise L3Error(f"--tool {tool} needs it installed: pip install 'l3mote[deploy]'") from None
    try:
        yield link
    finally:
        link.close()
