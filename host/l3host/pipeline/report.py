"""`l3mote report`: finished runs side by side, in one HTML page that needs nothing else, and in a Markdown table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from l3host.compress import paper
from l3host.errors import L3Error
from l3host.pipeline import figures
from l3host.pipeline.figures import Point
from l3host.pipeline.finished import NAMES, Finished, baselines, figures_of, title
from l3host.show import seconds

TEMPLATE = "report.html"

# -- figures


def columns(runs: Sequence[Finished]) -> list[str]:
    """Return the titles of all evaluations, in the order of their appearance."""
    return list(dict.fromkeys(title(evaluation) for run in runs for evaluation in run.result["evaluations"]))


def value(run: Finished, column: str) -> float | None:
    """Return the first figure of a run's evaluation of this title."""
    return figure(run.result["evaluations"], column)


def figure(evaluations: Sequence[dict], column: str) -> float | None:
    """Return the first figure of the evaluation of this title."""
    for evaluation in evaluations:
        if title(evaluation) == column:
            return next(iter(figures_of(evaluation).values()))
    return None


def papers_figure(row: paper.Row | None, column: str) -> float | None:
    """Return what a row of a paper's table has for this column: by the MLP, on the data set of this name."""
    dataset, _, probe = column.rpartition(", ")
    if row is None or probe != "mlp":
        return None
    return row.accuracy.get(dataset, row.auprc.get(dataset, (None,))[0])


def cell(row: paper.Row | None, evaluations: Sequence[dict], column: str) -> str:
    """Return our figure, and the paper's where it has one: '0.399 (paper 0.440)'."""
    ours, theirs = figure(evaluations, column), papers_figure(row, column)
    return ("-" if ours is None else f"{ours:.3f}") + ("" if theirs is None else f" (paper {theirs:.3f})")


COSTS: dict[str, Callable[[Finished], float | None]] = {
    "file, kB": lambda run: run.result["bytes"] / 1e3,
    "million multiply-accumulates a window": lambda run: run.result["macs"] / 1e6,
    "heap needed, kB": lambda run: run.heap / 1e3,
    "seconds a window on an RP2040, estimated": lambda run: run.result["estimate"]["seconds"],
    "seconds a window, emulated": lambda run: (run.emulated or {}).get("seconds_per_window"),
}


def panels(runs: Sequence[Finished], column: str) -> dict[str, list[Point]]:
    """Return cost -> points, for costs that some run has."""
    result = {}
    for cost, of in COSTS.items():
        pairs = [(run.name, of(run), value(run, column)) for run in runs]
        points = [Point(name, x, y) for name, x, y in pairs if x is not None and y is not None]
        if points:
            result[cost] = points
    return result


def recovery(run: Finished) -> str:
    """Return how a pruned network was recovered: 'batchnorm, kd', 'sea with a teacher'."""
    taught = " with a teacher" if run.result["recipe"].get("teacher") is not None else ""
    return (", ".join(step["method"] for step in run.result["recover"]) or "not recovered") + taught


def shape(filters: Sequence[int]) -> str:
    """Return '8-8-16'."""
    return "-".join(map(str, filters))


def sparse(runs: Sequence[Finished], column: str) -> tuple[dict[str, list[Point]], dict[str, float]] | None:
    """Return the runs with zeros by network and recovery, and the mean of their sources; None if all have as many zeros."""
    pruned = [(run, y) for run in runs if (y := value(run, column)) is not None and round(run.zeros, 1) > 0]
    if len({round(run.zeros, 1) for run, _ in pruned}) < 2:
        return None
    families: dict[str, list[Point]] = {}
    dense: dict[str, list[float]] = {}
    several = len({shape(run.result["after"]["filters"]) for run, _ in pruned}) > 1
    for run, y in pruned:
        network, source = (f"{shape(run.result[when]['filters'])}, " if several else "" for when in ("after", "before"))
        families.setdefault(network + recovery(run), []).append(Point(run.name, round(run.zeros, 1), y))
        before = figure(run.source.evaluations, column) if run.source else None
        if before is not None:
            dense.setdefault(f"{source}uncompressed", []).append(before)
    return families, {name: statistics.fmean(values) for name, values in dense.items()}


