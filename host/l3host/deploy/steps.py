"""The order of a deployment. After whichever step it is interrupted, the board starts the previous version or the new one, whole:

files of the new version, which nothing refers to yet -> compared with ours -> self-test -> starter -> slot -> main.py (once).
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable
from pathlib import Path

from l3host.deploy.links import BoardError
from l3host.deploy.payload import Payload
from l3host.deploy.targets import Target
from l3host.errors import L3Error
from l3mote import signature, start
from l3mote.settings import SETTINGS

STARTER = "/lib/l3start.py"
CHECKER = "/lib/l3sign.py"  # of signatures: signature.py, for a board that holds a key
NEXT_STARTER = "/lib/l3start_next.py"  # exists while STARTER is replaced
PROGRAM = b"""\
# l3mote deploy wrote this: it starts the version that /l3 names
try:
    from l3start import WHOLE, run
except Exception:  # power failed while it was replaced
    from l3start_next import run
run()
"""
LAST_LINE = b"\nWHOLE = True"  # of the starter
SPARE_BLOCKS = 4  # of a file system, for its own data

Progress = Callable[[int], None]
Say = Callable[[str], None]  # called with the step that begins


def ignore(_) -> None:
    """Report no progress."""


def same(data: bytes, digest: str | None) -> bool:
    """Return whether file_operations.digest() returned this for these bytes."""
    if digest is None:
        return False
    return digest == (hashlib.sha256(data).hexdigest() if len(digest) == 64 else f"{zlib.crc32(data):08x}")


def versions(target: Target) -> list[str]:
    """Return the versions that the slots name, the one that runs first."""
    return [version for _, version, _ in target.call("slots", target.root + start.ROOT)]


def remove_leftovers(target: Target, keep: list[str]) -> None:
    """Remove version folders not in `keep`: older ones, and those that an interrupted deployment left."""
    root = target.root + start.ROOT
    for name in target.call("names", root):
        if start.is_version(name) and name not in keep:
            target.call("remove_tree", f"{root}/{name}")


def lacking(target: Target, payload: Payload) -> dict[str, bytes]:
    """Return the files of the version that are missing on the board or differ. An interrupted deployment continues with these."""
    folder = f"{target.root}{start.ROOT}/{payload.version}"
    sizes = dict(target.call("tree", folder))
    missing = {}
    for path, data in payload.files.items():
        at = f"{folder}/{path}"
        if sizes.get(at) != len(data) or not same(data, target.call("digest", at)):
            missing[path] = data
    return missing


def blocks(sizes: list[int], block: int) -> int:
    return sum(-(-size // block) for size in sizes)


def make_room(target: Target, files: dict[str, bytes], spare: str | None) -> None:
    """Raise L3Error, before anything is written, if the files do not fit. Remove the version `spare` only if they need its room."""
    free, block = target.call("space", target.root + "/")
    folders = {str(Path(path).parent) for path in files}
    beside = 2 * [start.__file__] + [signature.__file__] * (signature.SIGNATURE in files)
    sizes = [len(data) for data in files.values()] + [Path(path).stat().st_size for path in beside]
    needed = block * (blocks(sizes, block) + 2 * len(folders) + SPARE_BLOCKS)
    if needed <= free:
        return
    folder = f"{target.root}{start.ROOT}/{spare}"
    freed = block * blocks([size for _, size in target.call("tree", folder) if size > 0], block) if spare else 0
    if needed > free + freed:
        raise L3Error(
            f"flash full: {needed} bytes are needed, {free + freed} are free or can be freed: delete files. Nothing was changed"
        )
    target.call("remove_tree", folder)


def copy(target: Target, payload: Payload, files: dict[str, bytes], progress: Progress) -> None:
    for path, data in files.items():
        target.write(f"{target.root}{start.ROOT}/{payload.version}/{path}", data, progress)
    target.call("sync")
    wrong = ", ".join(lacking(target, payload))
    if wrong:
        raise L3Error(f"{wrong}: the board has other bytes than were sent. It keeps its version; deploy again, or check its flash")


def room_for_lines(target: Target, given: dict) -> str | None:
    """Return a warning where the flash that is free cannot hold the app's log, and its queue for MQTT, as large as they may get."""
    settings = {key: given.get(key, SETTINGS[key][0]) for key in ("log", "log_bytes", "mqtt_host")}
    names = [settings["log"]] * bool(settings["log"]) + ["mqtt"] * bool(settings["mqtt_host"])
    free, _ = target.call("space", target.root + "/")
    missing = settings["log_bytes"] * len(names) - free
    if missing <= 0:
        return None
    for path in [f"{target.root}/{name}.{i}.jsonl" for name in names for i in (0, 1)]:
        if target.call("exists", path):
            missing -= target.call("check", path)[1]
    if missing <= 0:
        return None
    return f"flash: {missing} bytes are missing for lines as long as log_bytes = {settings['log_bytes']} allows: set it lower"


