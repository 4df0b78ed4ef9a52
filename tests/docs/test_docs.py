"""The documentation builds without a warning, names only what exists, and the tutorial's commands run as they stand there."""

import argparse
import ast
import contextlib
import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import soundfile
from markdown_it import MarkdownIt
from support import ROOT, require
from terminal import Terminal

from l3host import cli
from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3host.sound import synth
from l3mote.settings import SETTINGS

DOCS = ROOT / "docs"
TUTORIAL = DOCS / "tutorial.md"
PAGES = sorted([*ROOT.glob("*.md"), ROOT / "host" / "l3host" / "models" / "README.md", *DOCS.rglob("*.md")])
BLOCKS = ("fence", "code_block")
SHELL = ("sh", "")  # languages of the fences that hold commands; an indented block has none
MARKDOWN = MarkdownIt("commonmark").enable("table")

# What stands in a tutorial's command, and what the test runs instead, so that it takes seconds.
SMALL = {"--epochs 150": "--epochs 2"}
PORT = "/dev/ttyACM0"  # the emulated board's here
PINS, NO_PINS = "--set sck=16 --set ws=17 --set sd=18", "--set mic=wav --set wav=sound.wav"
CLASSES = {"chainsaw": "chainsaw", "rain": "rain", "quiet": "pink_noise"}  # the tutorial's, and what they sound like here


def code(page, *kinds):
    """(language, text) of a page's code: kinds are fence, code_block, code_inline."""
    for token in MARKDOWN.parse(page.read_text(encoding="utf-8")):
        for part in [token, *(token.children or [])]:
            if part.type in kinds:
                yield part.info.strip(), part.content


def commands(page):
    """The lines of a page's shell blocks, continued lines joined, and what workflows run."""
    for language, text in code(page, *BLOCKS):
        if language == "yaml":  # a workflow
            yield from re.findall(r"- run: (.+)", text)
        elif language in SHELL:
            yield from (line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip())


def words(line):
    try:
        return shlex.split(line, comments=True) or [""]
    except ValueError:  # an apostrophe in prose
        return [""]


def calls(program):
    """(page's name, arguments) of every command of a program in any page."""
    result = [(page.name, words(line)) for page in PAGES for line in commands(page)]
    return [(name, call[1:]) for name, call in result if Path(call[0]).name == program]


