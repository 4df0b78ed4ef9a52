"""mAh a day: the modes' shares of the time against sums by hand."""

import pytest

from l3host.boards import energy, estimates
from l3host.boards.table import BOARDS
from l3mote.kernels import KERNELS


def test_shares_of_the_time():
    shares = energy.modes(0.5, 1.0, 2.0)
    cycle = 0.3 + 1 + 0.5 + 60
    assert shares["always"] == (0.25, 1)
    assert shares["every 60 s"] == pytest.approx((0.5 / cycle, 1.8 / cycle))
    assert shares["wake (5% loud)"] == pytest.approx((0.0125, 1))
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
