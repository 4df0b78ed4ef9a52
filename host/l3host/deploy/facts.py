"""What a board is, and which kernel a model would run with there: a model that will not run is refused before a byte is copied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from l3host.boards import estimates
from l3host.boards.table import BOARDS
from l3host.deploy import answers, remote, targets
from l3host.errors import L3Error
from l3mote import firmware
from l3mote.kernels import STAND_INS, architecture
from l3mote.reader import Reader

OLDEST = (1, 23)  # MicroPython whose .mpy files have version 6.3
NATIVE_MPY = (6, 3)  # version and sub-version of device/l3mote/kernels/l3native_*.mpy
FIRST_I2S = (10, 3)  # CircuitPython with audioi2sin
NETWORK = ("adafruit_minimqtt", "wifi.radio")  # of firmware.FIRMWARE
BOOT_OUT_CHARACTERS = 1000  # in which that is
BOOT_OUT = re.compile(r"Adafruit CircuitPython (\d+)\.(\d+)\.(\d+)\S* on [^;]*; (.+)")


@dataclass(frozen=True)
class Facts:
    """What remote/probe.py prints; a drive's firmware may lack ulab and I2S.

    heap: bytes free before anything is imported; None if the board cannot be asked.
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
    names: Sequence[str] = ()  # of firmware.FIRMWARE, those that it has

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
        """Architecture to precompile for, or None where native code does not load."""
        arch = architecture(self.mpy) if self.micropython else None
        return STAND_INS.get(arch, arch) if arch else None

    @property
    def own_tls_memory(self) -> bool:
        """Whether the firmware has memory besides the heap for TLS."""
        return "ESP32" in self.machine

    @property
    def emitter_fault(self) -> str | None:
        """Known fault of the machine code that this firmware generates, or None."""
        if self.viper and self.version[:2] == (1, 25) and architecture(self.mpy) in ("xtensa", "xtensawin"):
            return "its @micropython.viper stores the wrong value in a[3] = v + 1, and at any constant index from 1 to 255"
        return None

    @property
    def mpy_version(self) -> tuple[int, int]:
        return self.mpy & 255, self.mpy >> 8 & 3

    @property
    def native(self) -> bool:
        return estimates.native_module(self.arch).exists() and self.mpy_version == NATIVE_MPY


def of_board(board: targets.Board) -> Facts:
    """Ask the board. Raises L3Error."""
    asked = Path(firmware.__file__).read_text(encoding="utf-8")
    probe = remote.source("probe")
    answer = board.fresh(asked + probe, answers.FACTS)
    facts = Facts(**{name: answer[name] for name in answers.FACTS})
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
    """Return the facts in boot_out.txt of a CIRCUITPY drive. Its heap is that of its chip's row of boards, if there is one."""
    with (Path(folder) / "boot_out.txt").open(encoding="utf-8", errors="replace") as f:
        match = BOOT_OUT.search(f.read(BOOT_OUT_CHARACTERS))
    if not match:
        raise L3Error(f"{folder}/boot_out.txt does not begin like CircuitPython's: is this a CIRCUITPY drive?")
    version, machine = tuple(map(int, match.groups()[:3])), match[4]
    chip = BOARDS.get(chip_of(machine) or "")
    return Facts(
        "circuitpython", version, machine, mpy=0, float_bits=32, ulab=True, viper=False, hashlib=True,
        heap=chip.heap if chip else None, folder=folder, flash=free, writable=True,
        names=(*(("audioi2sin",) if version >= FIRST_I2S else ()), *(NETWORK if has_minimqtt(folder) else ())),
    )  # fmt: skip


def chip_of(machine: str) -> str | None:
    """Return the name in BOARDS of what a firmware calls its machine."""
    return next((name for name in BOARDS if name in machine.lower().replace("-", "")), None)


def too_slow(facts: Facts, kernel: str, reader: Reader) -> str | None:
    """Return a warning if the board, as far as it is known, makes the log-mel more slowly than sound comes."""
    name = chip_of(facts.machine)
    share = estimates.frontend_share(kernel, name, reader) if name else 0.0
    if share < 1:
        return None
    return (
        f"{facts.name}: with kernel {kernel} it needs some {share:.1f} s for the log-mel of 1 s of sound, so the app will lose "
        "sound for ever; use firmware that loads kernel native, or a faster board"
    )


def has_minimqtt(folder: str) -> bool:
    """Return whether Adafruit's MQTT library is on a drive. Whether its board has Wi-Fi, boot_out.txt does not say."""
    return (Path(folder) / "lib" / "adafruit_minimqtt").is_dir()


def loadable(facts: Facts, reader: Reader) -> list[str]:
    """Return the kernels that load on the board and can run the model, the preferred one first."""
    there = {"native": facts.native, "viper": facts.viper or facts.arch is not None, "ulab": facts.ulab, "python": True}
    arch = architecture(facts.mpy) if facts.micropython else None
    return estimates.loadable(arch, [name for name in there if there[name]], reader)


def no_fast_kernel(facts: Facts, calibrated: bool) -> str:
    reason = "it has no ulab, and no native module of ours fits it"
    if not calibrated:
        reason = "it has no ulab, and the model no fixed-point scales for integer kernels (l3mote convert --calibrate adds them)"
    return f"{facts.name}: {reason}; the 'python' kernel would be far from real time. --app none deploys it anyway"


def choose_kernel(
    facts: Facts, reader: Reader, listening: bool, mqtt: bool = False, tls: bool = False
) -> tuple[str, estimates.Fit | None]:
    """Return the kernel that will run the model, and what estimates.will_it_run says of it (None: the heap is not known).

    listening: an app is to run it in real time, mqtt: with a broker, tls: encrypted.
    Raises L3Error that says why the model will not run.
    """
    names = [name for name in loadable(facts, reader) if name != "python" or not listening]
    if not names:
        raise L3Error(no_fast_kernel(facts, "FIXED" in reader.sections))
    if facts.heap is None:
        return names[0], None
    broker = estimates.MQTT_BYTES * mqtt + estimates.TLS_BYTES * (tls and not facts.own_tls_memory)
    answer = estimates.will_it_run(reader, facts.heap, names, listening, broker)
    if answer["fits"]:
        return answer["kernel"], answer
    larger = "a board with PSRAM" if facts.arch == "xtensawin" else "a board with more memory"
    raise L3Error(
        f"{facts.name}: the model needs {answer['heap_needed']} bytes of heap, {answer['heap_free']} are free "
        f"({answer['missing']} are missing): compress it further, or use {larger}"
    )
