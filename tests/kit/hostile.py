"""Hostile inputs besides .l3m, built from what is right: Keras files, recipes, settings, what boards print.

Each is taken, or refused in one line, within SECONDS.
"""

import io
import json
import os
import random
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import h5py
import keras_files as kf
import liar
import numpy as np
import onnx_chain as oc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from l3convert import bounded, convert, formats
from l3convert.__main__ import limit
from l3host import costs
from l3host.console import Clean
from l3host.deploy import facts, monitor, screen, targets
from l3host.deploy.links import Mpremote
from l3host.errors import L3Error
from l3host.graph.network import Graph
from l3host.pipeline import recipe
from l3host.text import cell
from l3mote import settings as app
from l3mote.firmware import FIRMWARE

SECONDS = 10  # of a processor, that one input may take


class Broken(AssertionError):
    """An input broke a rule that holds for every input."""


@dataclass
class Tally:
    """How many inputs came to which outcome, and the most seconds that one took."""

    outcomes: Counter = field(default_factory=Counter)
    slowest: float = 0.0

    def add(self, outcome: str, seconds: float, what: object) -> None:
        self.outcomes[outcome] += 1
        self.slowest = max(self.slowest, seconds)
        if seconds > SECONDS:
            raise Broken(f"{seconds:.1f} s for {what!r:.500}")


def outcome_of(examine, value) -> str:
    """'ok', or 'refused' for an error in one line. Raises Broken for anything else."""
    try:
        examine(value)
        return "ok"
    except (L3Error, app.SettingsError) as e:
        if not str(e) or "\n" in str(e):
            raise Broken(f"not a line: {e!s:.500} of {value!r:.500}") from e
        return "refused"
    except Exception as e:
        raise Broken(f"{type(e).__name__}: {e!s:.300} of {value!r:.1000}") from e


def examples(strategy, count: int, examine) -> Tally:
    """Examine what Hypothesis makes of a strategy, the same each time."""
    tally = Tally()

    @settings(max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value):
        start = time.process_time()
        tally.add(outcome_of(examine, value), time.process_time() - start, value)

    run()
    return tally


# -- values of every kind

TELLING = (0, 1, -1, 255, 65535, 1 << 31, 1 << 63, 10**400, -(10**400), 1e308, -1e-320, float("inf"), float("nan"), True, None)
TEXTS = (
    "", " ", "\0", "\x1b[2J\x1b]52;c;x\x07", "\ud800", "\u202e", "é" * 128, "9" * 5000, "a" * 10000, "../../etc", "=1+1", "[b]x[/]",
    "\n",
)  # fmt: skip
leaves = st.one_of(st.sampled_from(TELLING), st.sampled_from(TEXTS), st.integers(), st.floats(), st.text(max_size=20))
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4))


# -- recipes

TABLES = (
    "[source]", "[student]", "[ablate]", "[prune]", "[[recover]]", "[[evaluate]]", "[sensitivity]", "[convert]", "[data]", "[[x]]",
)  # fmt: skip
ODD = ("nan", "inf", "1e400", "1979-05-27", "0x7fffffff", "[[1]]", "{}", '"""', "[" * 5000, "9" * 5000, '"\\u0000"', '[1, "a"]')


@cache
def recipes() -> list[str]:
    return [path.read_text() for path in sorted(recipe.SHIPPED.glob("*.toml"))]


