"""Power lost during a deployment, at every write to a block of real file systems: the old version starts, or the new one."""

import contextlib
import json
import os
import subprocess
from pathlib import Path
from random import Random

import pytest
import serial
from support import require

from l3host.deploy import steps
from l3host.deploy.board import files as board_files
from l3host.deploy.links import connected
from l3host.deploy.payload import manifested
from l3host.deploy.targets import Board, Drive
from l3host.emulate import runtimes
from l3host.emulate.rp2040.board import board as rp2040_board
from l3host.errors import L3Error
from l3mote import start

HERE = Path(__file__).parent
CUTS = int(os.environ.get("L3_CUTS", 3))  # make cuts: ten
STARTER = Path(start.__file__).read_text()
OLDER_STARTER = STARTER + "# an older one\n"
OWN = {"micropython": {"main.py": b"own main"}, "circuitpython": {"main.py": b"own main", "code.py": b"own code"}}


def payload(word, size=3000):
    """A version of four files, one of them of several blocks."""
    model = word.encode() * (size // len(word))
    files = {"l3mote/__init__.py": word.encode(), "l3mote/kernels/x.py": b"# " + word.encode() * 200}
    return manifested("noise_monitor", files | {"model.l3m": model, "settings.json": b"{}"})


class Recorder(Drive):
    """A drive that notes each call, as if its root were the board's."""

    def __init__(self, folder):
        super().__init__(str(folder))
        self.calls = []

    def call(self, name, *arguments):
        self.calls.append([name, [a.replace(self.root, "/b") if isinstance(a, str) else a for a in arguments]])
        return super().call(name, *arguments)


def passes(folder):
    return {"passed": True}


def scenario(tmp_path, kind, file_system, own=False, older_starter=False, earlier=(), new="new"):
    """The calls that lead to the state before, and those of the deployment (or rollback, new=None) that is cut."""
    circuitpython = kind == "circuitpython"
    recorder = Recorder(tmp_path)
    for name, data in OWN[kind].items() if own else ():
        recorder.write(f"{recorder.root}/{name}", data, steps.ignore)
    for word in earlier:
        steps.deploy(recorder, payload(word), passes, circuitpython)
    if older_starter:
        recorder.write(recorder.root + steps.STARTER, OLDER_STARTER.encode(), steps.ignore)
    before, recorder.calls = recorder.calls, []
    done = steps.deploy(recorder, payload(new), passes, circuitpython) if new else steps.rollback(recorder)
    job = {"file_system": file_system, "circuitpython": circuitpython, "before": before, "calls": recorder.calls}
    job |= {"program": steps.PROGRAM.decode(), "starters": [STARTER, OLDER_STARTER]}
    allowed = {"own"} if own else {payload(earlier[-1]).version}
    return job, allowed | {done["version"]}, done["version"]


SCENARIOS = {
    "first over one's own main.py": ("micropython", "VfsLfs2", {"own": True}),
    "update": ("micropython", "VfsLfs2", {"older_starter": True, "earlier": ["one", "two"]}),
    "rollback": ("micropython", "VfsLfs2", {"earlier": ["one", "two"], "new": None}),
    "update on FAT": ("micropython", "VfsFat", {"older_starter": True, "earlier": ["one"]}),
    "first over one's own code.py": ("circuitpython", "VfsFat", {"own": True}),
    "CircuitPython's update": ("circuitpython", "VfsFat", {"older_starter": True, "earlier": ["one", "two"]}),
    "CircuitPython's rollback": ("circuitpython", "VfsFat", {"earlier": ["one", "two"], "new": None}),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_is_the_last_write_the_old_or_the_new_version_starts(name, tmp_path):
    try:
        runtimes.find("unix")
    except L3Error as e:
        require(False, str(e))
    kind, file_system, options = SCENARIOS[name]
    (tmp_path / "drive").mkdir()
    job, allowed, new = scenario(tmp_path / "drive", kind, file_system, **options)
    (tmp_path / "job.json").write_text(json.dumps(job, default=repr))
    command = [runtimes.venv_tool("micropython"), "-X", "heapsize=64m", HERE / "deploy_board.py", tmp_path / "job.json"]
    command += [Path(module.__file__).parent for module in (board_files, start)]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])  # littlefs complains of torn blocks before
    assert set(result["starts"]) == allowed, result
    assert result["last"] == new and result["writes"] >= (1 if options.get("new", "") is None else 40)


# the same on the emulated RP2040, through the real tools


def small_payload(word):
    app = f"def noise_monitor(folder):\n    print('app of {word}, from', folder)\n"
    return manifested("noise_monitor", {"l3mote/__init__.py": b"", "l3mote/app.py": app.encode(), "model.l3m": word.encode() * 800})


def limited(serial, limit):
    """Have the line go dead once `limit` bytes were written; returns the list of their counts."""
    write, written = serial.write, [0]

    def writing(data):
        if written[0] + len(data) > limit:
            write(data[: max(0, limit - written[0])])
            written[0] = limit
            raise OSError("unplugged")
        written[0] += len(data)
        return write(data)

    serial.write = writing
    return written


def attempt(image, word, tool="mpremote", limit=1 << 30):
    """Deploy to a board with this image until the line and the power are cut. Returns the image then, and the bytes written."""
    with rp2040_board(image) as pico, contextlib.suppress(L3Error), connected(pico.port, tool) as link:
        written = limited(link.tool.serial, limit)
        target = Board(link)

        def selftest(folder):
            return target.fresh(f"import sys\nsys.path.insert(0, {folder!r})\nimport l3mote.app\nprint({{'passed': True}})")

        steps.deploy(target, small_payload(word), selftest, False)
    return pico.image, written[0]


def started(image):
    """What a board with this image prints when it starts."""
    with rp2040_board(image) as pico, serial.Serial(pico.port, timeout=30) as line:
        line.write(b"\x03\x04")
        return line.read_until(b"soft reboot\r\n") and line.read_until(b"\r\n>>> ").decode()


def test_cuts_at_random_bytes_on_the_emulated_board():
    try:
        runtimes.find("rp2040")
    except L3Error as e:
        require(False, str(e))
    old, _ = attempt(None, "old")
    assert "app of old" in started(old)
    new, total = attempt(old, "new")
    assert "app of new" in started(new) and "app of old" not in started(new)
    random = Random(5)
    seen = []
    for i in range(CUTS):
        image, written = attempt(old, "new", "mpremote" if i else "ampy", limit := random.randrange(total))
        assert written == limit
        (app,) = [word for word in ("old", "new") if f"app of {word}, from /l3/{small_payload(word).version}" in started(image)]
        seen.append(app)
    assert "old" in seen  # the switch is one write of many, near the end
    image, _ = attempt(image, "new")  # a deployment after a cut one goes on
    assert "app of new" in started(image)
