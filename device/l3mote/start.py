"""The starter: finds the deployed version that runs, and runs it. `l3mote deploy` copies it to the board as /lib/l3start.py.

A version is a folder /l3/NAME-CRC: the package, model.l3m, settings.json, and a manifest, whose first line names the app and
whose others are "CRC-32 bytes path" of each file. CRC is that of the manifest, so the name vouches for every byte.

Two slots, /l3/current.0 and .1, each hold one line: sequence, version, CRC-32 of the line so far. The higher sequence runs if
its version is whole, else the other. Deploying writes the slot that does not run, so no file system has to replace a file.

A drive's slots and manifests are also read by the computer that deploys to it, and somebody may have written them to harm it:
what they name has to be a version, or a file in one, and its size is checked before it is read.

Where the board holds a key, /l3/key (`l3mote deploy --sign`), a version must be signed with it: see signature.py.
"""

import gc
import json
import os
import sys
from binascii import crc32

ROOT = "/l3"  # below the flash's folder, which is / or, on STM32 and nRF, /flash
MANIFEST = "manifest"
MANIFEST_BYTES = 16384  # at most
VERSION_BYTES = 1 << 26  # of all files of a version, at most
CHECKER = "l3mote.signature" if __name__ == "l3mote.start" else "l3sign"  # on a board it lies beside the starter
NO_APP = "none"


def home():
    """Return ROOT on this board: every port starts in its flash's folder."""
    flash = os.getcwd()
    return ROOT if flash == "/" else flash + ROOT


def slot_path(root, slot):
    return "%s/current.%d" % (root, slot)


def slot_line(sequence, version):
    text = b"%d %s " % (sequence, version.encode())
    return text + b"%08x\n" % crc32(text)


def is_version(name):
    """Return whether this is NAME-CRC, and not a path."""
    if not 10 <= len(name) <= 64 or name[-9] != "-" or name[0] == ".":
        return False
    for c in name:
        if not ("a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c in ".+-_"):
            return False
    return all([c in "0123456789abcdef" for c in name[-8:]])


def is_inside(path):
    """Return whether this relative path stays in its folder, on any system."""
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return False
    return all([c not in ":\\" and ord(c) >= 32 for c in path])


def read_slot(root, slot):
    """Return (sequence, version), or None where the slot is missing or damaged, or does not name a version."""
    try:
        with open(slot_path(root, slot), "rb") as f:
            data = f.read(256)
        sequence, version, _ = data.split(b" ")
        entry = int(sequence), version.decode()
    except (OSError, ValueError):  # UnicodeError is a ValueError
        return None
    return entry if is_version(entry[1]) and slot_line(*entry) == data else None


def slots(root):
    """Return (sequence, version, slot) of each valid slot, the newest first."""
    entries = []
    for slot in (0, 1):
        entry = read_slot(root, slot)
        if entry:
            entries.append((entry[0], entry[1], slot))
    return sorted(entries, reverse=True)


def check(path):
    """Return (CRC-32, bytes) of a file."""
    crc = size = 0
    buffer = bytearray(1024)
    view = memoryview(buffer)
    with open(path, "rb") as f:
        while True:
            n = f.readinto(buffer)
            if not n:
                return crc, size
            crc = crc32(view[:n], crc)
            size += n


def damage(root, version):
    """Return the file of a version that is missing or damaged, or None when it is whole."""
    folder = root + "/" + version + "/"
    name, left = MANIFEST, VERSION_BYTES
    try:
        if os.stat(folder + MANIFEST)[6] > MANIFEST_BYTES or "%08x" % check(folder + MANIFEST)[0] != version[-8:]:
            return MANIFEST
        with open(folder + MANIFEST, "r") as f:
            f.readline()
            for line in f:
                crc, size, name = line.strip().split(" ", 2)
                size = int(size)
                left -= size
                if not is_inside(name) or left < 0 or os.stat(folder + name)[6] != size:
                    return name
                if check(folder + name) != (int(crc, 16), size):
                    return name
    except (OSError, ValueError):
        return name
    return None if is_signed(root, folder) else "signature"


def is_signed(root, folder):
    """Return whether a version has the signature that the board asks for. Nothing is loaded where the board holds no key."""
    try:
        os.stat(root + "/key")
    except OSError:
        return True
    try:
        return __import__(CHECKER, None, None, ("is_signed",)).is_signed(root, folder)
    except Exception:  # the checker is missing or damaged
        return False


def running(root):
    """Return (slot, version, complaints) of the version that starts; slot and version are None when none does."""
    complaints = []  # type: list
    for _, version, slot in slots(root):
        damaged = damage(root, version)
        if damaged is None:
            return slot, version, complaints
        complaints.append("version %s is damaged: %s" % (version, damaged))
    return None, None, complaints


def say(**event):
    event["t"] = 0
    print(json.dumps(event))


def enable(root=None):
    """Put the running version's package first in sys.path, for a main.py of your own; returns its folder, where model.l3m is.

    Raises OSError when no version is whole.
    """
    root = root or home()
    _, version, complaints = running(root)
    for complaint in complaints:
        say(event="warning", label=complaint)
    if version is None:
        raise OSError("nothing to start in %s: l3mote deploy copies a version there" % root)
    folder = root + "/" + version
    sys.path.insert(0, folder)
    say(event="status", label="started", version=version)
    return folder


def run(root=None):
    """Start the running version's app, if it has one: the deployed main.py calls this."""
    folder = enable(root)
    with open(folder + "/" + MANIFEST, "r") as f:
        app = f.readline().strip()
    if app == NO_APP:
        return
    start = getattr(__import__("l3mote.app", None, None, (app,)), app)
    if hasattr(gc, "mem_free"):  # the starter's own heap, 2 kB, is for the app
        for name in (__name__, CHECKER):
            sys.modules.pop(name, None)
        globals().clear()
    start(folder)


WHOLE = True  # the last line: a file that was cut short does not have it
