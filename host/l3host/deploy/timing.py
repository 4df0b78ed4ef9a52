"""What one window costs on a board, layer by layer: of the version that it runs, or of a model copied there temporarily."""

from __future__ import annotations

from l3host.deploy import answers, facts, payload, remote, steps, targets
from l3host.errors import L3Error
from l3host.l3m.load import open_reader
from l3mote import start

SCRIPTS = ("timed_model", "timed_selftest")  # one after the other in one namespace


def run(board: targets.Board, folder: str) -> dict:
    """Time the version in a folder of the board. Times are in seconds."""
    source = "\n".join(map(remote.source, SCRIPTS))
    answer = board.fresh(f"import sys\nFOLDER = {folder!r}\nsys.path.insert(0, FOLDER)\n{source}", answers.BENCH)
    layers = [{"name": name, "seconds": us / 1e6} for name, us in answer.pop("us_layers")]
    window, frontend = answer.pop("us_window") / 1e6, answer.pop("us_frontend") / 1e6
    rest = window - frontend - sum(layer["seconds"] for layer in layers)
    return {"seconds_window": window, "seconds_frontend": frontend, "layers": layers, "seconds_rest": rest, **answer}


def bench(board: targets.Board, board_facts: facts.Facts, model: str | None) -> dict:
    """Time the running version (model: None), or a model that is copied to the board and removed again. Raises L3Error."""
    if not board_facts.micropython:
        raise L3Error(f"{board_facts.name}: only MicroPython has the clock that this needs (time.ticks_us)")
    root = board.root + start.ROOT
    _, running, _ = board.call("running", root)
    if model is None:
        if running is None:
            raise L3Error("no version runs on the board: name a model, or deploy one")
        return {"version": running, **run(board, f"{root}/{running}")}
    reader = open_reader(model)
    try:
        kernel, _ = facts.choose_kernel(board_facts, reader, listening=False)
    finally:
        reader.close()
    files = payload.build(board_facts, model, [kernel], start.NO_APP, {}, payload.can_precompile(board_facts, asked=False))
    steps.place(board, files, running)
    try:
        return {"version": None, **run(board, f"{root}/{files.version}")}
    finally:
        steps.remove_leftovers(board, steps.versions(board))
