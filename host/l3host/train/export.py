"""A trained Keras file -> .l3m bytes."""

from l3convert import convert
from l3host.datasets import Dataset
from l3host.l3m.writer import to_bytes
from l3host.train.settings import Settings

THRESHOLD = 0.5  # of every label


def export(model: str, dataset: Dataset, clips_sha256: str, settings: Settings) -> bytes:
    """Convert a .keras file of networks.classifier and add labels, thresholds and where it comes from. Raises L3Error."""
    graph = convert(model)
    what = f"{dataset.name}, {len(dataset.clips)} clips of folds {', '.join(map(str, dataset.folds))}"
    graph.labels = dataset.labels
    graph.thresholds = [THRESHOLD] * len(dataset.labels)
    graph.provenance |= {
        "source": f"l3mote train: {what}; {settings.epochs} epochs, seed {settings.seed}",
        "sha256": clips_sha256,  # a .keras file's own would differ each time: it holds the date
        "licence": dataset.licence,
        "attribution": dataset.attribution,
    }
    return to_bytes(graph)
