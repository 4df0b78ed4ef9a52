"""The plan's promise on real memory: SEA-64 in MicroPython's unix port, its heap limit bisected."""

import json
from pathlib import Path

import numpy as np
import pytest
from support import SCRIPTS, require, shared

import l3convert
from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3host.l3m.load import load_graph
from l3host.l3m.writer import to_bytes
from l3host.package.library import SOURCE
from l3host.reference import floats

SCRIPT = SCRIPTS / "heap.py"
STEP = 4096
SOME_STEPS = 120  # the front-end and the first strips of four layers: by then everything is allocated


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sea")
    graph = l3convert.convert(str(shared("models/edgel3_sea_ust_audio_emb_64.h5")))
    (folder / "model.l3m").write_bytes(to_bytes(graph))
    return folder


def run(folder: Path, heap: int, steps: int | None):
    """What heap.py prints, or None when the heap is too small."""
    try:
        runtime = runtimes.find("unix")
    except L3Error as e:
        require(False, str(e))
    (folder / "job.json").write_text(json.dumps({"steps": steps}))
    library = SOURCE.parent
    done = runtimes.execute(runtime, SCRIPT, library, folder, heap)
    if done.returncode:
        assert "MemoryError" in done.stderr + done.stdout, done
        return None
    return json.loads(done.stdout)


def test_base_and_planned_buffers_are_within_a_tenth_of_the_heap_needed(sea):
    ample = run(sea, 1 << 20, SOME_STEPS)
    predicted = ample["base"] + ample["buffers"]
    low, high = predicted // 2 // STEP, 2 * predicted // STEP  # fails, works
    assert run(sea, low * STEP, SOME_STEPS) is None and run(sea, high * STEP, SOME_STEPS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if run(sea, middle * STEP, SOME_STEPS) else (middle, high)
    tables = (1 << 20) / ample["total"]  # the limit holds the collector's own tables, too
    needed = high * STEP / tables
    print(f"base {ample['base']} + buffers {ample['buffers']} = {predicted} bytes predicted, {needed:.0f} needed")
    assert predicted <= needed <= 1.1 * predicted
    whole = run(sea, int(1.1 * predicted * tables), None)
    assert whole, "a whole window does not fit a tenth more than predicted"
    expected = floats.run(load_graph(str(sea / "model.l3m")), window()).output[0]
    assert np.abs(np.array(whole["output"]) - expected).max() < 1e-4 * expected.max()


def window():
    """heap.py's samples."""
    i = np.arange(8000)
    return (((i * 7919 & 0x7FFF) - 16384) / 32768)[None]
