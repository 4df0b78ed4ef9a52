"""What a training run depends on besides its data and the networks it starts from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """What every training has."""

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
    frontend: str = "sea"  # a name in l3host.graph.FRONTENDS
