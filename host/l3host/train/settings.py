"""What a training run depends on besides its data and the networks it starts from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Settings of every training."""

    epochs: int = 20
    seed: int = 1
    batch: int = 32
    learning_rate: float = 1e-3  # of the first epoch's AdamW; follows half a cosine down to 0
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Labels(Schedule):
    """A classifier learnt from labelled clips."""

    epochs: int = 200
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    windows: int = 3  # drawn from each clip in an epoch
    label_smoothing: float = 0.1
    dropout: float = 0.3
    mixing: float = 0.5  # probability that a window is mixed with another clip's


@dataclass(frozen=True)
class Settings(Labels):
    """`l3mote train`: a classifier from scratch."""

    filters: tuple[int, ...] = (8, 8, 16, 16, 32, 32, 64, 64)
    frontend: str = "auto"  # a name in l3host.graph.FRONTENDS; auto: two seconds, at 16 kHz if all clips have that


@dataclass(frozen=True)
class Lessons:
    """What a student and its teacher hear (train.lessons)."""

    windows: int = 5000  # of each fold
    other_share: float = 0.4  # part of them from sounds that are none of the labels, where there are any
    mixing: float = 0.5  # probability that a window is mixed with another clip's
    surroundings: float = 0.5  # probability that the student hears it through a random microphone, now and then in a room
    versions: int = 2  # of what the student hears of a window; an epoch takes one of them


@dataclass(frozen=True)
class Taught(Schedule):
    """A student of a teacher that need not be an L3 network: its embedding, a classifier on it, and labels."""

    epochs: int = 40
    batch: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    windows: int = Lessons.windows
    other_share: float = Lessons.other_share
    mixing: float = Lessons.mixing
    surroundings: float = Lessons.surroundings
    versions: int = Lessons.versions
    features: float = 0.5  # weight of the squared error to the teacher's embedding
    soft: float = 0.6  # weight of the cross-entropy to the teacher's class scores
    hard: float = 0.4  # and to the labels
    temperature: float = 1.5  # by which the teacher's class scores are softened
    dropout: float = 0.0
    masks: int = 1  # SpecAugment's: groups of bands, and of frames, that are hidden in each epoch

    @property
    def lessons(self) -> Lessons:
        return Lessons(self.windows, self.other_share, self.mixing, self.surroundings, self.versions)


@dataclass(frozen=True)
class TaughtSettings(Taught):
    """`l3mote train --teacher`: the same network as Settings has."""

    filters: tuple[int, ...] = Settings.filters
    frontend: str = Settings.frontend


@dataclass(frozen=True)
class Kd(Schedule):
    """Knowledge distillation: a smaller or pruned copy of a network learns its embedding back."""

    windows: int = 4  # drawn from each clip, once


@dataclass(frozen=True)
class Sea(Schedule):
    """Specialised embedding approximation: a new, small network learns a large one's embedding of one domain's sounds."""

    learning_rate: float = 1e-4  # the paper's
    points: int = 8000  # windows of one second to learn from
    sampling: str = "random"  # a name in l3host.train.points.SAMPLINGS
    candidates: int = 4  # for each point, where the sampling chooses among them


@dataclass(frozen=True)
class Avc(Schedule):
    """Audio-visual correspondence. The published EdgeL3 was fine-tuned with batches of 64 at 1e-5, 262,144 pairs an epoch."""

    batch: int = 64
    learning_rate: float = 1e-5
    pairs: int = 4096  # of an epoch; every other one belongs together
    train_video: bool = False  # True to learn correspondence from scratch
