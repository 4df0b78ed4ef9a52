"""A recipe: what is done to which network, and how the result is evaluated. A dataclass for each TOML table; no TensorFlow."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from l3host import tables
from l3host.compress import paper, plans
from l3host.errors import L3Error
from l3host.evaluate.events import PRICE, RECALL
from l3host.graph.l3 import L3_FILTERS
from l3host.graph.network import FRONTENDS
from l3host.l3m.writer import ENCODINGS
from l3host.train import settings

SHIPPED = Path(__file__).parents[1] / "recipes"
RANDOM = "random"
WEIGHTS, VIDEO, TEACHER = "weights", "video", "teacher"  # the names under which --data gives these files

# What a [[recover]] table may say besides these, by its method; a recipe has one seed.
METHODS = {
    "batchnorm": None, "kd": settings.Kd, "sea": settings.Sea, "avc": settings.Avc, "labels": settings.Labels,
    "palette": settings.Kd,
}  # fmt: skip
TAUGHT = ("kd", "sea")  # methods that say settings.Taught where a recipe has a [teacher]


@dataclass(frozen=True)
class Source:
    """[source]: the network to begin with, which is also the teacher."""

    weights: str  # a published .h5 or a .keras file, relative to the recipe or to where the command runs; or "random"
    final_norm: bool | None = None  # None: the file's
    video: str | None = None  # the other half of the AVC net, a .keras file as an AVC recipe leaves it in its run folder
    paper: str | None = None  # its row in the papers' tables: a name of paper.ROWS
    frontend: str = "mel256"  # these two for "random" only
    filters: tuple[int, ...] = L3_FILTERS
    without: tuple[str, ...] | None = None  # for each fold: the same network as it was trained without it, to cross-validate from


@dataclass(frozen=True)
class Student:
    """[student]: a new network that learns from the source, in place of one cut out of it."""

    filters: tuple[int, ...]
    frontend: str = "sea"
    final_norm: bool = True  # batch norm and ReLU after the last convolution too, as SEA's students have


@dataclass(frozen=True)
class Teacher:
    """[teacher]: whom kd and sea learn from, in place of the source."""

    file: str  # a .toml that describes an ONNX file, a published .h5 or a .keras file


@dataclass(frozen=True)
class Ablate:
    """[ablate]: one of a shallower and a narrower network."""

    depth: str | None = None  # a row of Table III: "conv7"
    width: str | tuple[int, ...] | None = None  # a row of Table IV: "43.14"; or the number of filters of each convolution


@dataclass(frozen=True)
class Prune:
    """[prune]: one of a plan (per cent of each convolution) and one threshold for all weights together."""

    plan: str | tuple[float, ...] | None = None  # a row of Table II: "95.45"; or a list
    sparsity: float | None = None  # per cent of all kernels
    gradual: bool = False  # during the first half of each training of the first [[recover]] step, not at once


@dataclass(frozen=True)
class Recover:
    """[[recover]]: a training step after the cut, in the order of the file."""

    method: str  # a name of METHODS
    data: str  # a name of the data sets, see Recipe.data
    subset: str | None = None
    folds: tuple[int, ...] | None = None  # to learn from; None: all
    settings: settings.Schedule | None = None
    other: str | None = None  # data of sounds that are none of the labels, for kd with a [teacher]
    price: float = PRICE  # share of these that may raise an event, held out; and share of the labels' clips that are to be
    recall: float = RECALL  # reported even where that costs more: the thresholds follow


@dataclass(frozen=True)
class Evaluate:
    """[[evaluate]]: a probe on the embeddings."""

    data: str
    subset: str | None = None
    probe: str = "mlp"
    folds: tuple[int, ...] | None = None  # to test in turn; None: all
    seeds: int = 1
    hop: float = 0.5  # seconds between frames


@dataclass(frozen=True)
class Sensitivity(Evaluate):
    """[sensitivity]: how each convolution of the source takes being pruned alone, batch norms re-estimated on the same clips."""

    probe: str = "logistic"


@dataclass(frozen=True)
class Convert:
    """[convert]"""

    calibrate: str | None = None  # data for the fixed-point scales; None: synthetic sounds
    encoding: str = "auto"  # of writer.to_bytes: "palette" shares 256 values a layer


@dataclass(frozen=True)
class Recipe:
    name: str  # the file's
    source: Source
    seed: int = 1
    paper: str | None = None  # the row of the papers' tables that this repeats: a name of paper.ROWS
    student: Student | None = None
    teacher: Teacher | None = None
    ablate: Ablate | None = None
    prune: Prune | None = None
    recover: tuple[Recover, ...] = ()
    evaluate: tuple[Evaluate, ...] = ()
    sensitivity: Sensitivity | None = None
    convert: Convert = Convert()
    skip_bad: bool = False  # leave out recordings, clips and videos that cannot be used, and note which
    baseline: bool = True  # judge the source by the same probes, unless it is untrained or nothing is done to it
    data: dict[str, str] = field(default_factory=dict)  # [data]: name -> path, absolute once loaded

    def needs(self) -> list[str]:
        """Return names of the data sets that the recipe uses, each once."""
        users: list[Recover | Evaluate] = [*self.recover, *self.evaluate, *([self.sensitivity] if self.sensitivity else [])]
        names = (
            [user.data for user in users]
            + [step.other for step in self.recover if step.other]
            + ([self.convert.calibrate] if self.convert.calibrate else [])
        )
        return list(dict.fromkeys(names))

    @property
    def has_baseline(self) -> bool:
        """Return whether the source is judged too."""
        changed = self.student or self.ablate or self.prune or self.recover
        return self.baseline and bool(changed) and self.source.weights != RANDOM

    def files(self) -> dict[str, str]:
        """Return the files that the recipe begins with, by the names under which --data gives them."""
        named = {WEIGHTS: self.source.weights, VIDEO: self.source.video, TEACHER: self.teacher.file if self.teacher else None}
        named |= without_names(self.source)
        return {name: file for name, file in named.items() if file not in (None, RANDOM)}

    def to_json(self) -> dict:
        """Return the recipe ready for JSON, without paths: two runs of it may have the same data in different places."""
        plain = asdict(self)
        del plain["data"], plain["source"]["weights"], plain["source"]["video"], plain["source"]["without"]
        if self.teacher:
            del plain["teacher"]["file"]
        return plain | {"random": self.source.weights == RANDOM}


def without_names(source: Source) -> dict[str, str]:
    """Return the files of [source] without by the names under which --data gives them: weights-1 ..."""
    return {f"{WEIGHTS}-{number}": file for number, file in enumerate(source.without or (), 1)}


def find(recipe: str) -> Path:
    """Return the path of a recipe: a file, or the bare name of one that ships. Raises L3Error that lists those."""
    path = Path(recipe)
    if path.is_file():
        return path
    if path.name == recipe and (SHIPPED / f"{recipe}.toml").is_file():
        return SHIPPED / f"{recipe}.toml"
    names = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.toml")))
    raise L3Error(f"no such recipe: {recipe} (a .toml file, or the name of a shipped one: {names})")


def load(recipe: str, data: dict[str, str] | None = None, skip_bad: bool = False) -> Recipe:
    """Read and check a recipe, a path or a shipped one's name. data: paths by name that override the recipe's own.

    skip_bad: whether the recipe says so or not.

    Checks everything that does not need networks or sounds. Raises L3Error.
    """
    path = find(recipe)
    return _resolved(parse(path, data, skip_bad), path)


def parse(path: Path, data: dict[str, str] | None = None, skip_bad: bool = False) -> Recipe:
    """Read and check a recipe as load() does, but for whether its files and data are there. Raises L3Error."""
    top = tables.read(path)
    known = [f.name for f in fields(Recipe) if f.name != "name"]
    for key in top:
        if key not in known:
            raise L3Error(f"{path}: unknown key {key!r}: known are {', '.join(known)}")
    if "source" not in top:
        raise L3Error(f"{path}: table [source] is missing: it says which weights to begin with")
    parts = {name: tables.build(cls, top[name], f"{path}, [{name}]") for name, cls in SINGLE.items() if name in top}
    parts["evaluate"] = tuple(tables.build(Evaluate, table, where) for where, table in _several(top, "evaluate", path))
    _source_alone(top["source"], f"{path}, [source]")
    parts["data"] = _paths(top.get("data", {}), path, data or {})
    rest = {field.name: top[field.name] for field in fields(_Plain) if field.name in top}
    plain = tables.build(_Plain, rest, str(path))
    parts["recover"] = tuple(
        _recover(table, where, plain.seed, "teacher" in parts) for where, table in _several(top, "recover", path)
    )
    skip_bad = skip_bad or plain.skip_bad
    built = Recipe(
        name=path.stem, seed=plain.seed, paper=plain.paper, skip_bad=skip_bad, baseline=plain.baseline, **parts
    )  # fmt: skip
    _check(built, path)
    return built


SINGLE = {
    "source": Source, "student": Student, "teacher": Teacher, "ablate": Ablate, "prune": Prune, "sensitivity": Sensitivity,
    "convert": Convert,
}  # fmt: skip


def _source_alone(table: dict, where: str) -> None:
    """Raise L3Error for a shape beside a file of weights, which has its own."""
    shape = [key for key in ("frontend", "filters") if key in table]
    if table["weights"] != RANDOM and shape:
        raise L3Error(f"{where}: {shape[0]} is only for weights = {RANDOM!r}: a file has its own")


@dataclass(frozen=True)
class _Plain:
    seed: int = 1
    paper: str | None = None
    skip_bad: bool = False
    baseline: bool = True


def _several(top: dict, name: str, path: Path) -> list[tuple[str, object]]:
    """Return (where, table) of each [[name]]."""
    tables = top.get(name, [])
    if not isinstance(tables, list):
        raise L3Error(f"{path}: {name} must be a list of tables: [[{name}]]")
    return [(f"{path}, [[{name}]] {i}", table) for i, table in enumerate(tables, 1)]


def _recover(table: object, where: str, seed: int, taught: bool) -> Recover:
    """Return a [[recover]] table: its own keys, and those of its method's settings."""
    if not isinstance(table, dict):
        raise L3Error(f"{where}: must be a table, not {table!r}")
    method = table.get("method")
    if not isinstance(method, str) or method not in METHODS:
        raise L3Error(f"{where}: method = {method!r}: must be one of {', '.join(METHODS)}")
    cls = settings.Taught if taught and method in TAUGHT else METHODS[method]
    own = [f.name for f in fields(Recover) if f.name != "settings"]
    more = [f.name for f in fields(cls) if f.name != "seed"] if cls else []
    for key in table:
        if key not in own + more:
            raise L3Error(f"{where}: unknown key {key!r}: known for {method} are {', '.join(own + more)}")
    step = tables.build(Recover, {key: table[key] for key in own if key in table}, where, ["settings"])
    if cls:
        chosen = tables.build(cls, {key: table[key] for key in more if key in table}, where, ["seed"])
        step = replace(step, settings=replace(chosen, seed=seed))
    return step


