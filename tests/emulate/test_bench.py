"""The bench's code on one tiny layer in the unix port; `make bench` itself is not a test."""

import dataclasses

import bench
import bench_cores
import bench_report
import budget
import numpy as np
import pytest
from support import require

from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3host.l3m.load import load_graph


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    path = bench.written(bench.layer_graph(2, 8, 4, 0.5), tmp_path_factory.mktemp("bench") / "layer.l3m")
    return bench.Subject("2->2, 8x4", path, density=0.5)


@pytest.fixture(scope="module")
def results(subject):
    try:
        runtimes.find("unix")
    except L3Error as e:
        require(False, str(e))
    return [bench.measure(subject, "unix", kernel) for kernel in bench.KERNELS]


def test_a_layer_s_work_is_counted(results):
    for result in results:
        assert result.problem is None and result.facts["kernel"] == result.kernel
        first, layer, last = result.layers
        # 8 bands x 4 frames = 32 places; 9 taps x 1 x 2 filters, all there; 9 x 2 x 2 = 36, half of them zero; 4 x 2 places, 9 x 2
        assert (first.name, first.density, first.macs, first.outputs) == ("first", 1.0, 32 * 18, 32 * 2)
        assert (layer.name, layer.density, layer.macs, layer.outputs) == ("layer", 0.5, 32 * 18, 32 * 2)
        assert (last.name, last.density, last.macs, last.outputs) == ("last", 1.0, 8 * 18, 8)
        assert result.layer is layer and layer.shape == "2->2, 8x4"
        assert layer.cost > 0 and result.facts["selftest"]
        assert result.facts["heap_peak_bytes"] > result.facts["plan_bytes"] > 0


def test_a_window_is_its_frames_its_layers_and_the_rest(subject, results):
    whole = bench.measure(dataclasses.replace(subject, density=None), "unix", "native")
    assert whole.problem is None and whole.frames == 4
    assert 0 < whole.frame * 4 < whole.window
    row = cells(bench_report.markdown([whole], "", True), "2->2, 8x4")
    assert row[:3] == ["2->2, 8x4", "native", "0.0 M"] and row[-1] == "equal"


def test_strips_do_not_change_what_is_counted(subject):
    assert bench.pixels(subject.path, [4, 4, 2]) == bench.pixels(subject.path, [4, 2, 1]) == [32, 32, 8]


def test_a_runtime_that_is_not_here_is_a_line_of_the_page(subject, monkeypatch, tmp_path):
    monkeypatch.setenv("L3_EMULATORS", str(tmp_path))
    result = bench.measure(subject, "rp2040", "native")
    assert result.problem and not result.layers
    page = bench_report.markdown([result], "", True)
    assert f"- rp2040: 2->2, 8x4 50% (native): {result.problem}\n" in page


def cells(page, start):
    """The table row that begins so."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def fake(subject, macs, cost):
    layer = bench.LayerCost("layer", "2->2, 8x4", macs / 1000, macs, 100, cost)
    facts = {"selftest": True, "heap_peak_bytes": 91_234, "flash_bytes_read": 156_000}
    return bench.Result(subject, "rp2040", "native", None, 2.5e6, 1000.0, 50, [layer], facts)


def test_the_page_says_what_was_measured(subject):
    # 500 MACs for 3,000 cycles and 250 for 2,000: 4 cycles a MAC and 10 before the first of each of 100 outputs
    half = fake(subject, 500, 3000)
    quarter = fake(dataclasses.replace(subject, density=0.25), 250, 2000)
    model = fake(bench.Subject("net", subject.path), 1000, 1.25e6)
    page = bench_report.markdown([half, quarter, model], "", False)
    assert "| 2->2, 8x4 | 50% | 6 | 1.50 | - | - | - | - | - |" in page
    assert "| 2->2, 8x4 | 25% | 8 | 2.00 | - | - | - | - | - |" in page
    assert "| 2->2, 8x4 | 4.00 | 1.00 | 10.0 |" in page
    assert cells(page, "net") == [
        "net", "native", "0.0 M", "1 k", "1.25 k", "1.25 M", "1.2 M", "2.5 M", "0.02", "91.2 kB", "156.0 kB", "equal"
    ]  # fmt: skip
    assert "SEA-64: skipped" in page


def test_pruning_keeps_the_largest_weights(subject):
    graph = load_graph(str(subject.path))
    before = [abs(conv.kernel).ravel() for conv in graph.convs]
    least = sorted(np.concatenate(before))[-9]
    after = [abs(conv.kernel).ravel() for conv in bench.pruned(graph, 1 - 9 / 72, True).convs]  # 18 + 36 + 18 weights
    assert all((new == np.where(old >= least, old, 0)).all() for old, new in zip(before, after, strict=True))
    each = [np.count_nonzero(conv.kernel) for conv in bench.pruned(graph, 0.9, False).convs]
    assert each == [2, 4, 2]


def test_the_budget_s_pieces_add_up_to_the_window():
    found = {"log-mel": 14.4, "convolutions": 43.0, "decoding": 1.5, "reading": 0.5, "CRC": 0.8, "planes": 0.4, "window": 60.0}
    found.update({"calls": 27, "garbage": 640, "collection": 3.25})
    row = budget.cells(found)
    assert row == ["14.4", "41.5", "1.5", "0.9", "0.8", "0.5", "0.4", "60.0", "27", "640", "3.2"]  # 0.9 is what is left


def test_pieces_of_a_window_are_measured(subject, results):
    found = budget.pieces(subject.path, 150_000, "unix")
    parts = ("log-mel", "convolutions", "reading", "CRC", "planes", "window", "collection")
    assert all(found[name] > 0 for name in parts) and found["window"] > found["convolutions"] > 0
    assert found["calls"] == 3 and 0 <= found["garbage"] < 8192


def test_a_network_in_two_heaps_has_a_row_each(subject, results):
    """EdgeL3's part of the page, from the small layer's figures: planes by hand, seconds in the chip's RAM and in PSRAM."""
    result = []
    for heap in bench_cores.EDGE_HEAPS:
        edge = dataclasses.replace(subject, title=bench_cores.EDGE, density=None, heap=heap)
        result.append(dataclasses.replace(results[0], subject=edge, window=240e6))
    rows = bench_cores.edge_rows(result)
    assert [row[0] for row in rows] == ["8192 kB", "512 kB"]
    assert [row[3] for row in rows] == ["240 M", "240 M"] and {row[6] for row in rows} == {"1"} and rows[0][-1] == "equal"


def test_edgel3_runs_on_the_lx7_alone(subject):
    edge = dataclasses.replace(subject, title=bench_cores.EDGE, density=None, kernels=("native",), heap=1 << 20)
    assert list(bench.cases([edge])) == [(edge, "lx7", "native")]
