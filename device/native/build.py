"""Build the native module of each architecture whose compiler is here into ../l3mote/kernels, and note the compiler in ./compilers.

usage: build.py MICROPYTHON_SOURCE [ARCH...]
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from l3host.architectures import ARCHITECTURES, Architecture
from l3host.programs import emulators

HERE = Path(__file__).parent.resolve()
PROGRAM = "#include <stdint.h>\n"  # a compiler without its C library cannot compile it


def environment() -> dict[str, str]:
    """Return an environment with the compiler of `make emulators` on the PATH, in which mpy_ld.py is reproducible."""
    path = os.pathsep.join([os.environ.get("PATH", ""), str(emulators() / "xtensa" / "bin")])
    return {**os.environ, "PATH": path, "PYTHONHASHSEED": "0"}  # it puts the parts of libgcc in the order of a set


def compiler(arch: Architecture, env: dict[str, str]) -> str | None:
    """Return the first line of the compiler's --version; None if it is missing or cannot compile."""
    program = shutil.which(arch.compiler, path=env["PATH"])
    if program is None:
        return None
    done = subprocess.run([program, *arch.headers.split(), "-E", "-"], env=env, input=PROGRAM, capture_output=True, text=True)
    version = subprocess.run([program, "--version"], env=env, capture_output=True, text=True)
    return version.stdout.splitlines()[0] if done.returncode == 0 else None


def build(name: str, arch: Architecture, source: Path, env: dict[str, str]) -> None:
    """Build one module and copy it to l3mote/kernels. Raises CalledProcessError."""
    variables = [f"ARCH={name}", f"MPY_DIR={source}", f"PYTHON={sys.executable}", f"FLAGS={arch.flags}", f"SOURCES={arch.sources}"]
    runtime = ["LINK_RUNTIME=1"] if arch.libgcc else []
    subprocess.run(["make", "-s", "-C", HERE, *variables, *runtime], env=env, check=True)
    shutil.copy(HERE / f"l3native_{name}.mpy", HERE.parent / "l3mote" / "kernels")


def note(name: str, version: str) -> None:
    """Write a module's compiler into ./compilers."""
    file = HERE / "compilers"
    lines = file.read_text().splitlines() if file.exists() else []
    lines = [line for line in lines if not line.startswith(f"{name}: ")] + [f"{name}: {version}"]
    file.write_text("\n".join(sorted(lines)) + "\n")


def main(source: Path, names: list[str]) -> None:
    if not (source / "py" / "dynruntime.mk").exists():
        sys.exit(f"native: no MicroPython source in {source}: run make emulators, or set MPY_DIR")
    env = environment()
    for name in names or ARCHITECTURES:
        arch = ARCHITECTURES[name]
        version = compiler(arch, env)
        if version is None:
            print(f"native: {name} left as it is: it needs {arch.compiler} ({arch.install})", file=sys.stderr)
            continue
        build(name, arch, source, env)
        note(name, version)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve(), sys.argv[2:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
