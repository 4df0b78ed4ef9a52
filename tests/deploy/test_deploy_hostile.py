"""Drives and boards that were prepared to harm the computer that deploys to them: it changes nothing else, ends, and says why."""

import os
import re
import subprocess
import sys
import zlib

import pytest
from liar import LIES, Liar
from make_small import PATH

from l3host.cli import main
from l3host.deploy import links, steps
from l3host.deploy.answers import fits, number, positive
from l3host.deploy.payload import manifested
from l3host.deploy.targets import Drive
from l3host.errors import L3Error
from l3mote import start

SMALL = str(PATH)
BOOT_OUT = "Adafruit CircuitPython 10.3.0 on 2024-11-20; Raspberry Pi Pico with rp2040\nBoard ID:raspberry_pi_pico\n"
VERSION = "0.0.9-deadbeef"


@pytest.fixture
def drive(tmp_path):
    """A CIRCUITPY drive, beside a folder of somebody's."""
    for name in ("CIRCUITPY/l3", "CIRCUITPY/lib", "home/Documents"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home" / "Documents" / "thesis").write_text("important")
    (tmp_path / "home" / ".bashrc").write_text("alias ll=ls\n")
    (tmp_path / "CIRCUITPY" / "boot_out.txt").write_text(BOOT_OUT)
    return tmp_path / "CIRCUITPY"


def snapshot(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def deploy(drive, *more):
    """(exit status, stderr) of the command, which must end."""
    command = [sys.executable, "-m", "l3host.cli", "deploy", SMALL, "--port", str(drive), "--app", "none", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


def name_version(drive, version):
    """Write a slot by hand, as start.py describes them."""
    text = b"5 " + version.encode() + b" "
    (drive / "l3" / "current.0").write_bytes(text + b"%08x\n" % zlib.crc32(text))


def make_version(drive, *lines):
    """A version whose manifest has these lines."""
    manifest = "".join(f"{line}\n" for line in ("none", *lines)).encode()
    version = f"0.0.9-{zlib.crc32(manifest):08x}"
    (drive / "l3" / version).mkdir()
    (drive / "l3" / version / "manifest").write_bytes(manifest)
    name_version(drive, version)
    return drive / "l3" / version


def link(path, to):
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(to)


LINKS = {
    "a version": lambda drive, home: link(drive / "l3" / VERSION, home / "Documents"),
    "a folder in a version": lambda drive, home: link(drive / "l3" / VERSION / "l3mote", home / "Documents"),
    "a file in a version": lambda drive, home: link(drive / "l3" / VERSION / "model.l3m", home / ".bashrc"),
    "the starter": lambda drive, home: link(drive / "lib" / "l3start.py", home / ".bashrc"),
    "the next starter": lambda drive, home: link(drive / "lib" / "l3start_next.py", home / ".bashrc"),
    "the folder of libraries": lambda drive, home: (drive / "lib").rmdir() or link(drive / "lib", home),
    "the folder of versions": lambda drive, home: (drive / "l3").rmdir() or link(drive / "l3", home),
    "a slot": lambda drive, home: link(drive / "l3" / "current.1", home / ".bashrc"),
    "a slot of no end": lambda drive, home: link(drive / "l3" / "current.1", "/dev/zero"),
    "a link to nowhere": lambda drive, home: link(drive / "lib" / "l3start.py", home / "new"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_on_a_drive_is_refused_and_nothing_outside_changes(kind, drive):
    home = drive.parent / "home"
    LINKS[kind](drive, home)
    before = snapshot(home)
    status, message = deploy(drive)
    assert status == 1 and " is a link, which l3mote does not follow on a drive: delete it" in message.splitlines()[-1]
    assert snapshot(home) == before


@pytest.mark.parametrize("name", ["main.py", "code.py", "code.before.py", "code.py.tmp"])
def test_a_program_that_is_a_link_is_refused(name, drive):
    home = drive.parent / "home"
    link(drive / name, home / ".bashrc")
    before = snapshot(home)
    if "." in name[:-3]:
        (drive / "code.py").write_text("print('mine')\n")
    with pytest.raises(L3Error, match=f"{name} is a link"):
        target = Drive(str(drive))
        steps.deploy(target, manifested("noise_monitor", {}), lambda folder: None, True)
        target.call("rename", str(drive / "main.py"), str(drive / name))
    assert snapshot(home) == before


def test_what_is_not_a_file_is_refused(drive):
    os.mkfifo(drive / "lib" / "l3start.py")
    status, message = deploy(drive)
    assert status == 1 and "l3start.py is neither a file nor a folder: delete it" in message.splitlines()[-1]


OUTSIDE = ["../../home/Documents", "../home-deadbeef", "../../home/Documents-deadbeef", "/etc", "..", "a/b-deadbeef", "x-DEADBEEF"]


@pytest.mark.parametrize("version", OUTSIDE)
def test_a_slot_that_names_what_is_not_a_version_is_as_good_as_damaged(version, drive):
    name_version(drive, version)
    assert start.read_slot(f"{drive}/l3", 0) is None and not start.is_version(version)
    assert start.is_version(VERSION) and start.is_version("0.1.0.dev1+g12_3-0badcafe")


class Full(Drive):
    """A drive on which only what is there can make room."""

    def call(self, name, *arguments):
        return (0, 512) if name == "space" else super().call(name, *arguments)


def test_room_is_never_made_outside_of_the_drive(drive):
    name_version(drive, "../../home/Documents")
    before = snapshot(drive.parent / "home")
    with pytest.raises(L3Error, match="^flash full: "):
        steps.deploy(Full(str(drive)), manifested("none", {"model.l3m": b"x"}), lambda folder: None, True)
    assert snapshot(drive.parent / "home") == before


@pytest.mark.parametrize("path", ["../home/.bashrc", "l3/../../home/.bashrc", ".", ""])
def test_no_path_leads_out_of_a_drive(path, drive):
    with pytest.raises(L3Error, match="outside of the drive"):
        Drive(str(drive)).call("read", f"{drive}/{path}")


MANIFESTS = {
    "a device": "00000000 1 ../../../../../../../../../../../../dev/zero",
    "an absolute path": "00000000 1 /dev/zero",
    "a path of Windows": "00000000 1 C:\\x",
    "a file of another size": "00000000 7 model.l3m",
    "a file too large": f"00000000 {1 << 40} large",
    "a negative size": "00000000 -1 model.l3m",
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_manifest_that_names_what_is_not_a_file_of_its_version_is_damaged(kind, drive):
    version = make_version(drive, MANIFESTS[kind])
    (version / "model.l3m").write_bytes(b"other")
    with (version / "large").open("wb") as f:
        f.truncate(1 << 26)
    status, message = deploy(drive)
    assert status == 0 and not version.exists(), message
    version = make_version(drive, MANIFESTS[kind])
    (version / "model.l3m").write_bytes(b"other")
    assert start.damage(f"{drive}/l3", version.name) == MANIFESTS[kind].split(" ", 2)[2]


def test_what_is_too_large_to_be_ours_is_refused_before_it_is_read(drive):
    version = make_version(drive)
    with (version / "manifest").open("wb") as f:
        f.truncate(1 << 40)
    status, message = deploy(drive)
    assert status == 1 and f"manifest has {1 << 40} bytes, files of a board have at most" in message and message.count("\n") == 1


def test_folders_without_end_are_refused(drive):
    here = os.open(drive / "l3", os.O_DIRECTORY)
    for name in [VERSION, *2000 * ["d"]]:  # one by one: the path is longer than a path may be
        os.mkdir(name, dir_fd=here)
        here, last = os.open(name, os.O_DIRECTORY, dir_fd=here), here
        os.close(last)
    os.close(here)
    try:
        status, message = deploy(drive)
    finally:
        subprocess.run(["rm", "-rf", drive / "l3"], check=True)  # Python's way is recursive, and pytest's
    assert status == 1 and "holds more than l3mote ever writes there: delete it" in message and message.count("\n") == 1


# boards


@pytest.fixture
def liar(monkeypatch):
    """liar(kind) as a board; waits are a tenth as long."""
    monkeypatch.setattr(links, "ANSWER", 2)
    monkeypatch.setattr(links, "SILENCE", 6)
    monkeypatch.setattr(links, "WORK", 9)
    made = []

    def make(kind):
        made.append(Liar(kind))
        return made[-1].port

    yield make
    for one in made:
        one.close()


ANSWERS = "answers .*, not what was asked: "
ENDLESS = "does not stop printing: its program does not end at Ctrl-C, or this is not MicroPython. Start it without its program"
SYMPTOMS = {
    **dict.fromkeys(LIES, ANSWERS),
    "huge": ENDLESS,
    "a long error": ENDLESS,
    "an error": r"on the board: .*\\x1b\[31mOSError: \\x1b\]52;c;cHduZWQ=\\x07evil",
    "facts, then no end": ENDLESS,
    "a watchdog": r"restarted during the work \(.*\): does its program run a watchdog\? Start it without its program",
    "silent": r"does not answer \(.*\): unplugged, reset by a watchdog, or no MicroPython",
    "echo": r"does not answer \(.*\): ",
    "garbage": "Ctrl-C",
    "prompts": ENDLESS,
    "no end": ENDLESS,
    "deaf": "keeps running its program, which does not end at Ctrl-C. Start it without its program",
}


@pytest.mark.parametrize("tool", ["mpremote", "ampy"])
@pytest.mark.parametrize("kind", SYMPTOMS)
def test_a_board_that_lies_is_one_line_that_says_how(kind, tool, liar, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status = main(["deploy", SMALL, "--app", "none", "--tool", tool, "--port", liar(kind)])
    out, err = capsys.readouterr()
    assert status == 1 and err.startswith("l3mote: ") and err.count("\n") == 1 and len(err) < 600, err
    assert re.search(SYMPTOMS[kind], err) and "\x1b" not in out + err and "\x07" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "shape", "expected"),
    [
        (1, int, True), (True, int, False), (1.5, int, False), (None, None, True), (0, None, False),
        ("x", {str, None}, True), (b"x", {str, None}, False),
        ((1, "v", 0), (int, str, int), True), ((1, "v"), (int, str, int), False), ([1, "v", 0], (int, str, int), False),
        ([], [str], True), (["a", 1], [str], False), ({"a": 1, "more": 2}, {"a": int}, True), ({}, {"a": int}, False),
        (0, positive, False), (3, positive, True), (float("inf"), number, False), (1, number, True), (True, number, False),
    ],
)  # fmt: skip
def test_an_answer_has_the_shape_of_the_question(value, shape, expected):
    assert fits(value, shape) == expected
