"""Tiny recipes and tiny data for the tests of compress, sweep and report."""

import importlib.util
import os
import subprocess
import sys
import time

import numpy as np
import soundfile
from support import require

TONES = {"low": 200, "mid": 700, "high": 2400}
SHAPE = '[source]\nweights = "random"\nfrontend = "sea"\nfilters = [2, 3, 2, 4]\n'
KD = '[[recover]]\nmethod = "kd"\ndata = "tones"\nepochs = 4\nbatch = 8\nwindows = 1\n'
PRUNED = SHAPE + "[prune]\nsparsity = 40\n"


def tensorflow():
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")


def make_tones(root):
    """Four noisy tones of 1.2 s for each of three classes, a folder per class."""
    rng = np.random.default_rng(0)
    t = np.arange(9600) / 8000
    for label, hz in TONES.items():
        (root / label).mkdir(parents=True)
        for i in range(4):
            tone = 0.3 * np.sin(2 * np.pi * hz * rng.uniform(0.9, 1.1) * t) + 0.02 * rng.standard_normal(len(t))
            soundfile.write(root / label / f"{i}.wav", tone, 8000)
    return root


def start(*arguments, folder):
    """l3mote in a process of its own."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with open(folder / "log.txt", "a") as log:
        return subprocess.Popen([sys.executable, "-m", "l3host.cli", *map(str, arguments)], stdout=log, stderr=log, env=environment)


def wait_for(condition, process=None, seconds=120):
    """Poll until the condition holds; fail if the process ends before."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing came"
        assert process is None or process.poll() is None or condition(), "the process ended too early"
        time.sleep(0.02)