def data_used(run: Finished) -> str:
    """Return what ours was trained and evaluated on, to stand beside the paper's."""
    fe = run.result["frontend"]
    learnt = [f"{step['method']} on {step['recordings']:,} recordings of {step['data']}" for step in run.result["recover"]]
    judged = [
        f"{title(e)}: folds {', '.join(map(str, e['folds']))}, {e['clips']:,} clips, {len(e['seeds'])} seed(s)"
        for e in run.result["evaluations"]
    ]
    source = f"from {run.result['source']}" + (" weights, untrained" if run.result["recipe"]["random"] else "")
    network = f"{source}; hears {fe['sample_rate'] / 1e3:g} kHz, {fe['bands']} bands"
    return "; ".join([network, ", then ".join(learnt) or "no recovery", *judged])


# -- pages


def markdown(runs: Sequence[Finished]) -> str:
    """Return the overview as a table, and the papers' figures."""
    judged = columns(runs)
    head = ["run", "zeros %", "bytes", "values only", "M MACs", "heap kB", "RP2040 s (estimate)", *judged]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(line) + " |" for line in lines_of(runs, judged)]
    for run in runs:
        if run.row is None:
            continue
        for what, theirs, ours in run.comparison:
            lines.append(f"\n{run.name}, {what}: the paper ({run.row.title}) {theirs}, ours {ours}.")
        if run.comparison:
            lines.append(f"\n{run.name}, what differs in data: {run.row.note}. Ours: {data_used(run)}.")
    return "\n".join(lines) + "\n"


def lines_of(runs: Sequence[Finished], judged: Sequence[str]) -> list[list[str]]:
    """Return the lines of the first table: the sources, then the runs."""
    sources = [
        [f"{source.name}, uncompressed", *"------", *(cell(source.row, source.evaluations, column) for column in judged)]
        for source in baselines(runs)
    ]
    return sources + [overview(run, judged) for run in runs]


def overview(run: Finished, judged: Sequence[str]) -> list[str]:
    """Return a run's line of the first table."""
    result = run.result
    costs = [
        f"{run.zeros:.1f}", f"{result['bytes']:,}", f"{result['values_bytes']:,}", f"{result['macs'] / 1e6:,.1f}",
        f"{run.heap / 1e3:,.0f}", seconds(result["estimate"]["seconds"]),
    ]  # fmt: skip
    return [run.name, *costs, *(cell(run.row, result["evaluations"], column) for column in judged)]


def html(runs: Sequence[Finished]) -> str:
    """Return the page: no script, no address outside it. Raises L3Error without jinja2 or matplotlib."""
    try:
        import jinja2
        import matplotlib  # noqa: F401
    except ImportError as e:
        raise L3Error(f"a report needs {e.name}: pip install 'l3mote[report]'") from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    judged = columns(runs)
    return environment.get_template(TEMPLATE).render(
        runs=runs, judged=judged, overview=lines_of(runs, judged), sources=len(baselines(runs)),
        sparsity=[
            (column, figures.sparsity(*found, measure(runs, column))) for column in judged if (found := sparse(runs, column))
        ],
        pareto=[(column, figures.pareto(panels(runs, column), measure(runs, column))) for column in compared(runs)],
        layer_names=list(dict.fromkeys(name for run in runs for name in run.result["after"]["density"])),
        seconds=seconds, data_used=data_used, details=details, names=NAMES, title=title, figures_of=figures_of,
        version=runs[0].result["version"],
    )  # fmt: skip


def compared(runs: Sequence[Finished]) -> list[str]:
    """Return the titles of evaluations of more than one run."""
    return [column for column in columns(runs) if sum(value(run, column) is not None for run in runs) > 1]


def measure(runs: Sequence[Finished], column: str) -> str:
    """Return 'accuracy' or 'micro AUPRC': what a column of the overview holds."""
    evaluation = next(e for run in runs for e in run.result["evaluations"] if title(e) == column)
    return NAMES[next(iter(figures_of(evaluation)))]


def details(run: Finished) -> dict:
    """Return the pictures of one run."""
    from l3host.evaluate.crossval import draw_confusion

    result = run.result
    curves = {f"{i}. {s['method']}": s["losses"] for i, s in enumerate(result["recover"], 1) if "losses" in s}
    confusions = [
        (title(e), figures.png(partial(draw_confusion, labels=e["labels"], confusion=e["confusion"], title=title(e))))
        for e in result["evaluations"] if "confusion" in e
    ]  # fmt: skip
    study = result["sensitivity"]
    return {
        "losses": figures.losses(curves) if curves else None,
        "confusions": confusions,
        "sensitivity": sensitivity(study) if study else None,
    }


def sensitivity(study: dict) -> str:
    from l3host.compress.sensitivity import draw

    return figures.png(lambda path: draw(study["rows"], path, title(study)))
