"""Printing: tables and progress for people (rich), JSON for scripts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from l3host.graph import Graph

PLAIN = {"highlight": False, "markup": False, "emoji": False}  # a file may be called "street[1].wav"
out = Console(width=max(120, shutil.get_terminal_size().columns), **PLAIN)  # narrower, tables lose digits
err = Console(stderr=True, **PLAIN)


def say(text: str | Text) -> None:
    """A line of text, never broken by us."""
    out.print(text, soft_wrap=True)


def plural(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def seconds(value: float) -> str:
    """Two or three digits that mean something, never 4.07e+03."""
    return f"{value:.2g}" if value < 100 else f"{round(value, -1):.0f}"


def results(as_json: bool, value, people: Callable[[], None]) -> None:
    """Print value as JSON, or let `people` print it for people."""
    if as_json:
        print(json.dumps(value, indent=1))
    else:
        people()


def _progress(quiet: bool, *columns: TextColumn) -> Progress:
    name = TextColumn("{task.description}", markup=False)
    shown = SpinnerColumn(), name, *columns, TimeElapsedColumn()
    return Progress(*shown, console=err, transient=True, disable=quiet or not err.is_terminal)


def progress(quiet: bool, what: str = "windows") -> Progress:
    return _progress(quiet, TextColumn(f"{{task.completed}} {what}"))


def bars(quiet: bool) -> Progress:
    """Bars of tasks whose length is known."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=err, disable=quiet or not err.is_terminal)


def steps(quiet: bool) -> Callable[[str], None]:
    """Says on stderr what happens now, on a terminal or not."""
    return (lambda text: None) if quiet else lambda text: err.print(text, soft_wrap=True)


def waiting(what: str, quiet: bool) -> AbstractContextManager:
    """A spinner while something runs whose progress is not known."""
    bar = _progress(quiet)
    bar.add_task(what, total=None)
    return bar


def table(title: str, *columns: str) -> Table:
    t = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for i, column in enumerate(columns):
        t.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0)
    return t


def size(n: int) -> str:
    """Bytes as kB or MB (10^3, 10^6)."""
    return f"{n / 1e6:.2f} MB" if n >= 1e6 else f"{n / 1e3:.1f} kB"


def converted(result: dict) -> None:
    say(f"{result['file']}: {result['layers']} layers, {size(result['bytes'])} ({result['bytes']} bytes)")
    if result["flushed_subnormals"]:
        say(f"{result['flushed_subnormals']} weights below 2^-14 were set to zero")


def inspection(result: dict) -> None:
    layers = table(
        result["file"], "layer", "input", "output", "encoding", "parameters", "density",
        "values", "positions", "MMAC", "activations",
    )  # fmt: skip
    for row in result["layers"]:
        layers.add_row(
            row["name"], "x".join(map(str, row["input"])), "x".join(map(str, row["output"])), row["encoding"],
            str(row["parameters"]), f"{row['density']:.1%}", size(row["bytes"]["values"]), size(row["bytes"]["positions"]),
            f"{row['macs_nonzero'] / 1e6:.2f}", size(row["activation_bytes"]),
        )  # fmt: skip
    out.print(layers)
    say("shapes are rows (time) x bands x channels; MMAC counts non-zero weights; activations are the output in float32\n")
    sizes = result["bytes"]
    parts = ", ".join(f"{key} {size(sizes[key])}" for key in ("values", "positions", "palettes", "biases", "other"))
    say(f"{sizes['total']} bytes: {parts}")
    nonzero, dense = result["macs_nonzero"] / 1e6, result["macs_dense"] / 1e6
    say(f"{nonzero:.1f} M multiply-accumulates a window on non-zeros, {dense:.1f} M dense")
    out.print(_boards(result["boards"]))
    for name in [name for name, board in result["boards"].items() if board["fits"]][:1]:
        board = result["boards"][name]
        listening = board.get("listening", {"fits": False})
        buffers = (listening if listening["fits"] else board)["buffers"]
        parts = [f"{b['name']} {size(b['bytes']) if b['bytes'] else 'shares memory'}" for b in buffers]
        say(f"buffers of {name}{' when it listens' if listening['fits'] else ''}: {', '.join(parts)}")
    days = {name: board["per_day_estimate"] for name, board in result["boards"].items() if "per_day_estimate" in board}
    if days:
        out.print(_per_day(days))
    for name, day in days.items():
        say(f"currents of {name} in mA, {day['basis']}")
    bases = {f"{k}: {v['basis']}" for b in result["boards"].values() for k, v in b.get("seconds_estimate", {}).items()}
    for basis in sorted(bases):
        say(f"estimate of seconds, {basis}")
    for name, board in result["boards"].items():
        if "source" in board:
            say(f"free heap of {name}, {board['source']}")
    for key in ("source", "licence", "attribution"):
        if key in result["provenance"]:
            say(f"{key}: {result['provenance'][key]}")


