"""Checks that a version was signed by whoever has the board's key: `l3mote deploy --sign` copies it to the board as /lib/l3sign.py.

The starter loads it only where the board holds a key, the file /l3/key. A version's file `signature` is then the HMAC-SHA256 (RFC
2104), with that key, of its manifest and of the files that this names, one behind the other. Other files are not allowed in its
folder: l3mote/plan.py would be imported instead of l3mote/plan.mpy.
"""

import os
from binascii import crc32, unhexlify

KEY, SIGNATURE, MANIFEST = "key", "signature", "manifest"
FOLDER = 0x4000  # of st_mode


def key_line(key):
    digits = key.hex().encode()
    return b"%s %08x\n" % (digits, crc32(digits))


def key_in(line):
    """Return the key of a line, or None where power failed while it was written: the board then needs no signature."""
    try:
        digits, crc = line.split()
        return unhexlify(digits) if b"%08x" % crc32(digits) == crc else None
    except ValueError:
        return None


def sign(key, blocks):
    """Return the HMAC-SHA256 with a key of at most 64 bytes. Raises ImportError where the firmware has no SHA-256."""
    import hashlib

    sha256 = getattr(hashlib, "sha256", None) or (lambda data: hashlib.new("sha256", data))  # CircuitPython's
    key = key + bytes(64 - len(key))
    inner = sha256(bytes([b ^ 0x36 for b in key]))
    for block in blocks:
        inner.update(block)
    return sha256(bytes([b ^ 0x5C for b in key]) + inner.digest()).digest()


def is_signed(root, folder):
    """Return whether a version's folder (its path ends in /) has the signature of the key in root, and no other files.

    Takes as long wherever the signature differs. Without a whole key, nothing needs a signature.
    """
    with open(root + "/" + KEY, "rb") as f:
        key = key_in(f.read(128))
    if key is None:
        return True
    try:
        names = manifested(folder)
        with open(folder + SIGNATURE, "rb") as f:
            signature = unhexlify(f.read(64))
        if others(folder, names + [SIGNATURE]):
            return False
        expected = sign(key, contents(folder, names))
    except (OSError, ValueError, ImportError):
        return False
    differs = len(signature) ^ len(expected)
    for a, b in zip(signature, expected):
        differs |= a ^ b
    return not differs


def manifested(folder):
    """Return the manifest's name and those in it."""
    with open(folder + MANIFEST, "r") as f:
        f.readline()
        return [MANIFEST] + [line.strip().split(" ", 2)[2] for line in f]


def others(folder, names, below=""):
    """Return whether a folder holds files of other names. Names with a dot in front are not counted: they cannot be imported."""
    for name in os.listdir((folder + below)[:-1]):
        path = below + name
        if os.stat(folder + path)[0] & FOLDER:
            if others(folder, names, path + "/"):
                return True
        elif name[0] != "." and path not in names:
            return True
    return False


def contents(folder, names):
    """Yield the files' blocks."""
    buffer = bytearray(1024)
    for name in names:
        with open(folder + name, "rb") as f:
            while True:
                n = f.readinto(buffer)
                if not n:
                    break
                yield memoryview(buffer)[:n]