def subcommands():
    (action,) = (a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


# -- what pages name


def test_commands_parse(capsys):
    result = calls("l3mote")
    for name, arguments in result:
        try:
            cli.parser().parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{name}: l3mote {shlex.join(arguments)}: {capsys.readouterr().err}")
    assert {arguments[0] for _, arguments in result} == set(subcommands())  # each command is shown somewhere


def test_commands_in_sentences_exist():
    parsers, result = subcommands(), 0
    for page in PAGES:
        for _, text in code(page, "code_inline"):
            program, name, *arguments = [*words(text), "", ""]
            if program == "l3mote" and re.fullmatch("[a-z-]+", name):
                result += 1
                assert name in parsers, f"{page.name}: {text}"
                for option in (a for a in arguments if a.startswith("-")):
                    assert option in parsers[name]._option_string_actions, f"{page.name}: {text}"
    assert result > 10


PLACES = (".", "host/l3host", "device/l3mote", "host/l3host/deploy")  # a page that has said where it is writes less
FILE = re.compile(r"[\w.-]+(/[\w.-]+)*/([\w-]+\.(py|c|h|toml|md|sh))?")


@pytest.mark.parametrize("name", ["DESIGN.md", "CONTRIBUTING.md", "README.md", "FORMAT.md"])
def test_files_that_a_page_names_exist(name):
    named = {text for _, text in code(ROOT / name, "code_inline") if FILE.fullmatch(text) and "NAME" not in text}
    assert [text for text in sorted(named) if not any((ROOT / place / text).exists() for place in PLACES)] == []


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    inline = [(page.name, words(text)) for page in PAGES for _, text in code(page, "code_inline")]
    named = [(name, call[1:]) for name, call in inline if call[0] == "make"] + calls("make")
    for name, arguments in named:
        assert {a for a in arguments if "=" not in a} <= targets, f"{name}: make {' '.join(arguments)}"
    assert len(named) > 10


def test_extras_exist():
    extras = set(re.findall(r"^([a-z]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    named = [re.search(r"\[(.+)\]", a) for _, arguments in calls("pip") for a in arguments]
    assert {extra for match in named if match for extra in match[1].split(",")} <= extras


def defined(module):
    """Names at a module's top level. It is not imported: boards' modules cannot be."""
    body = ast.parse(Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")).body
    names = {alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return names | {node.name for node in body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_import_what_exists(page):
    for language, text in code(page, "fence"):
        for node in ast.walk(ast.parse(text if language == "python" else "")):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("l3mote", "l3host", "l3convert"):
                assert {alias.name for alias in node.names} <= defined(node.module), node.module


def test_every_setting_is_explained():
    page = (DOCS / "howto" / "settings.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in page for key in SETTINGS)


def test_pages_say_what_the_code_says():
    done = subprocess.run([sys.executable, ROOT / "tools" / "pages.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_are_plain_markdown_with_links_that_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"^(```|:::)\{|\{[a-z:]+\}`", text, re.MULTILINE), "a directive that only Sphinx reads"
    targets = [token.attrs["href"] for line in MARKDOWN.parse(text) for token in line.children or [] if token.type == "link_open"]
    for target in (target.partition("#")[0] for target in targets):
        assert not target or "://" in target or (page.parent / target).exists(), target


def strings_of_the_code():
    """Every string of the host's and the device's code but docstrings, as its literal pieces: what is filled in stands between."""
    for path in [*(ROOT / "host" / "l3host").rglob("*.py"), *(ROOT / "device" / "l3mote").rglob("*.py")]:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                yield [part.value if isinstance(part, ast.Constant) else "" for part in node.values]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield re.split(r"%[sdr]|\{\}", node.value)


def test_messages_that_a_beginner_looks_up_are_those_of_the_code():
    """Part of one, with "..." for what is left out, or all of it, filled in."""
    page = (DOCS / "first-board.md").read_text(encoding="utf-8").partition("## What can go wrong")[2]
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(messages) == 11
    strings = list(strings_of_the_code())
    filled = [re.compile(".+".join(map(re.escape, pieces))) for pieces in strings if len("".join(pieces)) >= 10]
    texts = ["\0".join(pieces) for pieces in strings]
    for message in messages:
        part = re.compile(".*".join(map(re.escape, message.split("..."))), re.DOTALL)
        assert any(map(part.search, texts)) or any(pattern.fullmatch(message) for pattern in filled), message


# -- the build


def test_builds_without_a_warning(tmp_path):
    require(all(map(importlib.util.find_spec, ("sphinx", "furo", "myst_parser"))), "Sphinx is missing: pip install 'l3mote[docs]'")
    build = [sys.executable, "-m", "sphinx", "-EWq", "--keep-going", "-d", tmp_path / "trees", "-c", DOCS, ROOT, tmp_path / "html"]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    internals = "docs/reference/internals/l3mote/l3mote"
    for page, text in {internals: "test_signal", "docs/reference/commands": "--calibrate", "BENCHMARKS": "cycles"}.items():
        assert text in (tmp_path / "html" / f"{page}.html").read_text()
    assert 'url=docs/index.html"' in (tmp_path / "html" / "index.html").read_text()


# -- the tutorial


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder with sounds/CLASS/*.wav and street.wav, as the tutorial has them."""
    folder = tmp_path_factory.mktemp("tutorial")
    for label, name in CLASSES.items():
        (folder / "sounds" / label).mkdir(parents=True)
        for i in range(4):
            soundfile.write(folder / "sounds" / label / f"{i}.wav", synth.sound(name, 1.5, i), synth.RATE)
    soundfile.write(folder / "street.wav", synth.sound("rain", 1.5, 9), synth.RATE)
    return folder


def replaced(text, values):
    """The text with each key of values, which has to be there, replaced."""
    for value, other in values.items():
        assert value in text
        text = text.replace(value, other)
    return text


@contextlib.contextmanager
def emulated(folder):
    """Give the port of `l3mote board`, as it prints it; Ctrl-C ends it."""
    command = [sys.executable, "-m", "l3host.cli", "board", "--sound", "street.wav"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        first = process.stdout.readline()
        try:
            yield re.search(r" is at (\S+), ", first)[1]
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and rest.splitlines()[-1] == "its power is off"


def as_in_a_shell(folder):
    """This Python's programs first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"shell": True, "cwd": folder, "env": os.environ | {"PATH": path}}


def run(command, folder):
    """Run a line as a shell does; return what it prints."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen("exec " + command, start_new_session=True, **streams, **as_in_a_shell(folder)) as process:
        watchdog = threading.Timer(300, process.kill)
        watchdog.start()
        printed = process.communicate()[0]
        watchdog.cancel()
    assert process.returncode == 0, f"$ {command}\n{printed}"
    return printed


def watched(command, folder, port):
    """The screen of `l3mote monitor` when a board that starts anew meanwhile listens; then Ctrl-C ends it."""
    with Terminal("exec " + command, **as_in_a_shell(folder)) as terminal:
        while not any(os.path.realpath(entry) == port for entry in Path(f"/proc/{terminal.process.pid}/fd").iterdir()):
            time.sleep(0.2)
        time.sleep(1)  # opening a port drops what came before
        with open(port, "wb", buffering=0) as line:
            line.write(b"\x03\x03\x04")
        terminal.shows("listening, kernel native", 300)
        lines = terminal.lines
    assert terminal.status == 0
    return lines


def test_the_tutorial_runs(recordings):
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")
    require(runtimes.venv_tool("micropython"), "MicroPython's unix port is not installed")
    shown = TUTORIAL.read_text(encoding="utf-8")
    assert all(f"{label}/" in shown for label in CLASSES)
    lines = replaced("\n".join(commands(TUTORIAL)), SMALL).splitlines()
    assert len(lines) == 10 and NO_PINS in shown
    for command in lines[:7]:
        run(command, recordings)
    try:
        runtimes.find("rp2040")
    except L3Error as e:
        require(False, f"no emulated board for the other commands: {e}")
    with emulated(recordings) as port:
        deploy, bench, monitor = (command.replace(PORT, port) for command in lines[7:])
        run(replaced(deploy, {PINS: NO_PINS}), recordings)
        table = [line.split() for line in run(bench, recordings).splitlines()]
        screen = watched(monitor, recordings, port)
    parts = [row[0] for row in table if row and row[-1].endswith("%")]
    assert parts[:2] == ["log-mel", "conv1"] and parts[-1] == "window" and ["self-test", "passed"] in table
    assert screen[0].startswith(f"{port}  listening, kernel native, a window every ")
    assert "listening" in (recordings / "events.csv").read_text()
