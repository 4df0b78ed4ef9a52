"""Where files go: a board at the end of a link, or a CIRCUITPY drive. Both run the same remote/file_operations.py and start.py."""

from __future__ import annotations

import base64
import binascii
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from l3host.deploy import answers, remote
from l3host.deploy.links import Link
from l3host.deploy.remote import file_operations
from l3host.errors import L3Error
from l3mote import start

PART = 1500  # bytes sent or read at a time: the board holds their base64 and the compiled line
READ = 600  # seconds in which a file must be read
MOST_BYTES = 1 << 26  # of a file on a drive; its /l3 holds at most so many files, so deep:
MOST_FILES, MOST_DEPTH = 10_000, 8
NO_PATHS = ("sync", "more", "end", "space")  # functions whose arguments are none, or the drive itself


class Target:
    """Where a deployment's files go. root: what paths there begin with ("" on a board).

    `call` runs a function of start.py or remote/file_operations.py there.
    """

    root = ""

    def call(self, name: str, *arguments):
        raise NotImplementedError

    def write(self, path: str, data: bytes, progress: Callable[[int], None]) -> None:
        """Write a file, making its folders; progress is called with the bytes sent."""
        self.call("begin", path)
        for at in range(0, len(data), PART):
            part = data[at : at + PART]
            self.call("more", base64.b64encode(part).decode())
            progress(len(part))
        self.call("end")


class Board(Target):
    """A board at the end of a link. root is set once the board has said where its flash is."""

    def __init__(self, link: Link):
        self.link = link
        self.clean = True  # just reset
        self.prepared = False

    def reset(self) -> None:
        if not self.clean:
            self.link.reset()
        self.link.exec(remote.source("feed"))
        self.clean = self.prepared = False  # it will be used at once

    def restarted(self) -> None:
        """Note that the board's app runs, or has ended: the next call resets the board."""
        self.clean = self.prepared = False

    def prepare(self) -> None:
        """Put the functions into the memory of the board's prompt."""
        self.reset()
        for source in (Path(start.__file__).read_text(encoding="utf-8"), remote.source("file_operations")):
            self.link.exec(source)
        self.prepared = True

    def call(self, name, *arguments):
        if not self.prepared:
            self.prepare()
        printed = self.link.exec(f"print(repr({name}({', '.join(map(repr, arguments))})))")
        return answers.parsed(printed, answers.ANSWERS.get(name), self.link.port)

    def read(self, path: str) -> bytes:
        """Return a file of any size. Raises L3Error, also for a board that takes longer than READ seconds."""
        data, end = b"", time.monotonic() + READ
        while len(data) < MOST_BYTES and time.monotonic() < end:
            try:
                part = base64.b64decode(self.call("part", path, len(data), PART), validate=True)
            except binascii.Error:
                raise L3Error(f"the board on {self.link.port} does not give the bytes of {path}: reset it and try again") from None
            data += part
            if len(part) < PART:
                return data
        raise L3Error(
            f"{path} on the board takes more than {READ} s, or has more than {MOST_BYTES} bytes: no file of l3mote's does"
        )

    def fresh(self, code: str, shape=dict) -> dict:
        """Run a script whose last line is a dict of this shape (see answers.py), in a heap that a reset has emptied."""
        self.reset()
        return answers.parsed((self.link.exec(code).strip().splitlines() or [""])[-1], shape, self.link.port)


class Drive(Target):
    """A CIRCUITPY drive. No path leaves its folder and no link is followed, whatever the drive's files say."""

    def __init__(self, folder: str):
        self.root = os.path.realpath(folder)

    def call(self, name, *arguments):
        function = getattr(file_operations, name, None) or getattr(start, name)
        try:
            if name not in NO_PATHS:
                for path in [argument for argument in arguments if isinstance(argument, str) and os.path.isabs(argument)]:
                    self.guard(path)
            return function(*arguments)
        except OSError as e:
            raise L3Error(f"{self.root}: {e.strerror or e}: is the drive still there, and is it writable?") from None

    def guard(self, path: str) -> None:
        """Raise L3Error unless a path is inside and it, what leads there and what is below are files and folders of a sane size."""
        inner = os.path.relpath(os.path.normpath(path), self.root)
        if inner == os.curdir or inner.split(os.sep)[0] == os.pardir:
            raise L3Error(f"{path}: outside of the drive {self.root}")
        at = self.root
        for part in inner.split(os.sep):
            at = os.path.join(at, part)
            if not os.path.lexists(at):
                return
            check_kind(at)
        if os.path.isdir(at):
            check_below(at)


def check_kind(path: str) -> None:
    """Raise L3Error for anything but a folder or a file that may be read."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        raise L3Error(f"{path} is a link, which l3mote does not follow on a drive: delete it")
    if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
        raise L3Error(f"{path} is neither a file nor a folder: delete it")
    if stat.S_ISREG(status.st_mode) and status.st_size > MOST_BYTES:
        raise L3Error(f"{path} has {status.st_size} bytes, files of a board have at most {MOST_BYTES}: delete it")


def check_below(folder: str) -> None:
    """Check all that is below a folder, which must not be deep or hold much."""
    count, waiting = 0, [(folder, 0)]
    while waiting:
        at, depth = waiting.pop()
        names = os.listdir(at)
        count += len(names)
        if count > MOST_FILES or depth > MOST_DEPTH:
            raise L3Error(f"{folder} holds more than l3mote ever writes there: delete it")
        for path in [os.path.join(at, name) for name in names]:
            check_kind(path)
            if os.path.isdir(path):
                waiting.append((path, depth + 1))