def place(target: Target, payload: Payload, running: str | None, progress: Progress = ignore) -> int:
    """Copy a version's files to a board, beside the versions there; return the bytes copied. Raises L3Error."""
    named = versions(target)
    remove_leftovers(target, [*named, payload.version])
    files = lacking(target, payload)
    make_room(target, files, next((version for version in named if version not in (running, payload.version)), None))
    copy(target, payload, files, progress)
    return sum(map(len, files.values()))


def install_starter(target: Target) -> None:
    """Install STARTER where it is missing or differs.

    On FAT it is empty or half written meanwhile: a copy stands in (see PROGRAM).
    """
    data, path, next_one = Path(start.__file__).read_bytes(), target.root + STARTER, target.root + NEXT_STARTER
    present, stand_in = target.call("read", path), target.call("read", next_one)
    if present is not None and LAST_LINE not in present and stand_in and LAST_LINE in stand_in:  # power failed here, last time
        rewrite(target, path, stand_in)
    if present != data:
        if present is not None:
            rewrite(target, next_one, data)
        rewrite(target, path, data)
    if target.call("exists", next_one):
        target.call("remove", next_one)


def rewrite(target: Target, path: str, data: bytes) -> None:
    target.write(path, data, ignore)
    target.call("sync")


def key_path(target: Target) -> str:
    return f"{target.root}{start.ROOT}/{signature.KEY}"


def check_key(target: Target, key: bytes | None) -> bool:
    """Return whether the board holds this key. Raises L3Error if it holds another one: it would not start the version."""
    held = signature.key_in(target.call("read", key_path(target)) or b"")
    if held is not None and not hmac.compare_digest(held, key or b""):
        given = "another one" if key else "none"
        raise L3Error(
            f"the board starts only versions signed with its key, and --sign names {given}: name its key, or delete "
            f"{key_path(target)} on the board to end that"
        )
    return held is not None


def install_checker(target: Target) -> None:
    """Install what checks signatures, where it is missing or differs.

    A board that holds a key starts nothing without it, so the key is removed while it is replaced.
    """
    data, path = Path(signature.__file__).read_bytes(), target.root + CHECKER
    if target.call("read", path) != data:
        if target.call("exists", key_path(target)):
            target.call("remove", key_path(target))
        rewrite(target, path, data)


def install_key(target: Target, key: bytes) -> None:
    """Give the board the key: the last step, when the version that is signed with it has started."""
    line = signature.key_line(key)
    if target.call("read", key_path(target)) != line:
        install_checker(target)
        rewrite(target, key_path(target), line)


def remove_key(target: Target) -> None:
    target.call("remove", key_path(target))


def programs(target: Target, circuitpython: bool) -> list[str]:
    """Return the programs that a board starts: the first of these that exists."""
    return [f"{target.root}/{name}" for name in (("code.py", "main.py") if circuitpython else ("main.py",))]


def own_program(target: Target, path: str) -> tuple[str, bytes] | None:
    """Return the name to keep the user's own program under, and its bytes, if there is one.

    Raises L3Error if that name is taken.
    """
    program, kept = target.call("read", path), path[: -len(".py")] + ".before.py"
    if program is None or PROGRAM.startswith(program):  # ours may be half written after a power cut
        return None
    if not program.startswith(target.call("read", kept) or b""):  # and so may its copy
        raise L3Error(f"{path} is not l3mote's, and {kept} is yet another file: delete one of them, or deploy with --app none")
    return kept, program