def _paths(own: object, path: Path, given: dict[str, str]) -> dict[str, str]:
    """Return the absolute paths by name: those given, and the recipe's [data], which are relative to its file."""
    if not isinstance(own, dict) or not all(isinstance(value, str) for value in own.values()):
        raise L3Error(f"{path}, [data]: must be a table of paths by name")
    own_paths = {name: os.path.realpath(path.parent / value) for name, value in own.items()}
    return own_paths | {name: os.path.realpath(value) for name, value in given.items()}


def _check(recipe: Recipe, path: Path) -> None:
    """Check the tables against each other. Raises L3Error."""
    for cut, names in ((recipe.ablate, ("depth", "width")), (recipe.prune, ("plan", "sparsity"))):
        if cut and sum(getattr(cut, name) is not None for name in names) != 1:
            raise L3Error(f"{path}, [{type(cut).__name__.lower()}]: give one of {' and '.join(names)}")
    if recipe.student and recipe.ablate:
        raise L3Error(f"{path}: [student] is a new network and [ablate] cuts the source: give one of them")
    for what, network in (("source", recipe.source), ("student", recipe.student)):
        if network and network.frontend not in FRONTENDS:
            raise L3Error(f"{path}, [{what}]: unknown front-end {network.frontend!r}: choose from {', '.join(FRONTENDS)}")
    if recipe.convert.encoding not in ENCODINGS:
        raise L3Error(f"{path}, [convert]: unknown encoding {recipe.convert.encoding!r}: choose from {', '.join(ENCODINGS)}")
    for row in (recipe.paper, recipe.source.paper):
        if row is not None and row not in paper.ROWS:
            raise L3Error(f"{path}: unknown row {row!r} of the papers' tables: choose from {', '.join(paper.ROWS)}")
    try:  # rows of the tables by name
        if recipe.ablate:
            depth(recipe.ablate), width(recipe.ablate)
        if recipe.prune:
            target(recipe.prune)
    except L3Error as e:
        raise L3Error(f"{path}: {e}") from None
    _check_steps(recipe, path)


