"""Build what the device package is installed from, besides the wheel (`make dist`): python tools/dist.py FOLDER PACKAGE_JSON.

PACKAGE_JSON: the repository's own, for `mip install github:...`: sources, without native modules (mip knows no architectures).
mip/ARCH/: for `mip install`, precompiled, with the architecture's native module; mip/py/: sources.
l3mote-py-VERSION.zip: a bundle for circup, sources only, because CircuitPython does not load MicroPython's .mpy files.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from l3host.architectures import BOARDS
from l3host.errors import L3Error
from l3host.package import mpy
from l3host.package.library import KERNELS_OF_CIRCUITPYTHON, copy_for_board
from l3mote import __version__


def package_json(folder: Path, below: str = "") -> str:
    """Return mip's package.json for folder/l3mote; below: the path of that folder relative to the file."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in (".py", ".mpy"))
    return json.dumps({"version": __version__, "urls": [[name, below + name] for name in files]}, indent=1) + "\n"


def write_mip(to: Path) -> None:
    for arch in ("py", *BOARDS):
        folder = to / "mip" / arch
        folder.mkdir(parents=True)
        if arch == "py":
            copy_for_board(folder)
        else:
            mpy.package(arch, folder)
        (folder / "package.json").write_text(package_json(folder))


def write_bundle(to: Path) -> Path:
    """Return the zip, laid out as circup finds it in a release of a repository called l3mote."""
    name = f"l3mote-py-{__version__}"
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary, zipfile.ZipFile(to / f"{name}.zip", "w") as archive:
        copy_for_board(Path(temporary), "circuitpython", KERNELS_OF_CIRCUITPYTHON)
        for path in sorted(Path(temporary).rglob("*.py")):
            entry = zipfile.ZipInfo(f"{name}/lib/{path.relative_to(temporary).as_posix()}")  # whose date is always 1980
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return to / f"{name}.zip"


def write(to: Path, repository: Path) -> None:
    """Write mip/ and the bundle to a folder, replacing an older mip/, and the repository's package.json. Raises L3Error."""
    shutil.rmtree(to / "mip", ignore_errors=True)
    write_mip(to)
    write_bundle(to)
    repository.write_text(package_json(to / "mip" / "py", "device/"))


if __name__ == "__main__":
    try:
        write(*map(Path, sys.argv[1:3]))
    except L3Error as error:
        sys.exit(f"dist: {error}")
