"""A heap in pieces, in MicroPython's unix port: the smallest plan is tried before a model gives up, and what is free is said."""

import json
import re
from pathlib import Path

import pytest
from support import SCRIPTS, runtime_of
from ten import TEN

from l3host.emulate import runtimes
from l3host.package.library import SOURCE

HEAP = 1 << 20
# The shipped model's window is 32,000 bytes; what else the smallest plan needs is less than 9,900 in one piece: the chunk's buffer
# and the kernel's, in which the front-end works.
ENOUGH = [33_000, 11_000, 7_000, 7_000, 7_000, 5_500]
SMALL = 40  # pieces of 1 kB, for small objects


def opened(folder, pieces):
    """What pieces.py prints."""
    (folder / "model.l3m").write_bytes(Path(TEN).read_bytes())
    (folder / "job.json").write_text(json.dumps({"pieces": pieces, "small": SMALL}))
    done = runtimes.execute(runtime_of("unix"), SCRIPTS / "pieces.py", SOURCE.parent, folder, HEAP)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_model_opens_where_only_its_smaller_plans_find_their_pieces(tmp_path):
    result = opened(tmp_path, ENOUGH)
    assert result["passed"] and result["heap"] < 70_000


@pytest.mark.parametrize("largest", [20_000, 29_000])
def test_a_heap_without_a_piece_for_the_window_is_refused_with_its_largest_piece(largest, tmp_path):
    message = opened(tmp_path, [largest, 17_000, 17_000, 7_000, 7_000, 7_000, 7_000, 5_500])["error"]
    form = r"the model needs (\d+) bytes of heap for its buffers and (\d+) beside them: (\d+) are free, the largest piece (\d+)"
    match = re.fullmatch(form, message)
    assert match, message
    needed, _, free, piece = map(int, match.groups())
    assert largest <= piece <= 1.1 * largest and needed > 50_000 and free > needed