def _check_steps(recipe: Recipe, path: Path) -> None:
    """Which [[recover]] may come when. Raises L3Error."""
    methods = [step.method for step in recipe.recover]
    if recipe.student and methods[:1] not in (["sea"], ["labels"]) and not (recipe.teacher and methods[:1] == ["kd"]):
        raise L3Error(f"{path}: [student] is untrained: its first [[recover]] must be by sea or labels")
    if "sea" in methods and not recipe.student and not recipe.teacher:
        raise L3Error(f"{path}: [[recover]] by sea teaches a new network: give a [student], or a [teacher] besides the source")
    if recipe.teacher and not set(methods) & set(TAUGHT):
        raise L3Error(f"{path}: nothing learns from the [teacher]: give a [[recover]] by {' or '.join(TAUGHT)}")
    if any(step.other and not (recipe.teacher and step.method == "kd") for step in recipe.recover):
        raise L3Error(f"{path}: other sounds are for [[recover]] by kd with a [teacher]")
    for step in recipe.recover:
        if (step.price, step.recall) != (PRICE, RECALL) and not step.other:
            raise L3Error(f"{path}: price and recall set thresholds where a [[recover]] has other sounds")
        if not (0 <= step.price <= 1 and 0 <= step.recall <= 1):
            raise L3Error(f"{path}: price = {step.price:g}, recall = {step.recall:g}: each is a share from 0 to 1")
    frozen = [step for step in recipe.recover if isinstance(step.settings, settings.Avc) and not step.settings.train_video]
    if frozen and recipe.source.video is None:
        raise L3Error(f"{path}: [[recover]] by avc needs [source] video, a trained network, or train_video = true")
    heads = [number for number, method in enumerate(methods) if method == "labels" or (method == "kd" and recipe.teacher)]
    if heads and set(methods[heads[0] + 1 :]) - {"palette"}:
        head = f"[[recover]] by {methods[heads[0]]} puts a classifier on the network"
        raise L3Error(f"{path}: {head}: only palette may come after it")
    if recipe.source.without and (recipe.student or recipe.ablate or recipe.prune or heads[:1] != [0]):
        raise L3Error(f"{path}, [source]: without is for a classifier whose first [[recover]] begins with the source as it is")
    if recipe.source.without and recipe.source.weights == RANDOM:
        raise L3Error(f"{path}, [source]: without has weights that have not heard a fold, and random ones have heard none")
    if "palette" in methods[:-1] or (methods[-1:] == ["palette"] and recipe.convert.encoding != "palette"):
        raise L3Error(f"{path}: [[recover]] by palette is the last step, for [convert] encoding = 'palette'")
    if recipe.prune and recipe.prune.gradual and methods[:1] not in (["kd"], ["avc"], ["labels"]):
        raise L3Error(f"{path}, [prune]: gradual needs a training: its first [[recover]] must be by kd, avc or labels")


