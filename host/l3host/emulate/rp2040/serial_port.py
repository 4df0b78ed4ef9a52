"""The emulated Pico on a pseudo-terminal, for programs that expect a serial port: mpremote connect /dev/pts/N."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import tempfile
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from l3host.emulate import rp2040


@dataclass
class Board:
    port: str  # path of the pseudo-terminal
    process: subprocess.Popen
    image: bytes | None = None  # its file system as the power cut left it, once the block has ended

    @property
    def running(self) -> bool:
        return self.process.poll() is None


@contextlib.contextmanager
def board(image: bytes | None = None) -> Iterator[Board]:
    """Run a board with this LittleFS image, or an empty one, until the block ends and cuts its power. Clients may come and go."""
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)  # stays open here, so the line survives when a client closes it
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        files = Path(temporary, "files")
        files.write_bytes(rp2040.dump(rp2040.file_system()) if image is None else image)
        process = subprocess.Popen(rp2040.command(files), stdin=ours, stdout=ours, start_new_session=True)
        connected = Board(os.ttyname(theirs), process)
        try:
            yield connected
        finally:
            os.close(theirs)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:  # a client still has the line open
                os.killpg(process.pid, signal.SIGKILL)  # node may be the child of a wrapper
                process.wait()
            os.close(ours)
            connected.image = files.read_bytes()
