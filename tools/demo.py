"""`make demo`: a sound through the host's reference and through the device package in real MicroPython with ulab.

python tools/demo.py [AUDIO]: without a file, sounds made by synth.py.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from l3host import cli
from l3host.show import out
from l3host.sound import synth

MODEL = "esc10"


def run(path: str) -> int:
    out().rule(f"{Path(path).name}: the reference on this machine")
    status = cli.main(["classify", MODEL, path])
    if status:
        return status
    out().rule(f"{Path(path).name}: the device package in MicroPython + ulab (WebAssembly)")
    return cli.main(["emulate", MODEL, path, "--runtime", "wasm", "--heap", "192k"])


def main(argv: list[str]) -> int:
    if argv:
        return max(run(path) for path in argv)
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        status = 0
        for name in synth.SOUNDS:
            path = str(Path(folder, f"{name}.wav"))
            soundfile.write(path, synth.sound(name), synth.RATE)
            status = max(status, run(path))
    out().print("These sounds are synthetic: the model was trained on recordings. Try your own: make demo AUDIO=street.wav")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
