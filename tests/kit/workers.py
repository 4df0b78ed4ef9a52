"""Processes that train together on this machine, named to one another as TensorFlow expects it."""

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from subprocess import STDOUT, Popen


def start(commands: Sequence[list[str]], logs: Sequence[Path], folder: Path | None = None) -> list[Popen]:
    """A worker for each command, with a log of its own; one alone is given no TF_CONFIG."""
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in commands]}
    started = []
    for index, (command, path) in enumerate(zip(commands, logs, strict=True)):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = os.environ | ({"TF_CONFIG": json.dumps(config)} if len(commands) > 1 else {})
        with open(path, "w") as log:
            started.append(Popen(command, cwd=folder, env=environment, stdout=log, stderr=STDOUT))
    return started


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def finish(processes: Sequence[Popen], logs: Sequence[Path], seconds: float) -> None:
    """Wait until all have ended well, each for so long; none is left running."""
    try:
        for process, log in zip(processes, logs, strict=True):
            assert process.wait(seconds) == 0, log.read_text()[-3000:]
    finally:
        for process in processes:
            process.kill()
