"""MicroPython on a board in QEMU: python -m l3host.emulate.qemu MACHINE HEAP SCRIPT LIBRARY FOLDER.

MACHINE: a name of MACHINES; HEAP: bytes, 0 for the machine's own. The board reads LIBRARY, the script and FOLDER from a ROMFS image
in its memory and writes FOLDER's new files by semihosting. It runs with an instruction a nanosecond (-icount), so its clock counts
instructions.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from l3host.errors import L3Error
from l3host.programs import emulators

HERE = Path(__file__).parent
GUEST = HERE / "guest" / "qemu"
HZ = 1_000_000_000  # instructions a second
IMAGE_BYTES = (16 << 20) - 16
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


@dataclass(frozen=True)
class Machine:
    """A board in QEMU. files: what it has beside boot.py, in guest/qemu/.

    memory: free for the host; the image of files lies there behind 16 bytes. heap_word: where the firmware reads the heap's bytes,
    and in the next word, if there is one, how many of its own heap's Wi-Fi has.
    """

    core: str
    program: str
    package: str  # Debian's
    options: str
    files: tuple[str, ...]
    memory: int
    heap_word: int
    heap: int  # bytes if none are asked for
    most: int  # bytes
    wifi: int | None = None  # bytes

    @property
    def image(self) -> int:
        return self.memory + 16


def _mps2(core: str, machine: str, timer: str, memory: int) -> Machine:
    options = f"-machine {machine} -serial stdio"
    files = ("arm/trap.py", "arm/time.py", timer)
    return Machine(core, "qemu-system-arm", "qemu-system-arm", options, files, memory, memory, 1 << 20, 1 << 20)


MACHINES = {
    "qemu": _mps2("Cortex-M3", "mps2-an385", "arm/timer.py", 0x21000000),
    "m4": _mps2("Cortex-M4", "mps2-an386", "arm/timer.py", 0x21000000),
    "m33": _mps2("Cortex-M33", "mps2-an505", "m33/timer.py", 0x80000000),
    "rv32": Machine(
        "RV32IMAC", "qemu-system-riscv32", "qemu-system-misc", "-machine virt -m 128M -bios none -serial stdio",
        ("rv32/trap.py", "rv32/time.py"), 0x84000000, 0x84000000, 1 << 20, 1 << 20,
    ),
    "lx7": Machine(
        "Xtensa LX7", "qemu-system-xtensa", "qemu-system-misc", "-machine sim -m 128M -cpu de233_fpu -serial none",
        ("lx7/trap.py",), 0x4000000, 0x8000, 0, 40 << 20, 0,
    ),
}  # fmt: skip
MACHINES["lx7-wifi"] = replace(MACHINES["lx7"], wifi=55_000)  # the least that Wi-Fi takes of an ESP32-S3: 55 to 120 kB


def program(name: str) -> str:
    machine = MACHINES[name]
    path = shutil.which(machine.program)
    if path is None:
        raise L3Error(f"runtime {name} needs {machine.program}: apt-get install {machine.package}, or run make emulators")
    return path


def firmware(name: str) -> Path:
    part = name.partition("-")[0]
    path = emulators() / f"{part}.elf"
    if not path.exists():
        raise L3Error(f"runtime {name} needs its firmware: run make emulators, or make emulators PARTS={part}")
    return path


def heap_of(name: str, heap: int | None) -> int:
    """Return the bytes of the heap. Raises L3Error if the machine does not have that many."""
    machine = MACHINES[name]
    if heap is not None and heap > machine.most:
        raise L3Error(f"runtime {name} has a heap of at most {machine.most} bytes, not of {heap}")
    return machine.heap if heap is None else heap


def uint(value: int) -> bytes:
    """Return a number as ROMFS's variable-length integer: seven bits a byte, the highest first."""
    encoded = [value & 0x7F]
    while value := value >> 7:
        encoded.insert(0, 0x80 | value & 0x7F)
    return bytes(encoded)


def record(kind: int, payload: bytes) -> bytes:
    return uint(kind) + uint(len(payload)) + payload


def romfs_entries(folder: Path) -> bytes:
    """Return a folder's files and folders as ROMFS records."""
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


def image(name: str, script: Path, library: Path, folder: Path) -> bytes:
    """Return a ROMFS with /lib, /board, /job and the script."""
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        root = Path(temporary)
        without_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(library, root / "lib", ignore=without_caches)
        shutil.copytree(folder, root / "job", ignore=without_caches)
        (root / "board").mkdir()
        for file in ("boot.py", *MACHINES[name].files):
            shutil.copy(GUEST / file, root / "board")
        shutil.copyfile(script, root / script.name)
        return romfs(root)


def command(name: str, heap: int, rom: Path) -> list[str]:
    machine = MACHINES[name]
    words = {machine.heap_word: heap} | ({} if machine.wifi is None else {machine.heap_word + 4: machine.wifi})
    loaders = [("-device", f"loader,addr={at:#x},data={word:#x},data-len=4") for at, word in words.items()]
    return [
        program(name), *machine.options.split(), "-display", "none", "-monitor", "none",
        "-semihosting-config", "enable=on,target=native", "-icount", "shift=0", "-kernel", str(firmware(name)),
        *itertools.chain(*loaders),
        "-device", f"loader,file={rom},addr={machine.image:#x},force-raw=on",
    ]  # fmt: skip


def console(output: bytes) -> tuple[bytes, bool]:
    """Extract what the program printed from the raw REPL's dialogue; return it, and whether the program itself ended QEMU."""
    printed = output.partition(b">OK")[2].replace(b"\r\n", b"\n")
    parts = printed.split(END)  # output, error output, and more dialogue; the output alone if it left
    return b"".join(parts[:2]), len(parts) == 1


def run(name: str, heap: int, script: Path, library: Path, folder: Path) -> int:
    """Run a script on the board and print its output; return its status. Raises L3Error if the files are too large."""
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        rom = Path(temporary, "image")
        rom.write_bytes(image(name, script, library, folder))
        size = rom.stat().st_size
        if size > IMAGE_BYTES:
            raise L3Error(f"runtime {name} holds {IMAGE_BYTES} bytes of files, but these take {size}")
        start = START.format(address=MACHINES[name].image, size=size, script=script.name).encode()
        dialogue = ENTER_RAW_REPL + start + END + LEAVE + END
        done = subprocess.run(command(name, heap, rom), cwd=folder, input=dialogue, stdout=subprocess.PIPE)
    printed, finished = console(done.stdout)
    sys.stdout.buffer.write(printed)
    return done.returncode if finished else 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], int(sys.argv[2]), *map(Path, sys.argv[3:6])))