def install_program(target: Target, circuitpython: bool) -> None:
    """Install main.py, or on CircuitPython code.py, which starts before main.py does. A program of the user's own is kept.

    LittleFS replaces a file in one step, when it is closed. FAT empties it first, so CircuitPython's is not replaced: ours goes
    where it does not start yet, then the other is removed. Only MicroPython on FAT (pyboard) cannot do this, the first time.
    """
    paths = programs(target, circuitpython)
    for own in filter(None, [own_program(target, path) for path in paths]):
        rewrite(target, *own)
    present = [target.call("read", path) for path in paths]
    if not circuitpython:
        if present[0] != PROGRAM:
            rewrite(target, paths[0], PROGRAM)
    elif present[0] not in (None, PROGRAM):
        rewrite(target, paths[1], PROGRAM)
        target.call("remove", paths[0])
    elif PROGRAM not in present:
        target.write(paths[0] + ".tmp", PROGRAM, ignore)
        target.call("rename", paths[0] + ".tmp", paths[0])


def switch(target: Target, version: str) -> None:
    """Write the slot that does not run. From its last byte on, the board starts this version."""
    root = target.root + start.ROOT
    running, _, _ = target.call("running", root)
    sequence = max([entry[0] for entry in target.call("slots", root)], default=0) + 1
    target.call("sync")
    target.write(start.slot_path(root, 1 if running == 0 else 0), start.slot_line(sequence, version), ignore)
    target.call("sync")


def try_out(target: Target, folder: str, selftest: Callable[[str], dict | None]) -> dict | None:
    """Run the self-test and return its result. Raises L3Error if it fails; the new version is then removed."""
    try:
        tested = selftest(folder)
    except BoardError as e:
        tested = {"passed": False, "reason": e}
    if tested and not tested["passed"]:
        remove_leftovers(target, versions(target))
        reason = tested.get("reason") or f"wrong by {tested['error']:.3g}"
        raise L3Error(f"the self-test fails on the board ({reason}): it keeps its previous version")
    return tested


def deploy(
    target: Target,
    payload: Payload,
    selftest: Callable[[str], dict | None],
    circuitpython: bool,
    progress: Progress = ignore,
    say: Say = ignore,
) -> dict:
    """Copy a version to a board and make it the one that starts. selftest(folder): runs it there, None if it cannot.

    Returns what happened, JSON-ready. Raises L3Error; the board then starts its previous version.
    """
    root = target.root + start.ROOT
    _, before, _ = target.call("running", root)
    if payload.app != start.NO_APP:
        for path in programs(target, circuitpython):
            own_program(target, path)  # raises if there is no name to keep it under
    say(f"copying {payload.version}: {len(payload.files)} files, {payload.bytes} bytes")
    copied = place(target, payload, before, progress)
    say("self-test on the board")
    tested = try_out(target, f"{root}/{payload.version}", selftest)
    say(f"making {payload.version} the version that starts")
    install_starter(target)
    if signature.SIGNATURE in payload.files:
        install_checker(target)
    if payload.version != before:
        switch(target, payload.version)
    if payload.app != start.NO_APP:
        install_program(target, circuitpython)
    remove_leftovers(target, versions(target))
    return {"version": payload.version, "before": before, "bytes_copied": copied, "selftest": tested}


def take_back(target: Target, version: str, before: str | None) -> None:
    """Undo the deployment of a version that does not start: `before` starts again or, where there was none, nothing of ours."""
    root = target.root + start.ROOT
    if before:
        switch(target, before)
    for _, named, slot in target.call("slots", root):
        if named == version:
            target.call("remove", start.slot_path(root, slot))
    remove_leftovers(target, versions(target))
    if not before:
        remove_program(target)


def remove_program(target: Target) -> None:
    """Remove our main.py and code.py; put back the user's own, which were kept beside them."""
    for path in programs(target, circuitpython=True):
        if target.call("read", path) != PROGRAM:
            continue
        kept = path[: -len(".py")] + ".before.py"
        own = target.call("read", kept)
        if own is None:
            target.call("remove", path)
        else:
            rewrite(target, path, own)
            target.call("remove", kept)


def forget(target: Target) -> dict:
    """Remove every version but the running one, and the passwords in their settings with them. Raises L3Error if none runs."""
    root = target.root + start.ROOT
    slot, version, _ = target.call("running", root)
    if version is None:
        raise L3Error("no version on the board is whole: nothing is removed. Deploy one first")
    removed = [name for name in versions(target) if name != version]
    other = start.slot_path(root, 1 - slot)
    if target.call("exists", other):
        target.call("remove", other)  # first: no slot ever names a version that is half removed
    remove_leftovers(target, [version])
    return {"version": version, "removed": removed}


def rollback(target: Target) -> dict:
    """Make the previous version start again. Raises L3Error if there is none, or it is damaged."""
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
