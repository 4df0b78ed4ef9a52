"""Start a deployed version: restart the board, read from its lines whether the app listens, undo one that does not start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from l3host.deploy import steps
from l3host.deploy.links import PROMPT, Link
from l3host.deploy.monitor import parsed
from l3host.deploy.targets import Board
from l3host.errors import L3Error
from l3mote import start

SECONDS = 180  # in which an app says that it listens: a Pico takes 5
MOST = 65536  # bytes that it may print until then
REBOOTED = b"soft reboot"  # output before this is from the prompt
ENDED = b"Press any key to enter the REPL"  # CircuitPython's, once no code runs, where MicroPython has its prompt
CANNOT = "cannot start: "  # app.py's warning


def app_of(board: Board, version: str) -> str:
    """Return the app that a version's manifest names."""
    manifest = board.call("read", f"{board.root}{start.ROOT}/{version}/{start.MANIFEST}") or b""
    return manifest.partition(b"\n")[0].decode(errors="replace")


def printed(link: Link) -> Iterator[bytes]:
    """Yield what a board prints after its restart, piece by piece, b"" twice a second when it is silent.

    Ends after SECONDS, or MOST bytes.
    """
    deadline, size = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline and size < MOST:
        piece = link.read()
        size += len(piece)
        yield piece


def failure(link: Link) -> str | None:
    """Restart the board with its main.py. Return None once its app says that it listens, else one line: why it does not."""
    link.start()
    text = b""
    for piece in printed(link):
        text += piece
        _, _, output = text.partition(REBOOTED)
        lines = output.split(b"\n")[:-1]
        for line in lines:
            event = parsed(line) or {}
            label = str(event.get("label", ""))
            if event.get("event") == "status" and label == "listening":
                return None
            if event.get("event") == "warning" and label.startswith(CANNOT):
                return label[len(CANNOT) :]
        if output.endswith(PROMPT) or ENDED in output:
            return last_words(lines)
    return f"it prints {MOST} bytes without saying that it listens" if len(text) >= MOST else f"it says nothing for {SECONDS} s"


def last_words(lines: list[bytes]) -> str:
    """Return the last line of a program that ended: its traceback's, before the prompt's greeting."""
    texts = [line.decode(errors="replace").strip() for line in lines]
    for i, text in enumerate(texts):
        if text.startswith(("MicroPython v", "Adafruit CircuitPython", "Code done running")):
            texts = texts[:i]
            break
    return next((text for text in reversed(texts) if text), "it ended without printing anything")


def try_out(board: Board, result: dict, say: Callable[[str], None]) -> None:
    """Start the version that steps.deploy brought. Raises L3Error where it does not listen; the board is then as it was before."""
    version, before = result["version"], result["before"]
    say(f"starting {version}")
    reason = failure(board.link)
    if reason is None:
        return
    board.restarted()
    if before == version:
        raise L3Error(f"{version} does not start: {reason}. It is the version that was there before: it stays")
    steps.take_back(board, version, before)
    if before is None:
        raise L3Error(f"{version} does not start: {reason}. No version was there before: it is removed, the board starts none")
    raise L3Error(f"{version} does not start: {reason}. {again(board, before, say)}")


def with_key(board: Board, version: str, key: bytes, say: Callable[[str], None]) -> None:
    """Give a board the key of the version that runs, and start that again.

    Raises L3Error if it does not listen then; the key is removed.
    """
    board.restarted()
    steps.install_key(board, key)
    say(f"starting {version} by its signature")
    reason = failure(board.link)
    if reason is None:
        return
    board.restarted()
    steps.remove_key(board)
    raise L3Error(f"{version} does not start by its signature: {reason}. The board has no key again, and keeps the version")


def again(board: Board, version: str, say: Callable[[str], None]) -> str:
    """Start the previous version again; return a sentence with the outcome."""
    if app_of(board, version) == start.NO_APP:
        return f"{version} is the board's version again"
    say(f"starting {version} again")
    reason = failure(board.link)
    return f"{version} listens again" if reason is None else f"{version}, which was there before, does not start either: {reason}"


def check(board: Board, version: str, say: Callable[[str], None]) -> bool:
    """Start a version after a rollback. Return whether its app listens. Raises L3Error if it should and does not."""
    if app_of(board, version) == start.NO_APP:
        return False
    say(f"starting {version}")
    reason = failure(board.link)
    if reason:
        board.restarted()
        raise L3Error(f"{version} is the board's version again, and does not start: {reason}")
    return True
