"""The order of a deployment. Whatever step is the last that happens, the board starts the version before it or the new one, whole:

files of the new version, which nothing refers to yet -> compared with ours -> self-test -> starter -> slot -> main.py (once).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from l3host.deploy.payload import Payload
from l3host.deploy.targets import Target
from l3host.errors import L3Error
from l3mote import start

VERSION = re.compile(r".+-[0-9a-f]{8}")
STARTER = "/lib/l3start.py"
SHADOW = "/l3start.py"  # found before STARTER by import
PROGRAM = b"# l3mote deploy wrote this: it starts the version that /l3 names\nimport l3start\n\nl3start.run()\n"
SPARE_BLOCKS = 4  # of a file system, for what it writes besides

Progress = Callable[[int], None]


def ignore(n: int) -> None:
    """No progress wanted."""


def same(data: bytes, digest: str | None) -> bool:
    """Is this file.digest()'s answer for these bytes?"""
    if digest is None:
        return False
    return digest == (hashlib.sha256(data).hexdigest() if len(digest) == 64 else f"{zlib.crc32(data):08x}")


def versions(target: Target) -> list[str]:
    """Versions that the slots name, the one to run first in front."""
    return [version for _, version, _ in target.call("slots", target.root + start.ROOT)]


def remove_leftovers(target: Target, keep: list[str]) -> None:
    """Version folders that no slot names: older ones, and what an interrupted deployment of something else left."""
    root = target.root + start.ROOT
    for name in target.call("names", root):
        if VERSION.fullmatch(name) and name not in keep:
            target.call("remove_tree", f"{root}/{name}")


def lacking(target: Target, payload: Payload) -> dict[str, bytes]:
    """Files of the version that are not yet on the board, or differ there. An interrupted deployment goes on with these."""
    folder = f"{target.root}{start.ROOT}/{payload.version}"
    sizes = dict(target.call("tree", folder))
    found = {}
    for path, data in payload.files.items():
        at = f"{folder}/{path}"
        if sizes.get(at) != len(data) or not same(data, target.call("digest", at)):
            found[path] = data
    return found


def blocks(sizes: list[int], block: int) -> int:
    return sum(-(-size // block) for size in sizes)


def make_room(target: Target, files: dict[str, bytes], spare: str | None) -> None:
    """Raises L3Error, before anything is written, if the files do not fit. The version called `spare` goes only if they need it."""
    free, block = target.call("space", target.root + "/")
    folders = {str(Path(path).parent) for path in files}
    needed = block * (blocks([len(data) for data in files.values()], block) + 2 * len(folders) + SPARE_BLOCKS)
    if needed <= free:
        return
    folder = f"{target.root}{start.ROOT}/{spare}"
    freed = block * blocks([size for _, size in target.call("tree", folder) if size > 0], block) if spare else 0
    if needed > free + freed:
        raise L3Error(f"flash full: {needed} bytes are needed, {free + freed} are free or can be: delete files. Nothing changed")
    target.call("remove_tree", folder)


def copy(target: Target, payload: Payload, files: dict[str, bytes], progress: Progress) -> None:
    for path, data in files.items():
        target.write(f"{target.root}{start.ROOT}/{payload.version}/{path}", data, progress)
    target.call("sync")
    wrong = ", ".join(lacking(target, payload))
    if wrong:
        raise L3Error(f"{wrong}: not the bytes that were sent. The board keeps its version; deploy again, or check its flash")


def write_new(target: Target, path: str, data: bytes) -> None:
    """A file that is not there, in one step: written beside, then renamed."""
    target.write(path + ".tmp", data, ignore)
    target.call("rename", path + ".tmp", path)


def install_starter(target: Target) -> None:
    """STARTER, where it is not there or is another. It is never missing on the way: a copy stands in that is imported before it."""
    data, root = Path(start.__file__).read_bytes(), target.root
    if target.call("read", root + STARTER) != data:
        if target.call("exists", root + STARTER):
            if target.call("exists", root + SHADOW):  # from an interrupted deployment
                target.call("remove", root + SHADOW)
            write_new(target, root + SHADOW, data)
            target.call("remove", root + STARTER)
        write_new(target, root + STARTER, data)
    if target.call("exists", root + SHADOW):
        target.call("remove", root + SHADOW)


def set_aside(target: Target, path: str) -> None:
    """Rename somebody's own program."""
    kept = path[: -len(".py")] + ".before.py"
    if target.call("exists", kept):
        raise L3Error(f"{path} is not l3mote's, and {kept} exists: rename one of them, or use --app none and call l3start yourself")
    target.call("rename", path, kept)


def install_program(target: Target, circuitpython: bool) -> None:
    """main.py, or code.py in front of it on CircuitPython. A program of the user's own is kept as NAME.before.py."""
    main, code = f"{target.root}/main.py", f"{target.root}/code.py"
    if circuitpython and not target.call("exists", code):
        return write_new(target, code, PROGRAM)
    program = target.call("read", code if circuitpython else main)
    if program == PROGRAM:
        return None
    if circuitpython:  # code.py starts before main.py, so one of them is always whole
        if target.call("exists", main):
            set_aside(target, main)
        write_new(target, main, PROGRAM)
        set_aside(target, code)
        return target.call("rename", main, code)
    if program is not None:
        set_aside(target, main)
    return write_new(target, main, PROGRAM)


def switch(target: Target, version: str) -> None:
    """Write the slot that does not run. From its last byte on, the board starts this version."""
    root = target.root + start.ROOT
    running, _, _ = target.call("running", root)
    sequence = max([entry[0] for entry in target.call("slots", root)], default=0) + 1
    target.call("sync")
    target.write(start.slot_path(root, 1 if running == 0 else 0), start.slot_line(sequence, version), ignore)
    target.call("sync")


def deploy(
    target: Target, payload: Payload, selftest: Callable[[str], dict | None], circuitpython: bool, progress: Progress = ignore
) -> dict:
    """Bring a version to a board and make it the one that starts. selftest(folder): runs it there; None where that cannot be.

    Returns what happened, JSON-ready. Raises L3Error; the board then starts what it started before.
    """
    root = target.root + start.ROOT
    named = versions(target)
    _, before, _ = target.call("running", root)
    remove_leftovers(target, [*named, payload.version])
    files = lacking(target, payload)
    spare = next((version for version in named if version not in (before, payload.version)), None)
    make_room(target, files, spare)
    copy(target, payload, files, progress)
    tested = selftest(f"{root}/{payload.version}")
    if tested and not tested["passed"]:
        raise L3Error(f"the self-test fails on the board (error {tested['error']:.3g}): it keeps its version {before or '(none)'}")
    install_starter(target)
    if payload.version != before:
        switch(target, payload.version)
    if payload.app != start.NO_APP:
        install_program(target, circuitpython)
    return {"version": payload.version, "before": before, "bytes_copied": sum(map(len, files.values())), "selftest": tested}


def rollback(target: Target) -> dict:
    """Make the version before the running one start again. Raises L3Error if there is none, or it is damaged."""
    root = target.root + start.ROOT
    _, before, _ = target.call("running", root)
    older = next((version for version in versions(target) if version != before), None)
    if older is None:
        raise L3Error("there is no earlier version on the board to go back to")
    damaged = target.call("damage", root, older)
    if damaged:
        raise L3Error(f"the earlier version {older} is damaged ({damaged}): the board keeps {before}")
    switch(target, older)
    return {"version": older, "before": before}
