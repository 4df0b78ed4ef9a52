"""Pytest plugin: the fixture l3mote_board runs a model, or the whole listening app, in a real MicroPython.

    def test_a_bark_is_reported(l3mote_board):
        report = l3mote_board.listen("model.l3m", "bark.wav")
        assert report.has("dog", 2.0, 4.5)

A test that uses it runs once in each runtime: those of --l3mote-runtimes or of the ini setting l3mote_runtimes, else unix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from l3host.emulate import Emulation
    from l3host.emulate.listen import Report

DEFAULT = "unix"


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "runtimes of the fixture l3mote_board, e.g. unix,wasm,qemu,rp2040 (see l3mote emulate --help)"
    parser.getgroup("l3mote").addoption("--l3mote-runtimes", help=f"{text}; default: the ini setting, else {DEFAULT}")
    parser.addini("l3mote_runtimes", text, default=DEFAULT)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "l3mote_board" in metafunc.fixturenames:
        names = metafunc.config.getoption("l3mote_runtimes") or metafunc.config.getini("l3mote_runtimes")
        metafunc.parametrize("l3mote_board", [name.strip() for name in names.split(",")], indirect=True)


@pytest.fixture
def l3mote_board(request: pytest.FixtureRequest) -> Board:
    """A runtime for this test. One that is not installed fails the test: nobody notices a skipped one."""
    from l3host.emulate import runtimes
    from l3host.errors import L3Error

    try:
        runtimes.find(request.param)
    except L3Error as e:
        pytest.fail(str(e), pytrace=False)
    return Board(request.param)


@dataclass(frozen=True)
class Board:
    """A MicroPython, with the name that `l3mote emulate --runtime` takes."""

    runtime: str

    def emulate(self, model: str, audio: str, heap: int | None = None, kernel: str | None = None) -> Emulation:
        """Run the device package on the windows of an audio file and compare with the reference. heap: bytes. Raises L3Error."""
        from l3host.emulate import emulate
        from l3host.l3m.load import load_graph
        from l3host.sound.windows import pcm_windows

        return emulate(model, pcm_windows(load_graph(model).frontend, audio), self.runtime, heap=heap, kernel=kernel)

    def listen(self, model: str, audio: str, **settings) -> Report:
        """Run the listening app on an audio file. settings: the app's (threshold=0.4, hop=0.5...). Raises L3Error."""
        from l3host.emulate.listen import listen

        return listen(model, audio, self.runtime, settings)
