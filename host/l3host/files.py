"""Reading files, and replacing them: a file is the old one or the complete new one, whatever happens."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from l3host import costs
from l3host.errors import L3Error, reading


@contextmanager
def replace(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; it replaces `path` if the block ends without an exception."""
    import secrets  # which --help does not need

    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")  # never a file of the user's, nor another machine
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    with replace(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def read_bytes(path: Path, most: int = costs.FILE_BYTES) -> bytes:
    """Return all of a file. Raises L3Error if it cannot be read, has more than `most` bytes, or is a pipe or a device."""
    with reading(path), open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise L3Error(f"{path} is not a regular file: it may have no end")
        costs.check_size(str(path), status.st_size, most)
        return file.read()


def read_text(path: Path, most: int = costs.TEXT_BYTES) -> str:
    """Return all of a text file in UTF-8. Raises L3Error as read_bytes does."""
    with reading(path):
        return read_bytes(path, most).decode()


def read_json(path: Path):
    """Parse a JSON file. Raises L3Error if it cannot be read."""
    with reading(path):
        return json.loads(read_text(path, costs.FILE_BYTES))


def claim_output(path: str, force: bool) -> Path:
    """Return the path of a file to write. Raises L3Error for a directory, a device, no folder, or, unless `force`, a file."""
    out = Path(path)
    if out.is_dir():
        raise L3Error(f"{path} is a directory: name a file")
    if out.exists() and not out.is_file():
        raise L3Error(f"{path} is not a regular file: it would be replaced, not written to")
    if not out.parent.is_dir():
        raise L3Error(f"no such directory: {out.parent}")
    if out.exists() and not force:
        raise L3Error(f"{path} exists: --force overwrites it")
    return out


def write_bytes(path: Path, data: bytes) -> None:
    """Write all of it or nothing. Raises L3Error (disk full, no permission)."""
    try:
        with replace(path) as temporary:
            temporary.write_bytes(data)
    except OSError as e:
        raise L3Error(f"cannot write {path}: {e.strerror}; nothing was written") from None


@contextmanager
def csv_rows(path: Path | None) -> Iterator[Callable[[tuple], None]]:
    """Give a function that writes a row, which is in the file at once; without a path it does nothing."""
    import csv  # which --help does not need

    if path is None:
        yield lambda row: None
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)

        def write(row: tuple) -> None:
            rows.writerow(row)
            file.flush()

        yield write
