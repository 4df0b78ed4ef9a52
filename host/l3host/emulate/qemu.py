"""MicroPython on a Cortex-M3 in QEMU: python -m l3host.emulate.qemu FIRMWARE SCRIPT LIBRARY FOLDER.

The board reads LIBRARY, the script and FOLDER from a ROMFS image in its memory and writes FOLDER's new files by semihosting.
It runs with an instruction a nanosecond (-icount), so its clock counts instructions.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from l3host.errors import L3Error
from l3host.programs import emulators

HERE = Path(__file__).parent
QEMU = "qemu-system-arm"
HZ = 1_000_000_000  # instructions a second
IMAGE, IMAGE_BYTES = 0x21000000, 16 << 20  # the board's PSRAM
START = """\
import sys, uctypes, vfs
rom = vfs.VfsRom(uctypes.bytearray_at({address}, {size}))
vfs.mount(rom, "/rom")
sys.path[:] = ["/rom/board", "/rom/lib", ".frozen"]
import boot
boot.run(rom, "/rom/{script}")
"""
ENTER_RAW_REPL, END = b"\x01", b"\x04"
LEAVE = b"import machine; machine.reset()"  # if the start failed; a run ends QEMU itself


def program() -> str:
    path = shutil.which(QEMU)
    if path is None:
        raise L3Error(f"runtime qemu needs {QEMU}: apt-get install qemu-system-arm, or run make emulators")
    return path


def firmwares() -> dict[int, Path]:
    """Bytes of heap -> firmware."""
    return {int(path.stem[5:-1]) * 1024: path for path in emulators().glob("qemu-*k.elf")}


def firmware(heap: int | None) -> Path:
    """The firmware with exactly this heap, or with the largest. Raises L3Error that says how to build it."""
    found = firmwares()
    if not found:
        raise L3Error("runtime qemu needs its firmware: run make emulators")
    if heap is None:
        return found[max(found)]
    if heap not in found:
        there = ", ".join(f"{n // 1024}k" for n in sorted(found))
        raise L3Error(f"runtime qemu has no firmware with a heap of {heap} bytes, but {there}: QEMU_HEAPS='...' make emulators")
    return found[heap]


def uint(value: int) -> bytes:
    """ROMFS's variable-length integer: seven bits a byte, the highest first."""
    encoded = [value & 0x7F]
    while value := value >> 7:
        encoded.insert(0, 0x80 | value & 0x7F)
    return bytes(encoded)


def record(kind: int, payload: bytes) -> bytes:
    return uint(kind) + uint(len(payload)) + payload


def romfs_entries(folder: Path) -> bytes:
    """A folder's files and folders as ROMFS records."""
    data, directory, file = 2, 4, 5
    entries = b""
    for path in sorted(folder.iterdir()):
        name = uint(len(path.name)) + path.name.encode()
        if path.is_dir():
            entries += record(directory, name + romfs_entries(path))
        else:
            entries += record(file, name + record(data, path.read_bytes()))
    return entries


def romfs(folder: Path) -> bytes:
    entries = romfs_entries(folder)
    return b"\xd2\xcd\x31" + uint(len(entries)) + entries


def image(script: Path, library: Path, folder: Path) -> bytes:
    """/lib, /board, /job and the script."""
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        root = Path(temporary)
        without_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(library, root / "lib", ignore=without_caches)
        shutil.copytree(folder, root / "job", ignore=without_caches)
        shutil.copytree(HERE / "board" / "qemu", root / "board", ignore=without_caches)
        shutil.copyfile(script, root / script.name)
        return romfs(root)


def command(elf: Path, rom: Path) -> list[str]:
    return [
        program(), "-machine", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "stdio",
        "-semihosting-config", "enable=on,target=native", "-icount", "shift=0", "-kernel", str(elf),
        "-device", f"loader,file={rom},addr={IMAGE:#x},force-raw=on",
    ]  # fmt: skip


def console(output: bytes) -> tuple[bytes, bool]:
    """What the program printed, out of the raw REPL's dialogue, and whether it left QEMU itself."""
    printed = output.partition(b">OK")[2].replace(b"\r\n", b"\n")
    parts = printed.split(END)  # output, error output, and more dialogue; the output alone if it left
    return b"".join(parts[:2]), len(parts) == 1


def run(elf: Path, script: Path, library: Path, folder: Path) -> int:
    """Run a script on the board, its output here; return its status."""
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        rom = Path(temporary, "image")
        rom.write_bytes(image(script, library, folder))
        if rom.stat().st_size > IMAGE_BYTES:
            raise L3Error(f"runtime qemu holds {IMAGE_BYTES} bytes of files, and these have {rom.stat().st_size}")
        start = START.format(address=IMAGE, size=rom.stat().st_size, script=script.name).encode()
        dialogue = ENTER_RAW_REPL + start + END + LEAVE + END
        done = subprocess.run(command(elf, rom), cwd=folder, input=dialogue, stdout=subprocess.PIPE)
    printed, finished = console(done.stdout)
    sys.stdout.buffer.write(printed)
    return done.returncode if finished else 1


if __name__ == "__main__":
    sys.exit(run(*map(Path, sys.argv[1:5])))
