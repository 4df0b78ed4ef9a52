"""What the papers report for the rows of their tables: printed beside ours, never used to compute anything.

EdgeL3: Kumari et al., PAISE 2019. SEA: Srivastava et al., ICASSP 2021. Accuracies and AUPRC are shares, not per cent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from l3host.compress import plans

MB = 1 << 20  # EdgeL3's megabyte


@dataclass(frozen=True)
class Row:
    """A network of a table. Figures are by data set; what a paper does not say is not there."""

    title: str
    accuracy: dict[str, float] = field(default_factory=dict)
    auprc: dict[str, tuple[float, float]] = field(default_factory=dict)  # micro, macro
    values_bytes: int | None = None  # float32 values of non-zero weights, without their positions
    note: str = ""


L3_ACCURACY = {"UrbanSound8K": 0.7591, "ESC-50": 0.7365}
EDGEL3_DATA = (
    "the EdgeL3 paper recovered on AudioSet videos at 48 kHz, 4,096 batches of 64 an epoch, up to 300 epochs; "
    "it judged by an MLP on all official folds (UrbanSound8K 10, ESC-50 5)"
)
SEA_DATA = (
    "the SEA paper distilled L3's 512-D embedding, reduced by PCA, on SONYC-UST's unlabelled recordings at 8 kHz; "
    "it judged by an MLP on all official folds (UrbanSound8K 10, ESC-50 5)"
)
# Table II, float32 megabytes of values
MEGABYTES = {
    "53.49": 8.317, "63.48": 6.530, "72.29": 4.955, "73.55": 4.730, "80.87": 3.421, "87.08": 2.310,
    "90.51": 1.697, "95.45": 0.814, "97.00": 0.536, "98.00": 0.357, "99.00": 0.179,
}  # fmt: skip
# Given as differences to L3's
EDGEL3 = {"UrbanSound8K": 0.7391, "ESC-50": 0.7225}
# Table III, without fine-tuning; Table IV, after it
DEPTH = {"conv7": (0.7438, 0.740), "conv6": (0.7174, 0.687), "conv5": (0.6877, 0.666)}
WIDTH = {"43.14": (0.7400, 0.7125), "64.54": (0.7145, 0.647), "69.89": (0.7246, 0.672)}
# Student: (UrbanSound8K, ESC-50, (SONYC-UST micro, macro))
STUDENTS = {
    "0": (0.707, 0.613, (0.823, 0.595)),
    "1": (0.655, 0.512, (0.793, 0.552)),
    "2": (0.673, 0.498, (0.797, 0.559)),
    "3": (0.648, 0.440, (0.784, 0.559)),
}


def _pair(figures: tuple[float, float]) -> dict[str, float]:
    return dict(zip(L3_ACCURACY, figures, strict=True))


ROWS: dict[str, Row] = {"L3": Row("L3 audio, the teacher", L3_ACCURACY, {"SONYC-UST": (0.810, 0.567)}, 4_688_066 * 4, EDGEL3_DATA)}
ROWS |= {
    f"II {name}": Row(
        f"Table II, {name} % of weights zeroed", EDGEL3 if name == "95.45" else {}, {}, round(MEGABYTES[name] * MB), EDGEL3_DATA
    )
    for name in plans.TABLE_II
}
ROWS |= {
    f"III {name}": Row(f"Table III, cut after {name}", _pair(DEPTH[name]), note=f"{EDGEL3_DATA}; nothing was fine-tuned here")
    for name in plans.TABLE_III
}
ROWS |= {f"IV {name}": Row(f"Table IV, {name} % narrower", _pair(WIDTH[name]), note=EDGEL3_DATA) for name in plans.TABLE_IV}
ROWS |= {
    f"SEA {name}": Row(f"SEA student {name}", _pair((us8k, esc50)), {"SONYC-UST": sonyc}, note=SEA_DATA)
    for name, (us8k, esc50, sonyc) in STUDENTS.items()
}
