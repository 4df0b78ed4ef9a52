"""Downstream evaluation: how well simple probes tell sounds apart from a network's embeddings, as the papers judge them.

dataset = datasets.load("ESC-50-master")
found = embeddings.of_model("sea64.l3m", dataset, "runs/evaluate")   # or of_clips with any function windows -> embeddings
protocol.evaluate(dataset, found, probe="mlp", seeds=3)["accuracy_mean"]
"""
