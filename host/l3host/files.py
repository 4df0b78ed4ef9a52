"""Files that are either the old one or the complete new one, whatever happens."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from l3host.errors import L3Error


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


def read_json(path: Path):
    """Raises L3Error if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise L3Error(f"cannot read {path}: {e}") from None


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
