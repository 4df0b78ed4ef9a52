"""What a training run depends on besides its data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    epochs: int = 200
    seed: int = 1
    filters: tuple[int, ...] = (8, 8, 16, 16, 32, 32, 64, 64)
    frontend: str = "sea"  # a name in l3host.graph.FRONTENDS
    windows: int = 3  # drawn from each clip in an epoch
    batch: int = 32
    learning_rate: float = 3e-3  # of the first epoch's AdamW; follows half a cosine down to 0
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    dropout: float = 0.3
    mixing: float = 0.5  # probability that a window is mixed with another clip's
