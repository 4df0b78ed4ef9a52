"""Try hostile inputs of every kind and print a table (`make attack`); exit status 1 if one of them broke a rule.

python tools/attack.py [SHARE]             SHARE of the full numbers (default 1, an hour on one core; tests take 0.02 to 0.1)
python tools/attack.py --part NAME COUNT   one part in this process: prints its tally as JSON
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "kit"))


def kit(name: str) -> Any:
    """Import a module of tests/kit, when a part needs it."""
    return importlib.import_module(name)


def files_on_cpython(count: int):
    fuzz = kit("fuzz")
    return kit("hostile").Tally(fuzz.run(count), fuzz.slowest)


def files_in_micropython(count: int):
    """Fuzz with every kernel that loads: native, viper and python."""
    return kit("hostile").Tally(kit("fuzz").run_micropython(count, "unix"))


def c_under_sanitizers(count: int):
    sanitized = kit("sanitized")
    with tempfile.TemporaryDirectory() as folder:
        passed = sanitized.run(sanitized.build(Path(folder)), count, 7)
    return kit("hostile").Tally(Counter({"ok": sum(passed), "refused": len(passed) * count - sum(passed)}))


def cuts(work: str) -> Callable:
    def run(count: int):
        power = kit("cuts")
        return kit("hostile").Tally(Counter({"ok": sum(power.cut(work, fs, count // 2) for fs in power.FILE_SYSTEMS)}))

    return run


def hostile_kind(name: str) -> Callable:
    def run(count: int):
        return getattr(kit("hostile"), name)(count)

    return run


# what is attacked: (a full run's number of inputs, how)
PARTS: dict[str, tuple[int, Callable]] = {
    ".l3m files, CPython": (100_000, files_on_cpython),
    ".l3m files, MicroPython's kernels": (10_000, files_in_micropython),
    "the C under sanitizers, rounds": (1_000_000, c_under_sanitizers),
    "Keras files": (10_000, hostile_kind("convert_keras")),
    "ONNX and TFLite files": (10_000, hostile_kind("convert_graphs")),
    "recipes": (10_000, hostile_kind("read_recipes")),
    "settings": (10_000, hostile_kind("check_settings")),
    "lines of the monitor": (10_000, hostile_kind("monitor_lines")),
    "a board's answers": (10_000, hostile_kind("board_transcripts")),
    "power cuts, log": (10_000, cuts("log")),
    "power cuts, queue": (10_000, cuts("queue")),
    "power cuts, slots": (10_000, cuts("slots")),
}


def one(name: str, count: int) -> dict:
    """Run a part in this process; return its tally."""
    tally = PARTS[name][1](count)
    memory = max(kit("peak").own(), kit("peak").children())
    return {"outcomes": dict(tally.outcomes), "slowest": tally.slowest, "memory": memory}


def apart(name: str, count: int) -> dict | str:
    """Run a part in a process of its own, whose memory is the part's alone; return its tally, or what broke."""
    done = subprocess.run([sys.executable, __file__, "--part", name, str(count)], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr[-3000:] or f"status {done.returncode}"


def results(share: float) -> Iterator[tuple[str, dict | str, float]]:
    """Run each part; yield (part, its outcome or what broke, seconds)."""
    for name, (count, _) in PARTS.items():
        start = time.monotonic()
        yield name, apart(name, max(10, round(count * share))), time.monotonic() - start


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--part"]:
        print(json.dumps(one(arguments[1], int(arguments[2]))))
        return 0
    from l3host import show

    table = show.table("What comes from outside", "part", "inputs", "outcomes", "slowest, s", "memory, MB", "minutes")
    broken = []
    for name, result, seconds in results(float(arguments[0]) if arguments else 1):
        if isinstance(result, str):
            broken.append(f"{name}: {result}")
            table.add_row(name, "", "BROKEN", "", "", f"{seconds / 60:.1f}")
            continue
        outcomes = ", ".join(f"{n} {outcome}" for outcome, n in sorted(result["outcomes"].items()))
        slowest = f"{result['slowest']:.2f}" if result["slowest"] else "-"
        row = str(sum(result["outcomes"].values())), outcomes, slowest, f"{result['memory'] / 1e6:.0f}", f"{seconds / 60:.1f}"
        table.add_row(name, *row)
        print(name, *row, file=sys.stderr, flush=True)
    show.draw(table)
    for what in broken:
        show.say(what)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
