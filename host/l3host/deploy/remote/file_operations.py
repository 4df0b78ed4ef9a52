"""File operations of a deployment: sent to a board's prompt after start.py; for a CIRCUITPY drive, imported on the host."""

import os
from binascii import a2b_base64, b2a_base64, crc32, hexlify

FOLDER = 0x4000  # of st_mode
out = None  # the file being written


def sync():
    if hasattr(os, "sync"):
        os.sync()


def exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def make_folders(path):
    """Make the folder of a file, and those above it."""
    at = path.find("/", 1)
    while at > 0:
        if not exists(path[:at]):
            os.mkdir(path[:at])
        at = path.find("/", at + 1)


def begin(path):
    global out
    make_folders(path)
    out = open(path, "wb")


def more(text):
    out.write(a2b_base64(text))


def end():
    if hasattr(os, "fsync"):  # CPython's
        out.flush()
        os.fsync(out.fileno())
    out.close()


def read(path):
    """Return a small file's bytes, or None."""
    if not exists(path):
        return None
    with open(path, "rb") as f:
        return f.read()


def part(path, at, size):
    """Return bytes of a file from a position on, in base64."""
    with open(path, "rb") as f:
        f.seek(at)
        return str(b2a_base64(f.read(size)), "ascii").strip()


def names(path):
    return sorted(os.listdir(path)) if exists(path) else []


def tree(path):
    """Return (path, bytes) of all that is below a folder, files before their folders; bytes are -1 for a folder."""
    entries = []
    for name in names(path):
        inner = path + "/" + name
        stat = os.stat(inner)
        if stat[0] & FOLDER:
            entries += tree(inner)
            entries.append((inner, -1))
        else:
            entries.append((inner, stat[6]))
    return entries


def remove_tree(path):
    for inner, size in tree(path):
        (os.rmdir if size < 0 else os.remove)(inner)
    os.rmdir(path)


def remove(path):
    os.remove(path)
    sync()


def rename(path, to):
    os.rename(path, to)
    sync()


def space(path):
    """Return (free bytes, bytes of a block)."""
    stat = os.statvfs(path)
    return stat[1] * stat[3], stat[1]


def digest(path):
    """Return the SHA-256 of a file in hexadecimal, or its CRC-32 where the firmware has no hashlib; None without the file."""
    try:
        from hashlib import sha256
    except ImportError:
        sha256 = None
    if not exists(path):
        return None
    h, crc, buffer = sha256() if sha256 else None, 0, bytearray(1024)
    with open(path, "rb") as f:
        while True:
            n = f.readinto(buffer)
            if not n:
                return hexlify(h.digest()).decode() if h else "%08x" % crc
            if h:
                h.update(memoryview(buffer)[:n])
            else:
                crc = crc32(memoryview(buffer)[:n], crc)