def _fits(found: dict | None) -> str:
    if found is None:
        return "-"
    return "yes" if found["fits"] else f"no: {size(found['missing'])} missing"


def _boards(boards: dict) -> Table:
    columns = "board", "free heap", "needs", "fits", "listens", "peak heap", "tiles", "flash a window", "seconds (estimate)"
    t = table("Will it run?", *columns)
    for name, board in boards.items():
        estimates = board.get("seconds_estimate", {})
        t.add_row(
            name, size(board["heap_free"]), size(board["heap_needed"]),
            _fits(board), _fits(board.get("listening")),
            size(board["heap_peak"]) if board["fits"] else "-",
            str(board["tiles"]) if board["fits"] else "-",
            size(board["flash_bytes_read"]) if board["fits"] else "-",
            ", ".join(f"{kernel} {seconds(entry['seconds'])}" for kernel, entry in estimates.items()) or "-",
        )  # fmt: skip
    return t


def _per_day(days: dict) -> Table:
    """mAh of each board in each mode."""
    modes = next(iter(days.values()))["mah"]
    t = table("Listening for a day in mAh (estimate: board and microphone, the fastest kernel, no Wi-Fi)", "board", *modes)
    for name, day in days.items():
        t.add_row(name, *(f"{mah:.0f}" for mah in day["mah"].values()))
    return t


def embedded(rows: list[dict], quiet: bool) -> None:
    for row in [] if quiet else rows:
        say(f"{row['output']}: {plural(row['shape'][0], 'embedding')} of {row['shape'][1]} values")


def timeline(scores: np.ndarray, graph: Graph) -> Table:
    """The best label of each window, with its time."""
    t = table("", "seconds", "label", "score")
    hop, length = graph.frontend.hop / graph.frontend.sample_rate, graph.frontend.window / graph.frontend.sample_rate
    for i, row in enumerate(scores):
        best = int(row.argmax())
        t.add_row(f"{i * hop:.1f}-{i * hop + length:.1f}", graph.labels[best], f"{row[best]:.2f}")
    return t


def classified(rows: list[dict], timelines: list[np.ndarray], graph: Graph) -> None:
    for row, scores in zip(rows, timelines, strict=True):
        rest = f" {row['scores'][row['label']]:.2f} (mean of {plural(row['windows'], 'window')})"
        say(Text.assemble(f"{row['file']}: ", (row["label"], "bold"), rest))
        out.print(timeline(scores, graph))


def emulated(result: dict, graph: Graph) -> None:
    windows = plural(result["windows"], "window")
    say(f"runtime {result['runtime']}, kernel {result['kernel']} ({result['arithmetic']}), {windows}")
    if result["scores"]:
        out.print(timeline(np.array(result["scores"]), graph))
    parity = result["parity"]
    t = table("Against the reference", "layer", "largest difference", "relative")
    for row in parity["layers"]:
        t.add_row(row["name"], f"{row['max_abs']:.2e}", f"{row['max_rel']:.2e}")
    out.print(t)
    tolerance = f"tolerance ({parity['tolerance']:g} of its largest value)" if parity["tolerance"] else "tolerance (every bit)"
    say(f"every layer within {tolerance}" if parity["ok"] else f"first layer out of {tolerance}: {parity['first_failure']}")
    embedding = parity["embedding"]
    say(f"embedding, front-end included: largest difference {embedding['max_abs']:.2e}, cosine {embedding['cosine']:.6f}")
    say(f"self-test {'passed' if result['selftest']['ok'] else 'FAILED'} (error {result['selftest']['error']:.1e})")
    peak = result["heap_peak_bytes"]
    heap = f"heap peak {size(peak)}" if peak else "heap peak not known to this runtime"
    say(
        f"{heap} (package {size(result['base_bytes'])}, planned buffers {size(result['plan_bytes'])}), "
        f"{size(result['flash_bytes_read'])} of flash and {result['seconds_per_window']:.3f} s a window"
    )
    if result["runtime"] == "wasm":
        say("WebAssembly's floats take 8 bytes and its garbage counts: --runtime unix shows a heap that is limited")


