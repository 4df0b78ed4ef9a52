"""The device package as a board gets it: which modules for which firmware, which kernels, which native code."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import l3mote
from l3mote.kernels import KERNELS

SOURCE = Path(l3mote.__file__).parent

# the full check of a file, done on the host; a source in simulated time; what `deploy --sign` copies beside the starter
NOT_FOR_BOARDS = ("verify.py", "paced.py", "signature.py")
ONLY_FOR = {
    "micropython": ("mic_machine.py", "mqtt_client.py", "mqtt_packets.py"),
    "circuitpython": ("mic_circuitpython.py", "circuitpython_net.py"),
}
KERNELS_OF_CIRCUITPYTHON = ("ulab", "python")  # its builds may lack ulab, and never run viper or native code


def copy_library(to: Path) -> None:
    """Write the whole package as to/l3mote: what the emulated runtimes import."""
    shutil.copytree(SOURCE, to / "l3mote", ignore=shutil.ignore_patterns("__pycache__", "*.json"))


def copy_for_board(to: Path, firmware: str | None = None, kernels: Sequence[str] = KERNELS, arch: str | None = None) -> None:
    """Write what a board needs as to/l3mote.

    firmware: a key of ONLY_FOR; without it, the modules of every firmware. arch: the architecture whose native module is included
    if the kernel `native` is; without it, none.
    """
    copy_library(to)
    folder = to / "l3mote"
    others = [name for kind, names in ONLY_FOR.items() if firmware not in (None, kind) for name in names]
    for name in (*NOT_FOR_BOARDS, *others):
        (folder / name).unlink()
    for name in set(KERNELS) - set(kernels):
        for module in (f"{name}.py", f"capture_{name}.py"):
            (folder / "kernels" / module).unlink(missing_ok=True)
    for native in (folder / "kernels").glob("l3native_*.mpy"):
        if "native" not in kernels or native.stem != f"l3native_{arch}":
            native.unlink()
