"""Lessons: windows that a teacher has heard and a student will. Drawn from clips, mixed, filtered and scaled; each of one fold.

All that is heard in a lesson comes from one fold, so the lessons of the other folds know nothing of a fold held out, and the
teacher hears each of them once for all trainings of a cross-validation. They are kept block by block in a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l3host import npz
from l3host.datasets import Dataset
from l3host.errors import L3Error
from l3host.files import replace
from l3host.sound import audio
from l3host.train import augment, loop, surroundings
from l3host.train.settings import Lessons as Settings
from l3host.train.teachers import Teacher
from l3mote.format import Frontend

BLOCK = 256  # lessons made and saved at a time


@dataclass(frozen=True)
class Material:
    """Clips to make lessons of: int16 at `rate` Hz, the class of each (-1: unknown) and its fold.

    silent: the numbers of the classes that are learnt and never reported.
    """

    clips: Sequence[np.ndarray]
    rate: int
    labels: Sequence[int]
    folds: Sequence[int]
    n_labels: int = 0
    silent: tuple[int, ...] = ()


def of_dataset(dataset: Dataset, clips: Sequence[np.ndarray], rate: int) -> Material:
    """The clips of a data set, decoded at `rate` Hz."""
    labels, folds = [clip.label for clip in dataset.clips], [clip.fold for clip in dataset.clips]
    return Material(clips, rate, labels, folds, len(dataset.labels), dataset.silent)


class Lessons(NamedTuple):
    """Of N windows.

    planes: (N, versions, bands, frames) float16, what the student hears. shares: (N, labels), of each class in it; rows of 0:
    unknown.
    """

    planes: np.ndarray
    embedding: np.ndarray  # (N, D) float32, the teacher's
    logits: np.ndarray  # (N, K) float32
    shares: np.ndarray  # (N, labels) float32


class Maker:
    """Make the lessons of a fold. mel: waves (N, window) of the student -> planes (N, bands, frames, 1)."""

    def __init__(
        self,
        material: Material,
        teacher: Teacher,
        fe: Frontend,
        mel: Callable[[np.ndarray], np.ndarray],
        settings: Settings,
        seed: int,
    ):
        self.seconds = fe.window / fe.sample_rate
        if teacher.seconds not in (None, self.seconds):
            lengths = f"the teacher {teacher.name} hears {teacher.seconds:g} s, the student {self.seconds:g} s"
            raise L3Error(f"{lengths}: they must be equally long")
        if not len(material.clips):
            raise L3Error("no clips to learn from: give at least one")
        self.material, self.teacher, self.fe, self.mel, self.settings, self.seed = material, teacher, fe, mel, settings, seed
        known = [teacher.digest, vars(fe), vars(settings), seed, material.rate, material.n_labels, material.silent]
        self.key = loop.digest([np.array([repr(known)]), *material.clips, np.array([material.labels, material.folds])])[:16]

    def make(self, folder: Path, fold: int, on_progress: Callable[[int], None] = lambda made: None) -> Path:
        """Make settings.windows lessons of a fold, but for those that are there; return their folder. on_progress: lessons made."""
        kept = folder / f"lessons-{self.key}" / f"fold-{fold}"
        kept.mkdir(parents=True, exist_ok=True)
        for number, at in enumerate(range(0, self.settings.windows, BLOCK)):
            path = kept / f"{number:06d}.npz"
            if not path.exists():
                result = self.block(fold, number, min(BLOCK, self.settings.windows - at))
                with replace(path) as temporary, open(temporary, "wb") as file:
                    np.savez(file, **result._asdict())
            on_progress(min(at + BLOCK, self.settings.windows))
        return kept

    def block(self, fold: int, number: int, size: int) -> Lessons:
        """A block of a fold's lessons: the same for the same arguments."""
        rng = np.random.default_rng([self.seed, fold, number])
        members = Members(self.material, fold, self.settings)
        waves, shares = zip(*[self.lesson(members, rng) for _ in range(size)], strict=True)
        answers = self.teacher.hear(at_rate(np.stack(waves), self.material.rate, self.teacher.sample_rate))
        planes = np.stack([self.version(waves, rng) for _ in range(self.settings.versions)], axis=1)
        return Lessons(planes, answers.embedding, answers.logits, np.stack(shares))

    def version(self, waves: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
        """What the student hears of windows: planes (N, bands, frames) float16."""
        rate, share = self.material.rate, self.settings.surroundings
        picked = [surroundings.filtered(wave, rate, rng) if rng.random() < share else wave for wave in waves]
        recorded = [surroundings.recorded(wave, rng) for wave in at_rate(np.stack(picked), rate, self.fe.sample_rate)]
        return self.mel(np.stack(recorded))[..., 0].astype(np.float16)

    def lesson(self, members: Members, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One window at the material's rate, and the share of each class in what is heard."""
        window = round(self.seconds * self.material.rate)
        first, second = members.draw(rng), members.draw(rng)
        wave = augment.audible(self.material.clips[first], window, rng)
        if augment.rms(wave) < augment.AUDIBLE:
            return wave, members.silence()
        share = members.share(first)
        if rng.random() < self.settings.mixing:
            other, part = augment.audible(self.material.clips[second], window, rng), float(rng.uniform(0.5, 1))
            if augment.rms(other) >= augment.AUDIBLE:  # silence has no share in what is heard
                wave = augment.mix(wave, other, part)
                share = np.float32(part) * share + np.float32(1 - part) * members.share(second)
        return wave, share


class Members:
    """The clips of one fold: drawn class by class, a given part from silent classes and unknown clips together."""

    def __init__(self, material: Material, fold: int, settings: Settings):
        own = [i for i, f in enumerate(material.folds) if f == fold]
        self.material, self.other_share = material, settings.other_share
        self.aside = [i for i in own if material.labels[i] in (-1, *material.silent)]
        classes = [[i for i in own if material.labels[i] == k] for k in range(material.n_labels) if k not in material.silent]
        self.classes = [clips for clips in classes if clips]
        if not own:
            raise L3Error(f"fold {fold} has no clips to learn from")

    def draw(self, rng: np.random.Generator) -> int:
        """The number of a clip."""
        if not self.classes or (self.aside and rng.random() < self.other_share):
            return int(rng.choice(self.aside))
        return int(rng.choice(self.classes[rng.integers(len(self.classes))]))

    def share(self, clip: int) -> np.ndarray:
        row = np.zeros(self.material.n_labels, np.float32)
        if self.material.labels[clip] >= 0:
            row[self.material.labels[clip]] = 1
        return row

    def silence(self) -> np.ndarray:
        """Digital silence is of the silent classes; where there are none, of all alike, so that it speaks for none."""
        row = np.zeros(self.material.n_labels, np.float32)
        row[list(self.material.silent) or slice(None)] = 1
        return row / max(1, row.sum())


def at_rate(waves: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Windows (N, samples) float32 at another rate."""
    if rate == target:
        return waves
    try:
        import soxr
    except ImportError:
        raise L3Error("a teacher at another rate than its clips needs soxr: pip install 'l3mote[teach]'") from None
    result = soxr.resample(waves.T, rate, target).T
    return np.ascontiguousarray(result[:, : round(waves.shape[1] * target / rate)])


def material_rate(paths: Sequence[str], teacher: int, student: int) -> int:
    """The rate in Hz that loses nothing which either hears: the teacher's, or the recordings' own where that is lower."""
    rates = [audio.rate_of(path) for path in paths]
    return max(student, min(teacher, max(rates)))


def read(folders: Sequence[Path]) -> Lessons:
    """All lessons of some folds, in order. Raises L3Error for a block that is broken."""
    blocks = []
    for path in [path for folder in folders for path in sorted(folder.glob("*.npz"))]:
        with npz.opened(path) as saved:
            blocks.append(Lessons(**{name: saved[name] for name in Lessons._fields}))
    return Lessons(*[np.concatenate(values) for values in zip(*blocks, strict=True)])
