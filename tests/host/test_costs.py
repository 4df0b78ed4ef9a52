"""What a file of others may cost: looked at wherever a file is used, before it is spent, refused in one line, lifted by a flag."""

import os
from pathlib import Path

import bombs
import handmade
import models
import numpy as np
import pytest
import soundfile

from l3host import cli, costs
from l3host.embed import get_embedding
from l3host.errors import L3Error
from l3host.files import read_bytes
from l3host.graph.network import Conv, Graph, frontend
from l3host.l3m.load import load_graph, open_reader

COMMANDS = (
    ("inspect",), ("selftest",), ("classify", "a.wav"), ("embed", "a.wav"), ("emulate", "a.wav"), ("listen", "a.wav"),
    ("convert", "-o", "o.l3m"), ("deploy", "--port", "drive", "--app", "none"), ("deploy", "--port", "drive"),
)  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bomb.l3m").write_bytes(bombs.model())
    soundfile.write("a.wav", np.zeros(8000), 8000)
    Path("drive").mkdir()
    Path("drive/boot_out.txt").write_text("Adafruit CircuitPython 9.2.1 on 2024-11-20; Raspberry Pi Pico with rp2040\n")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_bomb_is_refused_by_every_command_that_takes_a_model(here, capsys, command):
    """41 kB whose planes have 34 GB of float32."""
    assert Path("bomb.l3m").stat().st_size < 42_000
    assert cli.main([command[0], "bomb.l3m", *command[1:]]) == 1
    error = capsys.readouterr().err
    # 1,022 rows (192,000 samples in steps of 188) x 2,049 bins x (9 taps and 4,096 filters) x 8 bytes
    assert error.startswith("l3mote: bomb.l3m takes 68,769,521,520 bytes for the values of a layer, more than the 536,870,912 that")
    assert error.endswith("--unlimited takes it nevertheless\n") and error.count("\n") == 1
    assert {path.name for path in here.iterdir()} == {"bomb.l3m", "a.wav", "drive"}


def test_the_flag_lifts_the_limits_for_one_command(here, capsys):
    Path("wide.l3m").write_bytes(bombs.model(filters=200, rows=400))  # 1.4 GB of planes, were it run
    assert cli.main(["inspect", "wide.l3m"]) == 1
    assert cli.main(["inspect", "wide.l3m", "--unlimited"]) == 0
    assert cli.main(["inspect", "wide.l3m"]) == 1
    assert costs.FLAG not in os.environ
    capsys.readouterr()


def test_the_python_api_refuses_it_too(here):
    with pytest.raises(L3Error, match="bytes for the values of a layer"):
        get_embedding(np.zeros(8000), 8000, "bomb.l3m")
    with costs.lifted():
        assert len(load_graph("bomb.l3m").layers) == 1


def test_costs_worked_out_by_hand(tmp_path):
    """handmade.DENSE: 2 frames of 64 samples in 4 bands, 9 weights for each of 2 filters, 2 x 4 positions."""
    path = tmp_path / "hand.l3m"
    path.write_bytes(handmade.DENSE)
    front_end = 2 * (4 * 64 * 7 + 33 * 4 + 10_000)  # butterflies, the mel matrix, the loop
    work = front_end + 2 * 2 * (4 * 9 + 10_000)
    assert load_graph(str(path)).cost() == (18, max(8 * 2 * (2 * 64 + 33), 8 * 8 * (9 + 2)), work)


WORDS = {"WEIGHTS": "weights", "MEMORY": "bytes for the values", "WORK": "multiply-accumulates"}


@pytest.mark.parametrize("limit", WORDS)
def test_each_limit_counts_in_the_file_as_in_the_graph(tmp_path, monkeypatch, limit):
    graph = models.small()
    path = tmp_path / "small.l3m"
    path.write_bytes(models.data(graph))
    most = getattr(graph.cost(), limit.lower())
    monkeypatch.setattr(costs, limit, most)
    open_reader(str(path)).close()
    costs.check("a graph", graph.cost())
    monkeypatch.setattr(costs, limit, most - 1)
    for attempt in (lambda: open_reader(str(path)), lambda: costs.check("a graph", graph.cost())):
        with pytest.raises(L3Error, match=f"takes {most:,} {WORDS[limit]}"):
            attempt()


def test_the_published_networks_are_within_the_limits():
    filters = (64, 64, 128, 128, 256, 256, 512, 512)
    for name in ("mel256", "mel128", "linear"):
        layers, inputs = [], 1
        for i, outputs in enumerate(filters, 1):
            pool = (2, 2) if i in (2, 4, 6) else (1, 1)
            layers.append(Conv(f"conv{i}", np.broadcast_to(0.0, (3, 3, inputs, outputs)), np.zeros(outputs), "relu", pool))
            inputs = outputs
        costs.check(name, Graph(frontend(name), layers).cost())


def test_sizes_are_looked_at_before_anything_is_read(tmp_path):
    large = tmp_path / "large.keras"
    with open(large, "wb") as file:
        file.truncate(1 << 40)  # no byte of it on the disk
    with pytest.raises(L3Error, match=r"large.keras has 1,099,511,627,776 bytes, more than the 536,870,912 that are read of such"):
        read_bytes(large)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(L3Error, match="is not a regular file: it may have no end"):
            read_bytes(path)
    with pytest.raises(L3Error, match="cannot read .*none: No such file or directory"):
        read_bytes(tmp_path / "none")
