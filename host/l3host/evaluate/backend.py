"""The one place that imports scikit-learn."""

from l3host.errors import L3Error

try:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
except ImportError:
    raise L3Error("evaluation needs scikit-learn: pip install 'l3mote[evaluate]'") from None

__all__ = [
    "LogisticRegression", "MLPClassifier", "OneVsRestClassifier", "StandardScaler", "average_precision_score", "make_pipeline",
]  # fmt: skip
