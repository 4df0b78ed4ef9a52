"""A trained Keras file -> .l3m bytes."""

from l3convert import convert
from l3host.datasets import Dataset, fingerprints
from l3host.l3m.finish import finish
from l3host.l3m.writer import to_bytes
from l3host.train.settings import Settings, TaughtSettings

THRESHOLD = 0.5  # of a label that was not tuned
ENCODING = "palette"  # as the models that ship: a byte a weight


def export(model: str, dataset: Dataset, clips_sha256: str, settings: Settings | TaughtSettings, metrics: dict) -> bytes:
    """Convert a .keras file of networks.classifier and add labels, thresholds and where it comes from. Raises L3Error.

    metrics: of train.gather.
    """
    graph = convert(model)
    what = f"{dataset.name}, {len(dataset.clips)} clips of folds {', '.join(map(str, dataset.folds))}"
    graph.labels = dataset.labels
    tuned = dict(metrics.get("tuned", {}))
    thresholds = tuned.pop("thresholds", {})
    graph.thresholds = [thresholds.get(label, THRESHOLD) for label in dataset.labels]
    graph.provenance |= {
        "source": f"l3mote train: {what}; {settings.epochs} epochs, seed {settings.seed}",
        "sha256": clips_sha256,  # a .keras file's own would differ each time: it holds the date
        "licence": dataset.licence,
        "attribution": dataset.attribution,
        fingerprints.KEY: fingerprints.text([clip.path for clip in dataset.clips]),
    }
    if "accuracy_mean" in metrics:
        clips = sum(map(sum, metrics["confusion"]))
        graph.provenance["held_out"] = {"accuracy": metrics["accuracy_mean"], "clips": clips}
    if tuned:
        graph.provenance["tuned"] = tuned
    return to_bytes(finish(graph, ENCODING), ENCODING)
