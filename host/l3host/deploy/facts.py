"""What a board is, and which kernel a model would run with there: what will not run is refused here, before a byte is copied."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path

import l3mote
from l3host.boards import estimates
from l3host.boards.table import BOARDS
from l3host.deploy import targets
from l3host.errors import L3Error
from l3mote.kernels import FIXED, STAND_INS, architecture, integer, order
from l3mote.kernels import python as floats
from l3mote.reader import Reader
from l3mote.settings import FIRMWARE, importable

OLDEST = (1, 23)  # MicroPython whose .mpy files have version 6.3
NATIVE_MPY = (6, 3)  # version and sub-version of device/l3mote/kernels/l3native_*.mpy
BOOT_OUT_CHARACTERS = 1000  # in which that is
BOOT_OUT = re.compile(r"Adafruit CircuitPython (\d+)\.(\d+)\.(\d+)\S* on [^;]*; (.+)")


@dataclass(frozen=True)
class Facts:
    """What board/probe.py prints; a drive's firmware may lack ulab and I2S.

    heap: bytes free before anything is imported; None where it cannot be asked.
    """

    implementation: str
    version: tuple[int, ...]
    machine: str
    mpy: int  # sys.implementation._mpy
    float_bits: int
    ulab: bool
    viper: bool  # can it compile viper functions?
    hashlib: bool
    heap: int | None
    folder: str  # where its flash is: / or /flash
    flash: int  # bytes free
    writable: bool
    names: tuple[str, ...] = ()  # of settings.FIRMWARE, those that it has

    def has(self, name: str) -> bool:
        return name in self.names

    @property
    def name(self) -> str:
        kind = {"micropython": "MicroPython", "circuitpython": "CircuitPython"}.get(self.implementation, self.implementation)
        return f"{self.machine}, {kind} {'.'.join(map(str, self.version))}"

    @property
    def micropython(self) -> bool:
        return self.implementation == "micropython"

    @property
    def arch(self) -> str | None:
        """The architecture to precompile for, or None where native code does not load."""
        arch = architecture(self.mpy) if self.micropython else None
        return STAND_INS.get(arch, arch) if arch else None

    @property
    def mpy_version(self) -> tuple[int, int]:
        return self.mpy & 255, self.mpy >> 8 & 3

    @property
    def native(self) -> bool:
        module = Path(l3mote.__file__).parent / "kernels" / f"l3native_{self.arch}.mpy"
        return module.exists() and self.mpy_version == NATIVE_MPY


def of_board(board: targets.Board) -> Facts:
    """Ask the board. Raises L3Error."""
    try:
        probe = (targets.HERE / "board" / "probe.py").read_text(encoding="utf-8")
        facts = Facts(**board.fresh(f"FIRMWARE = {FIRMWARE!r}\n{inspect.getsource(importable)}{probe}"))
    except (SyntaxError, ValueError, TypeError, IndexError):
        raise L3Error(f"what answers on {board.link.port} is no MicroPython or CircuitPython board") from None
    check(facts)
    return facts


def check(facts: Facts) -> None:
    """Raises L3Error when the firmware is not one that l3mote runs on, or its flash cannot be written."""
    if facts.implementation not in ("micropython", "circuitpython"):
        raise L3Error(f"the board runs {facts.implementation}: l3mote needs MicroPython or CircuitPython")
    if facts.micropython and facts.version[:2] < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise L3Error(f"{facts.name} is too old: l3mote needs {oldest} or later, flash newer firmware")
    if not facts.float_bits:
        raise L3Error(f"{facts.name}: this firmware has no floating point, use one that has")
    if not facts.writable:
        raise L3Error(f"{facts.name}: its file system is read-only. If it is a CIRCUITPY drive, deploy to the drive: --port FOLDER")


def is_drive(port: str) -> bool:
    return (Path(port) / "boot_out.txt").is_file()


def of_drive(folder: str, free: int) -> Facts:
    """What boot_out.txt says of a CIRCUITPY drive. Its heap is that of its chip's entry in boards.py, if it has one."""
    with (Path(folder) / "boot_out.txt").open(encoding="utf-8", errors="replace") as f:
        match = BOOT_OUT.search(f.read(BOOT_OUT_CHARACTERS))
    if not match:
        raise L3Error(f"{folder}/boot_out.txt does not begin as CircuitPython's: is it its drive?")
    *version, machine = match.groups()
    chip = next((b for name, b in BOARDS.items() if name in machine.lower().replace("-", "")), None)
    return Facts(
        "circuitpython", tuple(map(int, version)), machine, mpy=0, float_bits=32, ulab=True, viper=False, hashlib=True,
        heap=chip.heap if chip else None, folder=folder, flash=free, writable=True, names=("audioi2sin",),
    )  # fmt: skip


def loadable(facts: Facts, calibrated: bool) -> list[str]:
    """Kernels that load on the board, the one to prefer first."""
    there = {"native": facts.native, "viper": facts.viper or facts.arch is not None, "ulab": facts.ulab, "python": True}
    return [name for name in order(facts.mpy) if there[name] and (calibrated or name not in FIXED)]


def no_fast_kernel(facts: Facts, calibrated: bool) -> str:
    reason = "it has no ulab, and no native module of ours fits it"
    if not calibrated:
        reason = "it has no ulab, and the model no fixed-point scales for integer kernels (l3mote convert --calibrate adds them)"
    return f"{facts.name}: {reason}; the 'python' kernel would be far from real time. --app none deploys it nevertheless"


def choose_kernel(facts: Facts, reader: Reader, listening: bool) -> tuple[str, estimates.Fit | None]:
    """The kernel that will run the model, and estimates.will_it_run's answer for it (None: the heap is not known).

    listening: an app is to run it in real time. Raises L3Error that says why the model will not run.
    """
    calibrated = "FIXED" in reader.sections
    names, nearest = loadable(facts, calibrated), None
    for name in names:
        if name == "python" and listening:
            break
        if facts.heap is None:
            return name, None
        answer = estimates.will_it_run(reader, facts.heap, integer if name in FIXED else floats, listening)
        if answer["fits"]:
            return name, answer
        if nearest is None or answer["missing"] < nearest["missing"]:
            nearest = answer
    if nearest is None:
        raise L3Error(no_fast_kernel(facts, calibrated))
    raise L3Error(
        f"{facts.name}: the model needs {nearest['heap_needed']} bytes of heap, {nearest['heap_free']} are free "
        f"({nearest['missing']} are missing): compress it further, or use a board with more memory"
    )