def heard(result: dict) -> None:
    t = table("Events", "", "label", "score", "level", "seconds")
    for event in result["events"]:
        if event["event"] not in ("level", "status"):
            score = "" if event.get("score") is None else f"{event['score']:.2f}"
            level = "" if event.get("level") is None else f"{event['level']:.1f} dB"
            t.add_row(event["event"], event["label"], score, level, f"{event['t']:.1f}")
    out.print(t) if t.row_count else say("nothing was heard")
    say(f"runtime {result['runtime']}, kernel {result['kernel']}: {plural(result['windows'], 'window')} in {result['t']:.1f} s")
    pace = "keeps up" if result["seconds_per_window"] <= result["hop"] else "it would skip windows (with --set hop=... it need not)"
    say(f"a window took {result['seconds_per_window']:.2f} s on its clock, one is due every {result['hop']:.2f} s: {pace}")
    for wanted in result["missed"]:
        say(f"MISSED {wanted}")


def selftested(result: dict) -> None:
    verdict = "passed" if result["ok"] else "FAILED"
    say(f"self-test {verdict}: runtime {result['runtime']}, kernel {result['kernel']}, error {result['error']:.1e}")


def _skipped(lines: list[str]) -> None:
    for line in lines:
        say(f"skipped: {line}")


def trained(metrics: dict, path: str) -> None:
    _skipped(metrics["skipped"])
    for fold, accuracy in metrics.get("accuracy_per_fold", {}).items():
        out.print(f"fold {fold}: {accuracy:.3f}")
    if "accuracy_mean" in metrics:
        spread = f"standard deviation {metrics['accuracy_std']:.3f}"
        out.print(f"clip accuracy, cross-validated: {metrics['accuracy_mean']:.3f} ({spread})")
    out.print(f"{path}: trained on all folds")


def evaluated(result: dict) -> None:
    _skipped(result["skipped"])
    of_seeds = f", mean of {len(result['seeds'])} seeds" if len(result["seeds"]) > 1 else ""
    say(f"{result['model']} on {result['dataset']}, {plural(result['clips'], 'clip')}, probe {result['probe']}{of_seeds}")
    if "accuracy_mean" in result:
        _figure(result, "accuracy", "clip accuracy")
        _classes(result["accuracy_per_class"], "accuracy")
    else:
        _figure(result, "auprc_micro", "micro AUPRC")
        _figure(result, "auprc_macro", "macro AUPRC")
        _classes(result["auprc_per_class"], "AUPRC")
    say(f"in brackets: {result['confidence']}")


def _figure(result: dict, key: str, name: str) -> None:
    """A figure's mean, interval, and values per fold."""
    low, high = result[f"{key}_interval"]
    folds = ", ".join(f"{fold} {value:.3f}" for fold, value in result[f"{key}_per_fold"].items())
    spread = f"standard deviation over folds {result[f'{key}_std']:.3f}"
    say(f"{name} {result[f'{key}_mean']:.3f} [{low:.3f}, {high:.3f}]; {spread}; by fold: {folds}")


def _classes(values: dict[str, float | None], name: str) -> None:
    """A figure of each class, the worst first; classes without a clip to test last."""
    t = table("", "class", name)
    for label, value in sorted(values.items(), key=lambda item: (item[1] is None, item[1])):
        t.add_row(label, "-" if value is None else f"{value:.3f}")
    out.print(t)
