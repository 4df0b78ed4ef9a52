"""The key that versions are signed with: a file of 64 hexadecimal digits, made where there is none."""

from __future__ import annotations

import secrets
from pathlib import Path

from l3host.errors import L3Error
from l3host.files import read_bytes

KEY_BYTES = 32


def key_of(path: Path) -> bytes:
    """Return the key in a file. Where there is no such file, one is made that only its owner can read. Raises L3Error."""
    if not path.exists():
        try:
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(secrets.token_hex(KEY_BYTES) + "\n")
        except OSError as e:
            raise L3Error(f"cannot write {path}: {e.strerror}") from None
    try:
        key = bytes.fromhex(read_bytes(path, 1000).decode())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise L3Error(
            f"{path} is not a key, which has {2 * KEY_BYTES} hexadecimal digits: name another file, or a new one to have a key made"
        )
    return key
