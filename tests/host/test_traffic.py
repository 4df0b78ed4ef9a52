"""Bytes moved between memory and cache: by hand, and against a simulated cache that the kernel's loops run through."""

from collections import OrderedDict
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from l3host import cli
from l3host.boards import estimates
from l3host.boards.table import BOARDS
from l3host.boards.traffic import macs_in_lists, moved
from l3host.l3m.load import find, open_reader
from l3mote.kernels.parts import parts

CACHE, LINE = 32 * 1024, 32  # bytes


def plan_of(inputs, outputs, nonzeros, rows, columns, pool, chunks):
    """One convolution, whose strip is its plane."""
    shape = {"rows": rows, "cols": columns, "out_rows": rows // pool, "out_cols": columns // pool}
    pools = {"pool_rows": pool, "pool_cols": pool}
    layer = SimpleNamespace(inputs=inputs, outputs=outputs, nonzeros=nonzeros, chunks=chunks, **shape, **pools)
    return SimpleNamespace(convs=[layer], heights=[rows], columns=[columns], tiles=1, step=pool)


def test_bytes_counted_by_hand():
    """64 channels of 40 x 256 in parts of 2 x 32 pixels: 20 times 4 rows of 17 lines of 32 bytes, for each of three chunks."""
    plan = plan_of(64, 32, 1000, 40, 256, 2, 3)
    written = 2 * 32 * 20 * 128
    assert moved(plan, 2, True) == 3 * 20 * 64 * 4 * (17 * 32) + written == 8_519_680
    assert moved(plan_of(2, 3, 6, 40, 256, 2, 1), 2, False) == 2 * 40 * 256 * 3 * 1.5 + 2 * 3 * 20 * 128  # both in one of 2: half


def test_products_in_lists_are_those_of_pruned_layers():
    """8 x 16 places; a layer of 9 taps x 4 channels x 2 filters is one of lists below 63 weights, seven eighths of 72."""
    for weights, listed in ((63, 0), (62, 8 * 16 * 62)):
        plan = plan_of(4, 2, weights, 8, 16, 2, 1)
        plan.convs[0].taps = 36
        assert macs_in_lists(plan) == listed


def missed(filters, inputs, rows, columns, strips):
    """Bytes that a cache with its least used line replaced fetches, while filters (lists of taps) sum their parts of a plane."""
    pitch, lines, misses = columns + 2, OrderedDict(), 0
    for first, stop, left, right in strips:
        for taps in filters:
            for row in range(first, stop):
                for column in range(left, right, 8):
                    for tap in taps:
                        channel, at = divmod(int(tap), 9)
                        pixel = (channel * (rows + 2) + row + at // 3) * pitch + column + at % 3
                        for line in range(2 * pixel // LINE, (2 * pixel + 15) // LINE + 1):
                            misses += line not in lines
                            lines[line] = None
                            lines.move_to_end(line)
                            if len(lines) > CACHE // LINE:
                                lines.popitem(last=False)
    return misses * LINE


def test_a_cache_fetches_about_what_is_counted_and_a_third_in_parts():
    inputs, outputs, rows, columns, each = 64, 12, 8, 128, 60
    rng = np.random.default_rng(2)
    filters = [np.sort(rng.permutation(9 * inputs)[:each]) for _ in range(outputs)]
    plan = plan_of(inputs, outputs, each * outputs, rows, columns, 1, 1)
    written = 2 * outputs * rows * columns
    whole = missed(filters, inputs, rows, columns, [(0, rows, 0, columns)])
    in_parts = missed(filters, inputs, rows, columns, list(parts(inputs, 0, rows, columns, 1, 1)))
    assert 0.75 < whole / (moved(plan, 2, False) - written) < 1.25
    assert 0.75 < in_parts / (moved(plan, 2, True) - written) < 1.25
    assert in_parts < whole / 3


@pytest.fixture
def reader():
    result = open_reader(find("esc10"))
    yield result
    result.close()


def test_bytes_that_leave_the_chip_take_their_time(reader):
    """An ESP32-S3's two rows differ by their memory; with as much heap they run the same plan."""
    heap, memory = BOARDS["esp32s3-psram"].heap, BOARDS["esp32s3-psram"].memory
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BOARDS, "esp32s3", replace(BOARDS["esp32s3"], heap=heap))
        inside, outside = (estimates.on_board(reader, name, estimates.STOCK) for name in ("esp32s3", "esp32s3-psram"))
    assert inside["plane_bytes_moved"] == outside["plane_bytes_moved"] > 1_000_000
    taken = [result["seconds_estimate"]["native"]["seconds"] for result in (inside, outside)]
    assert taken[1] - taken[0] == pytest.approx(outside["plane_bytes_moved"] / memory.bytes_per_second)
    assert (
        "PSRAM" in outside["seconds_estimate"]["native"]["basis"] and "PSRAM" not in inside["seconds_estimate"]["native"]["basis"]
    )


def test_a_model_that_needs_psram_gets_one_line_that_says_so(capsys, monkeypatch):
    monkeypatch.setitem(BOARDS, "esp32s3", replace(BOARDS["esp32s3"], heap=100_000))
    assert cli.main(["inspect", "esc10", "--details"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("esp32s3: the model needs a board with PSRAM (esp32s3-psram): ") == 1
    assert printed.count("esp32s3-psram: planes move ") == 1
