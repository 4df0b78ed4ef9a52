"""Start the shipped model's app ten times on the emulated Pico, with its I2S microphone, and print a table.

python tools/starts.py; exit status 1 if one start does not lead to listening.
"""

import contextlib
import io
import sys
from pathlib import Path

from l3host import show
from l3host.cli import main as l3mote
from l3host.emulate import rp2040
from l3host.emulate.rp2040.serial_port import board

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kit"))
from deployed import COMMAND, FEW, first_line, soft_reboot, with_heap  # type: ignore[import-not-found]


def deploy(there, *arguments):
    """Deploy, or roll back, and wait until the board listens; print the command's output only if it fails."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = l3mote([*arguments, "--port", there.port])
    if status:
        sys.exit(printed.getvalue())
    soft_reboot(there.port)
    return first_line(there.port)


def ways():
    """Yield (how, heap at boot or None for all of it, the app's first line) of each start."""
    image = rp2040.dump(rp2040.file_system())
    with board(image) as there:
        yield "deploy", None, deploy(there, *COMMAND)
        for _ in range(3):
            soft_reboot(there.port)
            yield "soft reboot", None, first_line(there.port)
        yield "deploy, another setting", None, deploy(there, *COMMAND, "--set", "hop=4")
        yield "rollback", None, deploy(there, "deploy", "--rollback")
    for heap in (None, None, None, FEW):
        with board(with_heap(there.image, heap)) as again:
            yield "power-on", heap, first_line(again.port)


def main():
    table = show.table("Starts, emulated RP2040", "how", "heap at boot", "says", "free when it listens")
    listening = []
    for how, heap, line in ways():
        listening.append(line.get("label") == "listening")
        row = how, heap or "all", line.get("label"), line.get("free", "")
        table.add_row(*map(str, row))
        print(*row, flush=True)
    show.draw(table)
    return 0 if all(listening) else 1


if __name__ == "__main__":
    sys.exit(main())
