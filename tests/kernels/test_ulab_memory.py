"""Kernel `ulab` keeps to its plan: what a window allocates is small, by the heap's map in MicroPython + ulab in WebAssembly (which
enforces no heap); and, where MICROPYTHON names an interpreter with ulab that enforces one, by running in every heap."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import ROOT, SCRIPTS, runtime_of
from ten import TEN

from l3host.emulate import runtimes
from l3mote.plan import RUN_OBJECTS

MODEL = Path(TEN)
BLOCK = 16  # bytes of the heap's smallest piece, where words have 32 bits
ROOM = 150_000  # bytes of buffers: strips, and nothing to spare


def heap_maps(text):
    """The heap's maps that mem_info(1) printed, a character a block: '.' free, '=' the rest of what another begins."""
    for part in text.split("GC memory layout")[1:]:
        lines = re.findall(r"^[0-9a-f]{8}: (\S+)$|^ +\((\d+) lines all free\)$", part, re.MULTILINE)
        yield "".join(blocks or "." * 64 * int(free) for blocks, free in lines)


def new_blocks(before, after):
    """Bytes of everything that was allocated between two maps."""
    before = before.ljust(len(after), ".")
    heads = re.finditer(r"[^.=]=*", after)
    return [BLOCK * len(head[0]) for head in heads if before[head.start()] == "."]


def test_new_blocks_by_hand():
    assert new_blocks("h==.h", "h==.h..h===hh=.") == [64, 16, 32]


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """What blocks.py found, and the bytes of each allocation of a window."""
    folder = tmp_path_factory.mktemp("blocks")
    shutil.copy(MODEL, folder / "model.l3m")
    (folder / "job.json").write_text(json.dumps({"heap": 2 * ROOM}))  # its floats have 8 bytes
    done = runtimes.execute(runtime_of("wasm"), SCRIPTS / "blocks.py", ROOT / "device", folder)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    return json.loads((folder / "blocks.json").read_text()), new_blocks(*heap_maps(done.stdout))


def test_no_allocation_of_a_window_is_larger_than_the_plan_counts(window):
    facts, blocks = window
    most = facts["itemsize"] * facts["temporary"]
    assert most // 2 < max(blocks) <= most
    assert sum(facts["steps"]) <= sum(blocks) <= 1.05 * sum(facts["steps"])  # the map has it all


def test_what_a_step_leaves_behind_is_within_the_planned_objects(window):
    facts, _ = window
    assert 0 < max(facts["alive"]) <= RUN_OBJECTS


def run_in(program, heap, folder):
    """(last word of window.py, its line)."""
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'device'}:.frozen"}
    command = [program, "-X", f"heapsize={heap}k", str(SCRIPTS / "window.py"), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    return (done.stdout + done.stderr).strip().splitlines()[-1]


def test_no_heap_that_the_plan_accepts_ends_in_a_memory_error():
    program = os.environ.get("MICROPYTHON")
    if not program or subprocess.run([program, "-c", "import ulab"], capture_output=True).returncode:
        pytest.skip("set MICROPYTHON=/path/to/a/micropython with ulab and a limited heap to run in every heap there")
    message = {heap: run_in(program, heap, MODEL.parent) for heap in range(160, 1024, 8)}
    verdicts = {heap: line.split(":")[0] for heap, line in message.items()}
    accepted = [heap for heap in message if verdicts[heap] != "HeapError"]
    assert accepted and {verdicts[heap] for heap in accepted} == {"passed"}, message
