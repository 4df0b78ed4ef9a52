"""What `make bench-host` writes and keeps; it itself is not a test."""

import bench_host
import numpy as np
import pytest
from support import require

from l3host.engines import numpy_engine


def test_a_section_takes_the_place_of_the_old_one_and_of_nothing_else(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("# Benchmarks\n\nboards\n")
    for text in ("first", "second"):
        monkeypatch.setattr(bench_host, "section", lambda sea, text=text: f"{bench_host.BEGIN}{text}\n{bench_host.END}")
        bench_host.main(page)
        assert page.read_text() == f"# Benchmarks\n\nboards\n\n{bench_host.kept(page)}"
        assert bench_host.kept(page).splitlines()[1:-1] == [text]


def test_a_line_is_fitted():
    assert bench_host.fitted([10, 20, 40], [1.5, 2.5, 4.5], "a file").startswith(
        "A line through them: 0.50 s and 100.00 ms a file; "
    )
    assert "further off than 0%" in bench_host.fitted([10, 20, 40], [1.5, 2.5, 4.5], "a file")


def test_a_command_is_measured_with_and_without_a_terminal():
    for terminal in (False, True):
        cpu, peak = bench_host.command(["inspect", "esc10", "--json"], terminal)
        assert cpu > 0 and 10 < peak < 1000


def test_random_weights_have_sea64s_shape():
    graph = bench_host.graph_of(None)
    graph.check()
    assert numpy_engine(graph)(np.zeros((1, 8000))).embedding.shape == (1, 64)


def test_litert_computes_what_the_reference_does():
    pytest.importorskip("tensorflow")
    run = bench_host.litert(bench_host.graph_of(None))
    require(run, "TensorFlow is not installed")
    run(np.zeros((16, 64, 50), np.float32))