def toml(value) -> str:
    """A value as TOML writes it, more or less."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


@st.composite
def recipe_texts(draw) -> bytes:
    """A shipped recipe after one to four edits, which keep it TOML more often than not."""
    lines = draw(st.sampled_from(recipes())).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[at].partition("=")
        edit = draw(st.sampled_from(("value", "value", "value", "odd", "delete", "table", "twice", "key", "byte")))
        if edit == "delete" and len(lines) > 1:
            del lines[at]
        elif edit == "table":
            lines.insert(at, draw(st.sampled_from(TABLES)))
        elif edit == "twice":
            lines.insert(at, draw(st.sampled_from(draw(st.sampled_from(recipes())).splitlines())))
        elif edit == "byte":
            lines[at] += draw(st.characters(codec="utf-8"))
        elif edit == "key":
            lines.insert(at, f"{json.dumps(draw(st.text(max_size=8)))} = 1")
        elif equals:
            lines[at] = f"{key}= {draw(st.sampled_from(ODD)) if edit == 'odd' else toml(draw(values))}"
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def read_recipes(count: int) -> Tally:
    with tempfile.TemporaryDirectory() as folder:
        path, names = Path(folder, "my.toml"), ("esc50", "sonyc", "ust", "sounds", "videos", "us8k", "clips")
        Path(folder, "w.h5").write_bytes(b"x")
        data = dict.fromkeys(names, folder) | dict.fromkeys((recipe.WEIGHTS, recipe.VIDEO), f"{folder}/w.h5")

        def examine(text: bytes) -> None:
            path.write_bytes(text)
            recipe.load(str(path), data)

        return examples(recipe_texts(), count, examine)


# -- settings

KEYS = (*app.SETTINGS, "threshold.dog", "threshold.", "threshold.\n")
SECRET = "hunter2"


@st.composite
def settings_given(draw) -> dict:
    given = {key: app.SETTINGS[key][0] for key in draw(st.sets(st.sampled_from(list(app.SETTINGS)), max_size=6))}
    given = {key: value for key, value in given.items() if value is not None}
    given |= draw(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), values, max_size=2))
    for key in draw(st.sets(st.sampled_from(app.SECRET), max_size=1)):
        given[key] = SECRET * draw(st.integers(1, 300))
    return given | draw(st.sampled_from(({}, {"mic": "callback"}, {"mic": "i2s", "sck": 1, "ws": 2, "sd": 3})))


def check_settings(count: int) -> Tally:
    graph = model()

    def examine(given: dict) -> None:
        try:
            for key, value in given.items():
                app.parse(f"{key}={value}")
            checked = app.check(given, graph, lambda name: name in FIRMWARE[:4])
        except app.SettingsError as e:
            if SECRET in str(e):
                raise AssertionError(f"a password is printed: {e}") from None
            raise
        odd = [key for key, value in checked.items() if isinstance(value, float) and not np.isfinite(value)]
        if odd:
            raise AssertionError(f"not finite: {odd}")

    return examples(settings_given(), count, examine)


@cache
def model() -> Graph:
    import models

    return models.classifier()


# -- what a serial port says: events for the monitor, and a prompt for a deployment

events = st.one_of(
    st.builds(lambda d: json.dumps(d).encode(), st.dictionaries(st.sampled_from((*monitor.FIELDS, "x")), values, max_size=6)),
    st.sampled_from((b'{"event": ' + b"[" * 5000, b"\x1b[2J\x9b31m", b"\xff\xfe", b"\0\0", b"x" * 40_000, b'{"event": "start"')),
    st.binary(max_size=60),
)


class Port:
    """A serial port whose board has said this, and is unplugged then."""

    out_waiting = 0
    timeout = write_timeout = None

    def __init__(self, data: bytes = b""):
        self.data = data

    @property
    def in_waiting(self) -> int:
        return min(len(self.data), 64) or 1  # nobody waits for what will not come

    def read(self, n: int = 1) -> bytes:
        if not self.data:
            raise OSError(5, "unplugged")
        part, self.data = self.data[:n], self.data[n:]
        return part


def monitor_lines(count: int) -> Tally:
    def examine(lines: list[bytes]) -> None:
        shown, view = io.StringIO(), screen.Screen("PORT")
        console = Clean(file=shown, force_terminal=False, highlight=False, markup=False, emoji=False, width=200)
        try:
            for line in monitor.received(Port(b"".join(line + b"\n" for line in lines))):
                event = line and monitor.parsed(line)
                if event:
                    view.add(event)
                    console.print("  ".join(screen.columns(event)))
                    console.print(*(cell(event.get(name)) for name in monitor.FIELDS))
        except OSError:
            pass
        console.print(view)
        clean(shown.getvalue(), console)

    return examples(st.lists(events, max_size=8), count, examine)


def clean(text: str, console: Console) -> None:
    text.encode()
    odd = {c for c in text if c != "\n" and not (c.isprintable() or c in "\xa0\u3000")} - set("\xad")
    if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E for c in odd):
        raise AssertionError(f"reaches the terminal: {odd}")


FACTS = {
    "implementation": "micropython", "version": (1, 27, 0), "machine": "Pico", "mpy": 4870, "float_bits": 32, "ulab": False,
    "viper": True, "hashlib": True, "heap": 220000, "folder": "/", "flash": 1000000, "writable": True, "names": [],
}  # fmt: skip


@st.composite
def answers(draw) -> bytes:
    """What a command printed: facts, right or with one of them changed, or anything."""
    kind = draw(st.sampled_from(("facts", "changed", "value", "bytes", "nothing")))
    answer = FACTS
    if kind == "changed":
        answer = FACTS | {draw(st.sampled_from(sorted(FACTS))): draw(values)}
    elif kind == "value":
        answer = draw(values)
    if kind == "bytes":
        return draw(st.binary(max_size=80))
    return b"" if kind == "nothing" else repr(answer).encode("utf-8", "backslashreplace") + b"\r\n"


# to feed.py, probe.py, feed.py, start.py and files.py, then slots() and space(), each printed
RIGHT = [b"", repr(FACTS).encode(), b"", b"", b"", b"[(1, '0.1.0-0badcafe', 0)]", b"(1000, 512)"]


@st.composite
def conversations(draw) -> tuple[list, dict[int, bytes]]:
    """(answers of a prompt to a deployment's first questions, what is said in place of a piece): some are wrong."""
    answered = [(answer, b"") for answer in RIGHT]
    for i in draw(st.sets(st.integers(0, len(RIGHT) - 1), max_size=2)):
        error = draw(st.sampled_from((b"", b"", b"Traceback\r\n\x1b[2JOSError: x\r\n")))
        answered[i] = (draw(answers()), error)
    wrong = st.dictionaries(st.integers(0, 40), st.binary(max_size=40), min_size=1, max_size=1)
    return answered, draw(st.just({}) | st.just({}) | wrong)


class Talker(liar.Prompt, Port):
    """A port with a prompt behind it. wrong: what it says in place of its pieces of these numbers."""

    def __init__(self, answered: list, wrong: dict[int, bytes]):
        liar.Prompt.__init__(self, answered)
        Port.__init__(self)
        self.wrong, self.written = wrong, 0

    @property
    def in_waiting(self) -> int:
        """Return how many bytes wait; raise OSError after a few calls without any, so that no test hangs."""
        self.idle = 0 if self.data else self.idle + 1
        if self.idle > 3:
            raise OSError(5, "unplugged")
        return min(len(self.data), 64)

    def inWaiting(self) -> int:  # pyserial's older name, which mpremote calls
        return self.in_waiting

    def write(self, data: bytes) -> int:
        """Take bytes from the computer or, while the prompt answers, from the prompt."""
        if self.answering:
            self.data += self.wrong.get(self.written, data)
            self.written += 1
            return len(data)
        self.answering, self.idle = True, 0
        self.take(data)
        self.answering = False
        return len(data)

    answering, idle = False, 0

    def close(self) -> None:
        pass

    def flush(self) -> None:
        pass


class Link(Mpremote):
    """A link through mpremote itself to such a port."""

    def __init__(self, port: Talker):
        self.talker = port
        super().__init__("PORT")

    def open(self):
        from mpremote import transport_serial
        from mpremote.transport import TransportError
        from mpremote.transport_serial import SerialTransport

        transport_serial.time = SimpleNamespace(**vars(time) | {"sleep": lambda seconds: None})  # it paces what it writes
        self.errors = (TransportError,)
        self.tool = SerialTransport.__new__(SerialTransport)
        self.tool.in_raw_repl, self.tool.use_raw_paste, self.tool.mounted, self.tool.is_pty = False, True, False, False
        self.tool.serial = self.talker


def board_transcripts(count: int) -> Tally:
    def examine(conversation: tuple[list, dict[int, bytes]]) -> None:
        board = targets.Board(Link(Talker(*conversation)))
        facts.of_board(board)
        board.call("slots", "/l3")
        board.call("space", "/")

    return examples(conversations(), count, examine)


# -- Keras files


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """(suffix, bytes) of whole models and of published weights."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(kf.write_h5(Path(folder, "a.h5"), kf.small())).read_bytes()
        published = Path(kf.write_h5(Path(folder, "b.h5"), kf.published("sea", (2,) * 8, True), whole=False)).read_bytes()
        with h5py.File(Path(folder, "w.h5"), "w") as file:
            for layer in kf.small():
                file.require_group(f"layers/{layer.name}/vars").attrs["name"] = layer.name
                for i, array in enumerate(layer.weights.values()):
                    file[f"layers/{layer.name}/vars/{i}"] = array
        entries = [{"class_name": layer.class_name, "config": {"name": layer.name} | layer.config} for layer in kf.small()]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": entries}}))
            zipped.write(Path(folder, "w.h5"), "model.weights.h5")
    return (".h5", whole), (".h5", published), (".keras", archive.getvalue())


@cache
def tables(data: bytes) -> list[int]:
    """Places of an HDF5 file that hold its tables, not its arrays."""
    used = bytearray(len(data))
    with h5py.File(io.BytesIO(data), "r") as file:

        def mark(_, item):
            if isinstance(item, h5py.Dataset) and item.id.get_offset():
                at, size = item.id.get_offset(), item.id.get_storage_size()
                used[at : at + size] = b"\1" * size

        file.visititems(mark)
    return [i for i in range(len(data)) if not used[i] and data[i]]


def odd_value(rng: random.Random):
    return rng.choice((*TELLING, *TEXTS, [], {}, [1], {"a": 1}, [[[]]] * 3, "relu", "valid", [2, 2], [0, 0], 1e-3))


def edit_config(rng: random.Random, value) -> None:
    """Change one or two things in nested JSON, in place."""
    for _ in range(rng.choice((1, 1, 2))):
        at = value
        while True:
            keys = list(at) if isinstance(at, dict) else range(len(at))
            key = rng.choice(list(keys)) if keys else None
            inner = at[key] if key is not None else None
            if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.1:
                break
            at = inner
        if key is not None:
            at[key] = odd_value(rng)


def keras_file(index: int) -> tuple[str, bytes]:
    """File number `index`: (suffix, bytes)."""
    rng = random.Random(index)
    suffix, data = rng.choice(seeds())
    kind = rng.choice(("tables", "tables", "config", "config", "array", "bytes", "cut"))
    if suffix == ".keras":
        return suffix, _zip_edited(rng, data, kind)
    return suffix, _h5_edited(rng, data, kind)


def _flipped(rng: random.Random, data: bytes, places) -> bytes:
    flipped = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        flipped[rng.choice(places)] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
    return bytes(flipped)


def _h5_edited(rng: random.Random, data: bytes, kind: str) -> bytes:
    if kind == "tables":
        return _flipped(rng, data, tables(data))
    if kind == "bytes":
        return _flipped(rng, data, range(len(data)))
    if kind == "cut":
        return data[: rng.randrange(len(data))]
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        if kind == "config" and "model_config" in file.attrs:
            config = json.loads(file.attrs["model_config"])
            edit_config(rng, config)
            text = json.dumps(config).encode("utf-8", "replace")
            del file.attrs["model_config"]
            file.attrs["model_config"] = text[:60_000]
        else:
            _edit_array(rng, file)
    return buffer.getvalue()


def _edit_array(rng: random.Random, file: h5py.File) -> None:
    """One array has another shape, type or values, or attributes make no sense."""
    names = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    name = rng.choice(names)
    shape = rng.choice(((), (0,), (1,), (64,), (3, 3, 1, 4), (3, 3, 1 << 20, 1 << 20), (1 << 26,), file[name].shape))
    kind = rng.choice(("f4", "f2", "f8", "i8", "u1", "?", "c16", "V8", "S3"))
    del file[name]
    if rng.random() < 0.2:
        file[name] = rng.choice((h5py.SoftLink("/" + name), h5py.ExternalLink("x.h5", "/x"), h5py.Empty("f4"), np.nan))
    else:
        chunks = tuple(min(n, 64) for n in shape) if shape and all(shape) else None
        file.create_dataset(name, shape, kind, chunks=chunks, fillvalue=rng.choice((0, 1)) if kind[0] in "fiu" else None)
    if rng.random() < 0.3:
        file[name.rsplit("/", 2)[0]].attrs["weight_names"] = rng.choice(([b"../x:0"], [b""], 5, [b"a", b"a"]))


def _zip_edited(rng: random.Random, data: bytes, kind: str) -> bytes:
    if kind in ("bytes", "cut"):
        return data[: rng.randrange(len(data))] if kind == "cut" else _flipped(rng, data, range(len(data)))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if kind == "config":
        config = json.loads(parts["config.json"])
        edit_config(rng, config)
        parts["config.json"] = json.dumps(config).encode("utf-8", "replace")
    else:
        parts["model.weights.h5"] = _h5_edited(rng, parts["model.weights.h5"], kind)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return buffer.getvalue()


@cache
def graph_seeds() -> tuple[tuple[str, bytes], ...]:
    """(suffix, bytes): the small network as ONNX and as TFLite, float and int8."""
    files = [Path(__file__).with_name(f"small_{kind}.tflite") for kind in ("float", "int8")]
    onnx = [oc.chain(kf.small(), kind).SerializeToString() for kind in (oc.Builder, oc.View)]
    return *((".onnx", data) for data in onnx), *((".tflite", path.read_bytes()) for path in files)


def graph_file(index: int) -> tuple[str, bytes]:
    """File number `index`: (suffix, bytes)."""
    rng = random.Random(index)
    suffix, data = rng.choice(graph_seeds())
    kind = rng.choice(("bytes", "bytes", "tables", "tables", "tables", "cut"))
    if kind == "cut":
        return suffix, data[: rng.randrange(len(data))]
    if kind == "bytes":
        return suffix, _flipped(rng, data, range(len(data)))
    if suffix == ".onnx":
        return suffix, _onnx_edited(rng, data)
    return suffix, _flipped(rng, data, [i for i in range(len(data)) if data[i] < 4])  # offsets, numbers and enumerations


def _onnx_edited(rng: random.Random, data: bytes) -> bytes:
    """One or two fields of a message have another value."""
    import onnx

    model = onnx.load_model_from_string(data)
    for _ in range(rng.choice((1, 1, 2))):
        node, tensor = rng.choice(model.graph.node), rng.choice(model.graph.initializer)
        edit = rng.choice(("dims", "type", "raw", "outside", "take", "give", "operator", "integer", "shape", "opset"))
        number = rng.choice((0, 1, -1, 2, 3, 255, 1 << 31, (1 << 63) - 1))
        if edit == "dims":
            tensor.dims[:] = [number] * rng.randrange(1, 6)
        elif edit == "type":
            tensor.data_type = rng.randrange(30)
        elif edit == "raw":
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        elif edit == "outside":
            tensor.data_location = 1
            tensor.external_data.add(key="location", value=rng.choice(("../x", "/etc/passwd", "a.data", "\x1b[2J")))
            tensor.external_data.add(key="offset", value=str(number))
        elif edit == "take" and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(("", "x", *(other.output[0] for other in model.graph.node)))
        elif edit == "give":
            node.output[0] = rng.choice(("", "x", *(other.output[0] for other in model.graph.node)))
        elif edit == "operator":
            node.op_type = rng.choice(("Relu", "Add", "Div", "Identity", "Flatten", "Squeeze", "Loop", "Constant", "Shape", ""))
        elif edit == "integer" and node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.i, attribute.ints[:], attribute.type = number % (1 << 62), [number] * rng.randrange(5), rng.randrange(8)
        elif edit == "shape":
            model.graph.input[0].type.tensor_type.shape.dim[rng.randrange(4)].dim_value = number
        elif edit == "opset":
            model.opset_import[0].version = number
    return model.SerializeToString()


def convert_keras(count: int, first: int = 0) -> Tally:
    seeds()
    return _converted(keras_file, count, first)


def convert_graphs(count: int, first: int = 0) -> Tally:
    for _, data in graph_seeds():  # imports, before the forks, what reads them
        formats.read(data)
    return _converted(graph_file, count, first)


def _converted(file_of, count: int, first: int) -> Tally:
    """convert() on each file. A fork is the child that bounded.py would start: what dies or hangs in it is "ended"."""
    tally, broken = Tally(), []

    def examine(path: Path) -> None:
        bounded.layers = formats.read  # in this fork, not in a child of it
        try:
            convert(str(path), "sea")
        except MemoryError:  # python -m l3convert makes the same of it
            raise L3Error("it takes more memory than reading may") from None

    with tempfile.TemporaryDirectory() as folder:
        for index in range(first, first + count):
            suffix, data = file_of(index)
            path = Path(folder, f"{index}{suffix}")
            path.write_bytes(data)
            outcome, seconds = forked(lambda path=path: examine(path), Path(folder, "said"))
            path.unlink()
            if outcome not in ("ok", "refused", "ended"):
                broken.append(f"file {index}: {outcome}")
            tally.add(outcome.partition(":")[0], min(seconds, SECONDS), index)
    if broken:
        raise Broken("; ".join(broken[:5]))
    return tally


def forked(function, report: Path) -> tuple[str, float]:
    """What a function comes to in a fork with limits, and its seconds of a processor."""
    pid = os.fork()
    if not pid:
        limit(costs.CHILD_SECONDS, costs.CHILD_BYTES)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            report.write_text(outcome_of(lambda _: function(), None))
        except BaseException as e:
            report.write_text(f"BROKEN: {e}")
        os._exit(0)
    _, status, usage = os.wait4(pid, 0)
    outcome = "ended" if os.WIFSIGNALED(status) else report.read_text()
    return outcome, usage.ru_utime + usage.ru_stime
