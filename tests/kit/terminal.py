"""A program in a terminal of 80 columns and 24 lines, and what stands on its screen: pyte's idea of it, a terminal emulator."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time

import pyte

COLUMNS, LINES = 80, 24


class Terminal:
    """Runs a command; `lines` are those of the screen. When the block ends, the program gets Ctrl-C if it still runs."""

    def __init__(self, command, **options):
        self.screen = pyte.HistoryScreen(COLUMNS, LINES, history=1000)
        self.status, self.lock = None, threading.Lock()
        self.end, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = options.pop("env", os.environ)
        environment = {key: value for key, value in environment.items() if key not in ("COLUMNS", "LINES")} | {"TERM": "xterm"}
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
        self.process = subprocess.Popen(command, env=environment, start_new_session=True, **streams, **options)
        os.close(theirs)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        stream = pyte.ByteStream(self.screen)
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(self.end, 65536):
                with self.lock:
                    stream.feed(data)

    @property
    def lines(self):
        with self.lock:
            return [line.rstrip() for line in self.screen.display]

    @property
    def scrolled(self):
        """The number of lines that have left the screen at its top."""
        return len(self.screen.history.top)

    def shows(self, text, seconds=60):
        """Wait until a text stands on the screen, or the program ends."""
        end = time.monotonic() + seconds
        while text not in "\n".join(self.lines):
            assert time.monotonic() < end and self.process.poll() is None, "\n".join(self.lines)
            time.sleep(0.1)

    def close(self):
        """Wait for the program's end, after Ctrl-C if it still runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.status = self.process.wait(60)
        finally:
            self.process.kill()
            self.reader.join(30)
            os.close(self.end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
