"""mAh a day: the modes' shares of the time against sums by hand."""

import pytest
from support import ROOT

from l3host.boards import energy, estimates
from l3host.boards.table import BOARDS
from l3host.l3m.load import find, open_reader
from l3mote.kernels import KERNELS


def test_shares_of_the_time():
    shares = energy.modes(0.5, 1.0, 2.0)
    cycle = 0.3 + 1 + 0.5 + 60
    assert shares["always"] == (0.25, 1)
    assert shares["every 60 s"] == pytest.approx((0.5 / cycle, 1.8 / cycle))
    assert shares["wake (5% loud)"] == pytest.approx((0.0125, 1))
    assert energy.modes(0.5, 2.0, 1.0, windows=2)["every 60 s"] == pytest.approx((1 / 63.8, 3.8 / 63.8))
    assert energy.modes(60, 2.0, 1.0, windows=2)["every 60 s"] == pytest.approx((120 / 182.3, 122.3 / 182.3))
    assert energy.modes(9, 1, 1)["always"] == (1, 1)  # slower than the sound: busy all the time


def test_a_day_of_a_pico_by_hand():
    day = energy.per_day("rp2040", 1.0, 1.0, 1.0)
    assert day["mah"]["always"] == pytest.approx(24 * (25 + 2.2))
    asleep = 60 / 62.3
    assert day["mah"]["every 60 s"] == pytest.approx(24 * ((25 + 1.3 * 21) / 62.3 + 1.5 * asleep + 2.2 * 2.3 / 62.3 + 0.8 * asleep))
    assert "guess" in day["basis"]


def test_every_board_has_currents_and_says_on_what_they_rest():
    assert all(c.sleep < c.idle <= c.busy and c.source for c in (board.currents for board in BOARDS.values()))


def test_inspect_prints_them(capsys):
    from l3host.cli import main

    assert main(["inspect", "esc10", "--details"]) == 0
    out = capsys.readouterr().out
    assert "Listening for a day in mAh (estimate: " in out and "currents of rp2040 in mA, 21 waiting" in out


def test_each_kernel_has_its_costs():
    assert set(estimates.COSTS) == set(KERNELS)
    assert all(set(rows) <= {*BOARDS, *(board.core for board in BOARDS.values())} for rows in estimates.COSTS.values())
    missing = [  # None: the costs of a board that the rest does not name
        f"{kernel}: neither {name} nor its core {board.core}"
        for kernel, rows in estimates.COSTS.items()
        for name, board in BOARDS.items()
        if not {name, board.core, None} & set(rows)
    ]
    assert missing == []


def number(cell):
    """57.6 M, 237 k or 5.18 of a table."""
    value, *unit = cell.split()
    return float(value) * {"M": 1e6, "k": 1e3}[unit[0] if unit else "M"] if unit else float(value)


def test_costs_of_the_native_kernel_are_those_of_the_benchmarks():
    """Of each core: the shipped model's window, a frame of its log-mel, and a product on a list."""
    cores = (ROOT / "BENCHMARKS.md").read_text().split("\n## Cores\n")[1].split("\n### ")[0]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in cores.splitlines() if line[:1] == "|"]
    measured = {row[1].strip("`"): dict(zip(head, row, strict=True)) for row in rows}
    reader = open_reader(str(find("esc10")))
    reader.close()
    for core, board in (("rp2040", "rp2040"), ("m33", "rp2350"), ("rv32", "esp32c3"), ("lx7", "esp32s3")):
        found = {name: number(measured[core][name]) for name in ("window, native", "log-mel frame", "a MAC, 10%")}
        fit = estimates.will_it_run(reader, 1 << 20, ["native"])
        seconds, _ = estimates.estimate_seconds("native", board, fit["macs"], reader, fit["macs_in_lists"])
        cycles = seconds * BOARDS[board].hertz
        assert cycles == pytest.approx(found["window, native"], rel=0.03), core
        assert estimates.COSTS["native"][core][1] == pytest.approx(found["log-mel frame"], rel=0.01), core
        assert estimates.IN_LISTS[core] == pytest.approx(found["a MAC, 10%"], rel=0.01), core


def test_the_lowest_clock_by_hand():
    # 0.46 s at 125 MHz for every second are 57.5 M cycles a second: 60 % of 96 MHz is 57.6
    assert estimates.lowest_clock("rp2040", 0.46, 1.0) == 96
    assert estimates.lowest_clock("rp2040", 0.46, 2.0) == 48
    assert estimates.lowest_clock("rp2040", 0.7, 1.0) is None  # 70 % of the time at its own
    assert all(board.clocks[-1] * 1e6 == board.hertz for board in BOARDS.values())
