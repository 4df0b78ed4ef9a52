"""What goes to the board: the files of one version, and the manifest that names them."""

from __future__ import annotations

import json
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from l3host.architectures import ARCHITECTURES
from l3host.deploy.facts import Facts
from l3host.emulate import mpy
from l3host.emulate.runtimes import copy_library
from l3host.errors import L3Error
from l3host.load import find
from l3mote import __version__, start
from l3mote.kernels import KERNELS

NOT_IN_VERSIONS = (*mpy.NOT_FOR_BOARDS, "start.py")  # the starter lies outside of them
ONLY_FOR = {"micropython": ("mic_machine.py", "mqtt.py"), "circuitpython": ("mic_circuitpython.py",)}


@dataclass(frozen=True)
class Payload:
    """files: path below the version's folder -> bytes, the manifest first. version: the folder's name, which ends in its CRC-32."""

    version: str
    app: str
    files: dict[str, bytes]

    @property
    def bytes(self) -> int:
        return sum(map(len, self.files.values()))


def manifested(app: str, files: dict[str, bytes]) -> Payload:
    """The payload of these files, with the manifest that start.py reads."""
    lines = [app, *(f"{zlib.crc32(data):08x} {len(data)} {path}" for path, data in sorted(files.items()))]
    manifest = ("\n".join(lines) + "\n").encode()
    return Payload(f"{__version__}-{zlib.crc32(manifest):08x}", app, {start.MANIFEST: manifest, **files})


def can_precompile(facts: Facts, asked: bool) -> bool:
    """.mpy wherever the board takes them and mpy-cross is here. asked: raise L3Error, with the reason, instead of taking .py."""
    reason = None
    if not facts.micropython:
        reason = "CircuitPython does not take MicroPython's .mpy files"
    elif facts.arch not in ARCHITECTURES:
        reason = f"{facts.name}: no architecture that we precompile for"
    else:
        try:
            made = mpy.file_version()
            if made != facts.mpy_version:
                reason = "{}: it takes .mpy files of version {}.{}, mpy-cross here makes {}.{}: install that of its release"
                reason = reason.format(facts.name, *facts.mpy_version, *made)
        except L3Error as e:
            reason = str(e)
    if reason and asked:
        raise L3Error(reason)
    return reason is None


def package(facts: Facts, kernels: list[str], precompiled: bool) -> dict[str, bytes]:
    """The device package with these kernels and no others, as l3mote/... -> bytes."""
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        folder = Path(temporary)
        copy_library(folder)
        others = [name for kind, names in ONLY_FOR.items() if kind != facts.implementation for name in names]
        for name in (*NOT_IN_VERSIONS, *others):
            (folder / "l3mote" / name).unlink()
        for name in set(KERNELS) - set(kernels):
            for module in (f"{name}.py", f"capture_{name}.py"):
                (folder / "l3mote" / "kernels" / module).unlink(missing_ok=True)
        for module in (folder / "l3mote" / "kernels").glob("l3native_*.mpy"):
            if "native" not in kernels or module.stem != f"l3native_{facts.arch}":
                module.unlink()
        if precompiled:
            mpy.compile_folder(folder, facts.arch)
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def build(facts: Facts, model: str, kernels: list[str], app: str, settings: dict, precompiled: bool) -> Payload:
    """A version: package, model.l3m, settings.json."""
    files = package(facts, kernels, precompiled)
    files["model.l3m"] = find(model).read_bytes()
    files["settings.json"] = (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode()
    return manifested(app, files)
