"""`l3mote compress`: a recipe's stages in order, each done once, from where a killed run stopped."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from l3host import __version__, files
from l3host.errors import L3Error
from l3host.files import read_json
from l3host.pipeline import recover_stage, stages
from l3host.pipeline.inputs import inputs
from l3host.pipeline.recipe import Recipe
from l3host.pipeline.result import Result, Weights
from l3host.pipeline.stages import OnProgress, Run
from l3host.runs import RESULT, claimed

NEEDS = {"tensorflow": "TensorFlow", "sklearn": "scikit-learn"}


def plan(recipe: Recipe) -> dict[str, Callable[[Run], dict]]:
    """Name -> stage, in order. The note of each is NAME.json in the run folder."""
    todo: dict[str, Callable[[Run], dict]] = {"load": stages.load, "cut": stages.cut}
    if recipe.sensitivity:
        todo["sensitivity"] = stages.sensitivity
    for number in range(1, len(recipe.recover) + 1):
        todo[f"recover-{number}"] = partial(recover_stage.recover, number=number)
    for number in range(1, len(recipe.evaluate) + 1):
        todo[f"evaluate-{number}"] = partial(stages.evaluate, number=number)
        if recipe.has_baseline:
            todo[f"baseline-{number}"] = partial(stages.baseline, number=number)
    return todo | {"convert": stages.convert, "plan": stages.plan}


def compress(recipe: Recipe, folder: Path, on_progress: OnProgress = lambda what, done, total: None) -> Result:
    """Run a recipe in a folder of its own and return the contents of result.json; model.l3m is beside it.

    A call on the folder of a killed run continues with the stage, and in a training with the epoch, that was not
    finished, and ends with the same bytes (where backend.one_thread() was called before). Of several workers
    (backend.init_workers()) the chief does all this and the others only their shares of the trainings; all see the same folder.
    Raises L3Error for a folder of another recipe or in use, and for whatever a stage refuses; what is finished stays.
    """
    from l3host.networks import backend

    if backend.is_chief():
        with claimed(folder, lambda: {"recipe": recipe.to_json(), "inputs": inputs(recipe)}, "recipe") as mine:
            backend.barrier()
            if not (folder / RESULT).exists():
                run_chief(Run(recipe, folder, mine["inputs"], on_progress))
    else:
        run_worker(Run(recipe, folder, {}, on_progress))
    backend.barrier()
    return read_json(folder / RESULT)


def run_chief(run: Run) -> None:
    """Run every stage that has no note yet, then write the result."""
    todo = plan(run.recipe)
    for number, (name, stage) in enumerate(todo.items()):
        note = run.folder / f"{name}.json"
        if not note.exists():
            run.on_progress(name, number, len(todo))
            start = time.monotonic()
            noted = stage(run)
            files.write_json(note, noted | {"seconds": round(time.monotonic() - start, 1)})
    result = gather(run, {name: read_json(run.folder / f"{name}.json") for name in todo})
    files.write_json(run.folder / RESULT, result)


def run_worker(run: Run) -> None:
    """Do a share of each training that has no note yet."""
    from l3host.networks import backend

    numbers = range(1, len(run.recipe.recover) + 1)
    todo = [number for number in numbers if not (run.folder / f"recover-{number}.json").exists()]
    backend.barrier()  # the folder is the chief's; no new note is written yet
    for number in todo:
        recover_stage.recover(run, number)


def one_thread() -> None:
    """Make runs repeatable, and several at once fast; call it before TensorFlow does anything.

    Raises L3Error without TensorFlow.
    """
    for module, name in NEEDS.items():
        if not importlib.util.find_spec(module):
            raise L3Error(f"compressing needs {name}: pip install 'l3mote[train]'")
    from l3host.networks import backend

    backend.one_thread()


def init() -> None:
    """Call one_thread(), and join the other workers that TF_CONFIG names."""
    one_thread()
    from l3host.networks import backend

    backend.init_workers()


def weights_of(note: dict) -> Weights:
    """Return what stages.figures put into a note."""
    return cast(Weights, {key: note[key] for key in Weights.__annotations__})


def gather(run: Run, notes: dict[str, dict]) -> Result:
    """Everything that a report needs, ready for JSON."""
    steps = [note for name, note in notes.items() if name.startswith("recover-")]
    evaluations = [note for name, note in notes.items() if name.startswith("evaluate-")]
    baseline = [note for name, note in notes.items() if name.startswith("baseline-")]
    layers = notes["plan"]["layers"]
    return {
        "name": run.recipe.name,
        "version": __version__,
        "recipe": run.recipe.to_json(),
        "source": notes["load"]["source"],
        "inputs": run.inputs,
        "before": weights_of(notes["load"]),
        "after": weights_of(notes["cut"]),
        "recover": steps,
        "evaluations": evaluations + [step["evaluation"] for step in steps if "evaluation" in step],
        "baseline": baseline,
        "sensitivity": notes.get("sensitivity"),
        "bytes": notes["plan"]["bytes"]["total"],
        "values_bytes": 2 * sum(layer["nonzeros"] for layer in layers),
        "layers": layers,
        "macs": notes["plan"]["macs_nonzero"],
        "macs_dense": notes["plan"]["macs_dense"],
        "boards": notes["plan"]["boards"],
        "estimate": notes["plan"]["estimate"],
        "frontend": notes["plan"]["frontend"],
        "cosine_to_keras": notes["convert"]["cosine_to_keras"],
        "seconds": {name: note["seconds"] for name, note in notes.items()},
    }
