"""Power cuts at the writes of real file systems, in MicroPython: cut_log.py and cut_writes.py, as often as asked for."""

import json
import tempfile
from pathlib import Path

from support import ROOT, SCRIPTS

from l3host.deploy.remote import file_operations
from l3host.emulate import runtimes

FILE_SYSTEMS = "VfsLfs2", "VfsFat"


def run(folder: Path, script: str, **job) -> dict:
    """What a script of tests/micropython_scripts prints; AssertionError with its whole output if it fails. Raises L3Error."""
    (folder / "job.json").write_text(json.dumps(job))
    done = runtimes.execute(runtimes.find("unix"), SCRIPTS / script, ROOT / "device", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def cut(work: str, fs: str, cuts: int, seed: int = 1) -> int:
    """Cut the power so often, at least, while a log or a queue is written, or the slots of a deployment; how often it was."""
    with tempfile.TemporaryDirectory() as folder:
        if work == "log":
            result = run(Path(folder), "cut_log.py", work="power", fs=fs, limit=4096, records=max(20, cuts // CUTS_A_RECORD))
        else:
            result = run(
                Path(folder),
                "cut_writes.py",
                work=work,
                fs=fs,
                cuts=cuts,
                seed=seed,
                files=str(Path(file_operations.__file__).parent),
            )
        return result["cuts"]


CUTS_A_RECORD = 4