def _resolved(recipe: Recipe, path: Path) -> Recipe:
    """Return the recipe with absolute paths of everything that it needs. Raises L3Error for what has no path or is not there."""
    for name in recipe.needs():
        if name not in recipe.data:
            raise L3Error(f'{path} needs data {name!r}: --data {name}=PATH, or {name} = "PATH" in its [data] table')
        if not Path(recipe.data[name]).exists():
            raise L3Error(f"{path}: data {name!r}: no such file or directory: {recipe.data[name]}")
    source = recipe.source
    weights = _place(recipe, path, WEIGHTS, source.weights) or source.weights
    video = _place(recipe, path, VIDEO, source.video)
    without = tuple(place for name, file in without_names(source).items() if (place := _place(recipe, path, name, file)))
    teacher = _place(recipe, path, TEACHER, recipe.teacher.file) if recipe.teacher else None
    if len({weights, *without}) <= len(without):
        raise L3Error(f"{path}, [source]: weights and without name the same file twice")
    return replace(
        recipe, source=replace(source, weights=weights, video=video, without=without or None),
        teacher=Teacher(teacher) if teacher else None,
    )  # fmt: skip


def _place(recipe: Recipe, path: Path, name: str, value: str | None) -> str | None:
    """Return the absolute path of the source's weights, its video network, the teacher. Raises L3Error if it is not there."""
    if value in (None, RANDOM):
        return value
    places = [Path(recipe.data[name])] if name in recipe.data else [path.parent / value, Path(value)]
    place = next((p for p in places if p.is_file()), None)
    if place is None:
        where = f"{path}, [{TEACHER if name == TEACHER else 'source'}]"
        raise L3Error(f"{where}: no such file: {places[0]}; --data {name}=PATH says where {value} is")
    return str(place.resolve())


def depth(ablate: Ablate) -> int | None:
    """Return the number of convolutions to keep, if the depth is what changes. Raises L3Error."""
    return len(plans.depth(ablate.depth).filters) if ablate.depth is not None else None


def width(ablate: Ablate) -> tuple[int, ...] | None:
    """Return the filters to keep in each convolution, if the width is what changes. Raises L3Error."""
    return plans.width(ablate.width).filters if isinstance(ablate.width, str) else ablate.width


def target(prune: Prune) -> float | tuple[float, ...]:
    """Return what compress.masks takes: per cent of all weights, or of each convolution. Raises L3Error."""
    if prune.plan is None:
        assert prune.sparsity is not None  # _check
        return prune.sparsity
    return plans.find(prune.plan) if isinstance(prune.plan, str) else prune.plan
