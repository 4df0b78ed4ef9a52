"""Trainings that give a compressed network back what it lost, or hand a network's embedding on to a smaller one.

Each takes networks, data, its settings, a run folder of its own and a progress callback (epochs done, loss), returns the
trained network, and goes on where it stopped when it is called again.
"""

from l3host.train.avc import avc
from l3host.train.distill import kd, sea
from l3host.train.fit import labels

__all__ = ["avc", "kd", "labels", "sea"]
