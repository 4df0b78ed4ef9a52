"""`l3mote sweep`: many recipes, each in a run folder of its own; in processes here, or on a Dask cluster."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from l3host.errors import L3Error
from l3host.pipeline import run
from l3host.pipeline.recipe import Recipe
from l3host.train import jobs

ATTEMPTS = 2  # a recipe whose process dies is run once more: it continues where it stopped

OnProgress = Callable[[str, str, int, int], None]  # called with (recipe, what is done, how much of it, of how much)
Failures = dict[str, str]  # recipe -> why it has no result


def folders(recipes: Sequence[Recipe], runs: Path) -> dict[str, tuple[Recipe, Path]]:
    """Return each recipe by its name, with its run folder. Raises L3Error if two would have the same."""
    result = {}
    for recipe in recipes:
        if recipe.name in result:
            raise L3Error(f"two recipes are called {recipe.name} and would share {runs / recipe.name}: rename one")
        result[recipe.name] = recipe, (runs / recipe.name).resolve()
    return result


def locally(work: dict[str, tuple[Recipe, Path]], processes: int, log: Path, on_progress: OnProgress) -> Failures:
    """Run the recipes in `processes` processes at a time, each with one thread. Raises L3Error for less than one.

    A recipe that fails does not stop the others; one whose process dies is run once more.
    """
    if processes < 1:
        raise L3Error(f"{processes} jobs: at least 1")
    failures: Failures = {}
    deaths = dict.fromkeys(work, 0)

    def on_message(name: str, message) -> None:
        if isinstance(message, str):
            failures[name] = message
        else:
            on_progress(name, *message)

    def died(name: str, status: int) -> bool:
        deaths[name] += 1
        if deaths[name] < ATTEMPTS:
            return True
        failures[name] = f"its process ended {ATTEMPTS} times, the last time with status {status}, see {log}"
        return False

    jobs.run(_job, work, str(log), on_message, processes, died)
    return failures


def _job(job: tuple[Recipe, Path], send: jobs.Send) -> None:
    """Run a recipe in a child process."""
    recipe, folder = job
    try:
        run.one_thread()
        run.compress(recipe, folder, lambda what, done, of: send((what, done, of)))
    except L3Error as e:
        send(str(e))


def on_cluster(work: dict[str, tuple[Recipe, Path]], scheduler: str, on_progress: OnProgress) -> Failures:
    """Run the recipes on the workers of a Dask scheduler; they must have l3mote[train] and see the same paths.

    The scheduler gives a recipe whose worker dies to another one, which continues where it stopped.
    Raises L3Error: Dask absent, no scheduler at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise L3Error("a cluster needs Dask: pip install 'l3mote[cluster,train]'") from None
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as e:
        raise L3Error(f"no Dask scheduler at {scheduler}: {e or type(e).__name__}") from None
    failures: Failures = {}
    with client:
        futures = {client.submit(_task, recipe, str(folder), pure=False): name for name, (recipe, folder) in work.items()}
        for done, future in enumerate(as_completed(futures), 1):
            error = future.exception()
            outcome = f"{type(error).__name__}: {error}" if error else future.result()
            if outcome:
                failures[futures[future]] = outcome
            on_progress("recipes", futures[future], done, len(futures))
    return failures


_ALONE = threading.Lock()  # Keras has one random state a process: two recipes in threads would not be repeatable


def _task(recipe: Recipe, folder: str) -> str:
    """Run a recipe on a worker; return what went wrong, or ''. The result is in the folder."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with _ALONE:
        try:
            run.one_thread()
            run.compress(recipe, Path(folder))
        except L3Error as e:
            return str(e)
    return ""
