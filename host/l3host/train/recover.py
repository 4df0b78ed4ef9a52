"""Trainings that recover a compressed network's accuracy, or teach a network's embedding to a smaller one.

Each takes networks, data, its settings, a run folder of its own and a progress callback (epochs done, loss), returns the
trained network, and continues where it stopped when called again.
"""

from l3host.train.avc import avc
from l3host.train.distill import kd, sea
from l3host.train.fit import labels

__all__ = ["avc", "kd", "labels", "sea"]
