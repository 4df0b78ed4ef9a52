"""Finished runs of `l3mote compress`, as a report sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from l3host.compress import paper
from l3host.errors import L3Error
from l3host.files import read_json
from l3host.pipeline.result import Needed, Result
from l3host.runs import NOTE, RESULT, recipe_of

EMULATED = "emulated.json"  # what `l3mote emulate RUN/model.l3m SOUND --json` printed, if it was put into the run folder
NAMES = {"accuracy": "accuracy", "auprc_micro": "micro AUPRC", "auprc_macro": "macro AUPRC"}


@dataclass
class Finished:
    """A run as the report sees it. emulated: figures of an emulated board, if there are any."""

    name: str
    result: Result
    emulated: dict | None

    @property
    def row(self) -> paper.Row | None:
        return paper.ROWS.get(self.result["recipe"]["paper"])

    @property
    def source(self) -> Baseline | None:
        """Return the network that compression began with, if the run has judged it."""
        if not self.result.get("baseline"):
            return None
        return Baseline(
            self.result["source"], paper.ROWS.get(self.result["recipe"]["source"].get("paper")), self.result["baseline"]
        )

    @property
    def zeros(self) -> float:
        """Per cent of the convolutions' weights."""
        return 100 * (1 - self.result["after"]["nonzeros"] / self.result["after"]["weights"])

    @property
    def reduction(self) -> float:
        """Per cent of the source's convolution weights that are gone or zero."""
        return 100 * (1 - self.result["after"]["nonzeros"] / self.result["before"]["weights"])

    @property
    def heap(self) -> int:
        """Bytes of free heap that the smallest plan needs, package included."""
        return self.result["boards"][self.result["estimate"]["board"]]["heap_needed"]

    @property
    def comparison(self) -> list[tuple[str, str, str]]:
        """(what, the paper's figure, ours) of everything that the row of the paper and the run both have."""
        row = self.row
        if row is None:
            return []
        lines = []
        if row.values_bytes:
            theirs, ours, whole = (b / paper.MB for b in (row.values_bytes, 2 * self.result["values_bytes"], self.result["bytes"]))
            ours_text = f"{ours:.3f} MB; the float16 file with everything in it {whole:.3f} MB"
            lines.append(("float32 values of non-zero weights (MB of 2^20 bytes)", f"{theirs:.3f} MB", ours_text))
        for evaluation in self.result["evaluations"]:
            name, reached = evaluation["dataset"], figures_of(evaluation)
            if name in row.accuracy and "accuracy" in reached:
                lines.append((f"accuracy, {title(evaluation)}", f"{row.accuracy[name]:.3f}", f"{reached['accuracy']:.3f}"))
            if name in row.auprc and "auprc_micro" in reached:
                for key, theirs in zip(("auprc_micro", "auprc_macro"), row.auprc[name], strict=True):
                    lines.append((f"{NAMES[key]}, {title(evaluation)}", f"{theirs:.3f}", f"{reached[key]:.3f}"))
        return lines


@dataclass
class Baseline:
    """A source as it was before it was compressed. evaluations: by the run's own probes."""

    name: str
    row: paper.Row | None
    evaluations: list[dict]


def baselines(runs: Sequence[Finished]) -> list[Baseline]:
    """Return the sources of all runs, each once, with what any of its runs has judged it by."""
    by_name: dict[str, Baseline] = {}
    for run in runs:
        source = run.source
        if source:
            merged = by_name.setdefault(source.name, Baseline(source.name, source.row, []))
            titles = [title(evaluation) for evaluation in merged.evaluations]
            merged.evaluations += [evaluation for evaluation in source.evaluations if title(evaluation) not in titles]
    return list(by_name.values())


def read(folder: Path) -> Finished:
    """Read a finished run. Raises L3Error for a folder that is not a run's, or of a run that is not finished."""
    if not (folder / NOTE).exists():
        raise L3Error(f"{folder} is not a run folder of l3mote compress (it has no {NOTE})")
    if not (folder / RESULT).exists():
        recipe = recipe_of(folder)
        if recipe is None:
            raise L3Error(f"{folder} is not a run folder of l3mote compress: its {NOTE} does not name a recipe")
        raise L3Error(f"{folder} is not finished: l3mote compress {recipe['name']} --run-dir {folder} continues it")
    result = read_json(folder / RESULT)
    missing = [key for key in Needed.__annotations__ if not isinstance(result, dict) or key not in result]
    if missing:
        raise L3Error(f"{folder / RESULT} has no {missing[0]}: it is not what this version of l3mote compress writes")
    emulated = read_json(folder / EMULATED) if (folder / EMULATED).exists() else None
    return Finished(result["name"], result, emulated)


def read_all(folders: Sequence[Path]) -> list[Finished]:
    """Read each run; runs of one name are distinguished by their folders. Raises L3Error, also for a folder given twice."""
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise L3Error("a run folder is given twice")
    runs = [read(folder) for folder in folders]
    names = [run.name for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if names.count(run.name) > 1:
            run.name = str(folder)
    return runs


def title(evaluation: dict) -> str:
    """Return 'ESC-10, mlp': evaluations of one title can be compared."""
    return f"{evaluation['dataset']}, {evaluation['probe']}"


def figures_of(evaluation: dict) -> dict[str, float]:
    """Return 'accuracy', or micro and macro AUPRC, in the order of importance."""
    keys = ("accuracy", "auprc_micro", "auprc_macro")
    return {key: evaluation[f"{key}_mean"] for key in keys if f"{key}_mean" in evaluation}
