"""Power lost during a deployment, at every write to a block of real file systems: the old version starts, or the new one."""

import ast
import binascii
import contextlib
import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
import serial
from support import SCRIPTS, require

from l3host.deploy import steps
from l3host.deploy.links import connected
from l3host.deploy.payload import manifested, signed
from l3host.deploy.remote import file_operations as board_files
from l3host.deploy.targets import Board, Target
from l3host.emulate import runtimes
from l3host.emulate.rp2040.serial_port import board as rp2040_board
from l3host.errors import L3Error
from l3mote import signature, start

CUTS = int(os.environ.get("L3_CUTS", 3))  # make cuts: ten
STARTER = Path(start.__file__).read_bytes()
OLDER_STARTER = STARTER + b"# an older one\n"
OWN = {False: {"main.py": b"own main"}, True: {"main.py": b"own main", "code.py": b"own code"}}


def payload(word):
    """A version of four files, one of them of several blocks."""
    files = {"l3mote/__init__.py": word.encode(), "l3mote/kernels/x.py": b"# " + word.encode() * 200}
    return manifested("noise_monitor", files | {"model.l3m": word.encode() * 1000, "settings.json": b"{}"})


class PowerCut(L3Error):
    pass


class MemoryBoard(Target):
    """cut_deployment.py as a target."""

    root = "/b"

    def __init__(self, kind):
        self.kind = kind
        command = [runtimes.venv_tool("micropython"), "-X", "heapsize=256m", SCRIPTS / "cut_deployment.py"]
        command += [Path(module.__file__).parent for module in (board_files, start)]
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, name, *arguments):
        self.process.stdin.write(f"{name}({', '.join(map(repr, arguments))})\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line[0] == "=":
                return ast.literal_eval(line[1:])
            if line[0] == "!":
                raise PowerCut(line)
        raise AssertionError("the interpreter ended")


def test_without_hashlib_files_are_compared_by_their_crc():
    try:
        runtimes.find("unix")
    except L3Error as e:
        require(False, str(e))
    board = MemoryBoard("VfsLfs2")
    board.call("power_on", "VfsLfs2")
    case = Scenario("VfsLfs2")
    files, folder = payload("one").files, f"/b/l3/{payload('one').version}"
    case.deploy(board, "one")
    by_sha = [board.call("digest", f"{folder}/{path}") for path in files]
    board.call("sys.modules.__setitem__", "hashlib", 0)
    by_crc = [board.call("digest", f"{folder}/{path}") for path in files]
    assert by_sha == [hashlib.sha256(data).hexdigest() for data in files.values()]
    assert by_crc == [f"{binascii.crc32(data):08x}" for data in files.values()]
    assert case.deploy(board, "one")["bytes_copied"] == 0
    board.write(f"{folder}/model.l3m", b"two" * 1000, steps.ignore)
    assert case.deploy(board, "one")["bytes_copied"] == 3000
    board.process.kill()


@dataclass
class Scenario:
    kind: str  # of file system
    circuitpython: bool = False
    own: bool = False  # a program of the user's own is there
    older_starter: bool = False
    earlier: tuple = ()
    new: str | None = "new"  # None: rollback
    key: bytes | None = None  # that the new version is signed with
    held: bool = False  # the earlier ones too: the board holds the key, and what an older l3mote checked signatures with

    def before(self, board):
        """What is on the board before the deployment that is cut."""
        for name, data in OWN[self.circuitpython].items() if self.own else ():
            board.write(f"{board.root}/{name}", data, steps.ignore)
        for word in self.earlier:
            self.deploy(board, word)
        if self.older_starter:
            board.write(board.root + steps.STARTER, OLDER_STARTER, steps.ignore)
        if self.held:
            board.write(board.root + steps.CHECKER, b"# older\n" + Path(signature.__file__).read_bytes(), steps.ignore)

    def deploy(self, board, word):
        if word is None:
            return steps.rollback(board)
        key = self.key if word == self.new or self.held else None
        files = signed(payload(word), key) if key else payload(word)
        result = steps.deploy(board, files, lambda folder: {"passed": True}, self.circuitpython)
        if key:
            steps.install_key(board, key)
        return result

    def cut(self, board, image, writes):
        """Deploy on an image, the power cut after so many writes (None: not cut): was it, the image then, and what starts."""
        board.call("power_on", self.kind, image)
        board.call("cut_after", writes)
        try:
            self.deploy(board, self.new)
            was_cut = False
        except PowerCut:
            was_cut = True
        left = board.call("keep")
        board.call("power_on", self.kind, left)
        return was_cut, left, board.call("starts", steps.PROGRAM, self.circuitpython)


SCENARIOS = {
    "first over one's own main.py": Scenario("VfsLfs2", own=True),
    "update": Scenario("VfsLfs2", older_starter=True, earlier=("one", "two")),
    "rollback": Scenario("VfsLfs2", earlier=("one", "two"), new=None),
    "first on FAT": Scenario("VfsFat"),
    "the first that is signed": Scenario("VfsLfs2", older_starter=True, earlier=("one", "two"), key=b"k" * 32),
    "an update that is signed, on FAT": Scenario("VfsFat", earlier=("one", "two"), key=b"k" * 32, held=True),
    "update on FAT": Scenario("VfsFat", older_starter=True, earlier=("one",)),
    "first over one's own code.py": Scenario("VfsFat", circuitpython=True, own=True),
    "CircuitPython's update": Scenario("VfsFat", circuitpython=True, older_starter=True, earlier=("one", "two")),
    "CircuitPython's rollback": Scenario("VfsFat", circuitpython=True, earlier=("one", "two"), new=None),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_is_the_last_write_the_old_or_the_new_version_starts(name):
    try:
        runtimes.find("unix")
    except L3Error as e:
        require(False, str(e))
    case = SCENARIOS[name]
    board = MemoryBoard(case.kind)
    board.call("power_on", case.kind)
    case.before(board)
    old = board.call("starts", steps.PROGRAM, case.circuitpython)
    image = board.call("keep")
    was_cut, _, new = case.cut(board, image, None)
    assert new == payload(case.new or case.earlier[0]).version and old != new and not was_cut
    started, writes, was_cut = [], 0, True
    while was_cut:
        was_cut, left, version = case.cut(board, image, writes)
        started.append(version)
        if was_cut and case.new and writes % 3 == 0:  # and the deployment after it cut, too, and then one that is not
            _, left, version = case.cut(board, left, 7 * writes % 30)
            started.append(version)
            assert case.cut(board, left, None)[2] == new, f"not mended after {writes} writes"
        writes += 1
    board.process.kill()
    assert set(started) == {old, new}
    assert started[0] == old and started[-1] == new and writes > (40 if case.new else 1)


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
        image, _ = attempt(old, "new", "mpremote" if i else "ampy", random.randrange(total))
        (app,) = [word for word in ("old", "new") if f"app of {word}, from /l3/{small_payload(word).version}" in started(image)]
        seen.append(app)
    assert "old" in seen  # the switch is one write of many, near the end
    image, _ = attempt(image, "new")  # a deployment after a cut one goes on
    assert "app of new" in started(image)
