"""Where files go: a board at the end of a link, or a CIRCUITPY drive. Both run the same board/files.py and start.py."""

from __future__ import annotations

import ast
import base64
import os
from collections.abc import Callable
from pathlib import Path

from l3host.deploy.board import files
from l3host.deploy.links import Link
from l3host.errors import L3Error
from l3mote import start

HERE = Path(__file__).parent
PART = 1500  # bytes sent at a time: the board holds their base64 and the compiled line


class Target:
    """root: what board paths begin with ("" on a board). call(name, *arguments) runs a function of files.py or start.py there."""

    root = ""

    def call(self, name: str, *arguments):
        raise NotImplementedError

    def write(self, path: str, data: bytes, progress: Callable[[int], None]) -> None:
        """Write a file, making its folders; progress is told of the bytes sent."""
        self.call("begin", path)
        for at in range(0, len(data), PART):
            part = data[at : at + PART]
            self.call("more", base64.b64encode(part).decode())
            progress(len(part))
        self.call("end")


class Board(Target):
    """root is set once the board has said where its flash is."""

    def __init__(self, link: Link):
        self.link = link
        self.clean = True  # just reset
        self.prepared = False

    def reset(self) -> None:
        if not self.clean:
            self.link.reset()
        self.clean = self.prepared = False  # it will not be clean for long

    def restarted(self) -> None:
        """Its app runs, or has ended: the next call resets it."""
        self.clean = self.prepared = False

    def prepare(self) -> None:
        """Put the functions into the memory of the board's prompt."""
        self.reset()
        for source in (Path(start.__file__), HERE / "board" / "files.py"):
            self.link.exec(source.read_text(encoding="utf-8"))
        self.prepared = True

    def call(self, name, *arguments):
        if not self.prepared:
            self.prepare()
        printed = self.link.exec(f"print(repr({name}({', '.join(map(repr, arguments))})))")
        return ast.literal_eval(printed.strip())

    def fresh(self, code: str):
        """Run a script that prints a literal, in a heap that a reset has emptied."""
        self.reset()
        return ast.literal_eval(self.link.exec(code).strip().splitlines()[-1])


class Drive(Target):
    def __init__(self, folder: str):
        self.root = os.path.abspath(folder)

    def call(self, name, *arguments):
        function = getattr(files, name, None) or getattr(start, name)
        try:
            return function(*arguments)
        except OSError as e:
            raise L3Error(f"{self.root}: {e.strerror or e}: is the drive still there, and is it writable?") from None
