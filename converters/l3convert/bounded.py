"""Reading foreign files in a child process (python -m l3convert) with limits of time and memory: a library that hangs, crashes or
eats memory over a file ends only the child."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from l3convert.keras_config import KerasLayer
from l3host import costs
from l3host.errors import L3Error, reading
from l3host.files import read_bytes


def layers(data: bytes, beside: bytes = b"") -> list[KerasLayer]:
    """Return the layers of a foreign file in order, with their weights. beside: the bytes of its NAME.data. Raises L3Error."""
    return _ask("layers", data, beside)


def look(path: Path) -> None:
    """Read all of a .keras or .h5 that Keras will read itself. Raises L3Error for what it must not, and for what is damaged."""
    data = read_bytes(path)
    magic = {".keras": b"PK\x03\x04", ".h5": b"\x89HDF", ".hdf5": b"\x89HDF"}  # Keras goes by the name: it has to be right
    if not data.startswith(magic.get(path.suffix, data)):
        raise L3Error(f"{path}: its contents are not those of a {path.suffix} file")
    try:
        _ask("look", data)
    except L3Error as e:
        raise L3Error(f"{path}: {e}") from None


def _ask(task: str, data: bytes, beside: bytes = b"") -> list[KerasLayer]:
    with tempfile.TemporaryDirectory(prefix="l3mote-") as folder:
        path = Path(folder, "result.npz")
        _run(task, data, beside, path)
        with reading("what the child process found"), np.load(path, allow_pickle=False) as result:
            if "error" in result:
                raise L3Error(str(result["error"]))
            read = [KerasLayer(*layer) for layer in json.loads(str(result["layers"]))]
            for key in result.files:
                i, _, name = key.partition("/")
                if name:
                    read[int(i)].weights[name] = result[key]
            return read


def _run(task: str, data: bytes, beside: bytes, path: Path) -> None:
    """Have a child write `path`. Raises L3Error."""
    arguments = task, path, costs.CHILD_SECONDS, costs.CHILD_BYTES, len(data)
    command = [sys.executable, "-P", "-m", "l3convert", *map(str, arguments)]  # -P: imports nothing of the working folder
    seconds = None if costs.unlimited() else 6 * costs.CHILD_SECONDS
    try:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, input=data + beside, env=environment, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise L3Error(f"reading it took more than {seconds} s: {costs.LIFT}") from None
    if done.returncode == -getattr(signal, "SIGXCPU", 0) or done.returncode == -9:
        raise L3Error(f"reading it took more than {costs.CHILD_SECONDS} s of work: {costs.LIFT}")
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise L3Error(f"the library that reads it crashed (status {done.returncode}) {' '.join(last)}".rstrip())
