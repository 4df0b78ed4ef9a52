"""Files that are either the old one or the complete new one, whatever happens."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from l3host import costs
from l3host.errors import L3Error, reading


@contextmanager
def replace(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes path's place when the block ends without an exception."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")  # never a file that the user has, nor another machine
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    with replace(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def read_bytes(path: Path, most: int = costs.FILE_BYTES) -> bytes:
    """All of a file. Raises L3Error for one that cannot be read, has more bytes than `most`, or is a pipe or a device."""
    with reading(path), open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise L3Error(f"{path} is not a regular file: it may have no end")
        costs.check_size(str(path), status.st_size, most)
        return file.read()


def read_text(path: Path, most: int = costs.TEXT_BYTES) -> str:
    """All of a text file in UTF-8. Raises L3Error as read_bytes does."""
    with reading(path):
        return read_bytes(path, most).decode()


def read_json(path: Path):
    """Raises L3Error if it cannot be read."""
    with reading(path):
        return json.loads(read_text(path, costs.FILE_BYTES))


def claim_output(path: str, force: bool) -> Path:
    """A file about to be written. Raises L3Error if it is a directory or device, has no folder, or exists without `force`."""
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
