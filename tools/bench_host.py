"""Measure speed and memory on this computer and write them into BENCHMARKS.md, between two marks.

usage: bench_host.py PAGE [SEA]        SEA: the published SEA-64 weights (.h5); without them, random ones of that shape
Times are CPU times of one thread, in rounds that alternate; whole commands run in their own processes, with their peak memory.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from bench_report import table

from l3convert import convert
from l3host.embed import batch_size, run_windows
from l3host.engines import ENGINES, engine_for, numpy_engine
from l3host.errors import L3Error
from l3host.files import write_bytes
from l3host.graph.network import Conv, Dense, Graph, frontend
from l3host.reference import floats
from l3host.sound import audio, hearing, synth
from l3host.sound.resampling import resample
from l3host.threads import cores, one_blas_thread

BEGIN, END = "<!-- made by make bench-host -->\n", "<!-- end of make bench-host -->\n"
ROUNDS = 5
WINDOWS = 64
RATE = 44100
MINUTES = (2, 4, 8, 16)
FILES = (250, 500, 1000, 2000)
PUBLISHED = 84  # windows a second of the published edgel3 package on two cores of such a machine, measured once
HEAD = """\
## On a computer

One run of `make bench-host` on {cores} cores of a PC where {load:.0f} processes wanted to run on average: compare its figures with
each other only. CPU time, one thread, the fastest of {rounds} rounds that take turns.

"""


def graph_of(sea: str | None) -> Graph:
    """Return SEA-64, with random weights if `sea` is None."""
    if sea:
        return convert(sea)
    layers: list[Conv | Dense] = []
    rng, channels = np.random.default_rng(0), 1
    for i, width in enumerate((32, 32, 64, 64, 128, 128, 64, 64)):
        kernel = rng.normal(0, (2 / 9 / channels) ** 0.5, (3, 3, channels, width)).astype(np.float32)
        pool = (2, 2) if i in (1, 3, 5) else (8, 6) if i == 7 else (1, 1)
        layers.append(Conv(f"conv{i + 1}", kernel, np.zeros(width, np.float32), "none" if i == 7 else "relu", pool))
        channels = width
    return Graph(frontend("sea"), layers)


def litert(graph: Graph) -> Callable[[np.ndarray], None] | None:
    """Return a function that runs the network in TensorFlow's LiteRT on planes (N, bands, frames); None without TensorFlow."""
    try:
        import tensorflow as tf
    except ImportError:
        return None
    fe, layers = graph.frontend, tf.keras.layers
    x = planes = tf.keras.Input((fe.bands, fe.frames, 1))
    for conv in graph.convs:
        activation = None if conv.activation == "none" else conv.activation
        layer = layers.Conv2D(conv.kernel.shape[3], 3, padding="same", activation=activation)
        x = layer(x)
        layer.set_weights([conv.kernel, conv.bias])
        x = layers.MaxPooling2D(conv.pool)(x) if tuple(conv.pool) != (1, 1) else x
    model = tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(planes, x)).convert()
    interpreter = tf.lite.Interpreter(model_content=model, num_threads=1)
    into, out, size = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"], 16
    interpreter.resize_tensor_input(into, [size, fe.bands, fe.frames, 1])
    interpreter.allocate_tensors()
    expected = floats.network(graph, np.zeros((1, fe.bands, fe.frames), np.float32)).embedding

    def run(planes: np.ndarray) -> None:
        for at in range(0, len(planes), size):
            interpreter.set_tensor(into, planes[at : at + size, :, :, None])
            interpreter.invoke()
            interpreter.get_tensor(out)

    run(np.zeros((size, fe.bands, fe.frames), np.float32))
    if np.abs(interpreter.get_tensor(out)[0].ravel() - expected[0]).max() > 1e-4 * np.abs(expected).max():
        raise L3Error("LiteRT's results differ from the reference's")
    return run


def take_turns(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the fastest CPU time of each, in seconds."""
    best = dict.fromkeys(runs, float("inf"))
    with one_blas_thread():
        for _ in range(ROUNDS):
            for name, run in runs.items():
                begun = time.process_time()
                run()
                best[name] = min(best[name], time.process_time() - begun)
    return best


def in_batches(run: Callable, values: np.ndarray, size: int) -> None:
    for at in range(0, len(values), size):
        run(values[at : at + size])


def engine_rows(graph: Graph) -> list[list[str]]:
    """Time a window of SEA-64 in every engine, the network alone and with the log-mel."""
    rng = np.random.default_rng(1)
    windows = rng.normal(0, 0.1, (WINDOWS, graph.frontend.window))
    planes = floats.normalised(graph, windows, np.float32)
    size = batch_size(graph)
    runs: dict[str, Callable[[], object]] = {}
    for name in ENGINES:
        try:
            engine = engine_for(graph, name)
        except L3Error as e:
            print(f"bench-host: {e}", file=sys.stderr)
            continue
        runs[f"{engine.name}, network"] = partial(in_batches, engine.of_planes, planes, size)
        runs[f"{engine.name}, log-mel and network"] = partial(in_batches, engine, windows, size)
    if by_litert := litert(graph):
        runs["LiteRT (XNNPACK), network"] = lambda: by_litert(planes)
    result = {name: seconds / WINDOWS for name, seconds in take_turns(runs).items()}
    base = result.get(next((name for name in result if name.startswith("onnxruntime") and name.endswith(", network")), ""), 0)
    rows = []
    for name, seconds in result.items():
        ratio = f"{seconds / base:.2f}" if base else "-"
        rows.append([name, f"{seconds * 1000:.2f}", f"{1 / seconds:.0f}", ratio])
    rows.append(["published edgel3 package, two cores (quoted)", "-", f"{PUBLISHED}", "-"])
    return rows


def piece_rows(folder: Path) -> list[list[str]]:
    """Time each step from a recording to the shipped model's scores, in milliseconds for a second of sound."""
    from l3host.l3m.load import load_graph

    seconds, path, graph = 30, str(folder / "pieces.wav"), load_graph("esc10")
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.05, seconds * RATE), RATE)
    samples, _ = audio.read(path)
    mono, target = samples[:, 0], graph.frontend.sample_rate
    pcm = hearing.pcm(samples, RATE, target)
    windows = np.concatenate(list(listened(path, graph)))
    planes = floats.normalised(graph, windows / 32768, np.float32)
    runs: dict[str, Callable[[], object]] = {
        "decode a WAV at 44.1 kHz": lambda: audio.read(path),
        "resample to 8 kHz": lambda: resample(mono, RATE, target),
        "take the offset off": lambda: hearing.without_offset(pcm, target),
        "log-mel": lambda: floats.normalised(graph, windows / 32768, np.float32),
        "network, NumPy": lambda: numpy_engine(graph).of_planes(planes),
        "all of it, NumPy": lambda: run_windows(graph, np.concatenate(list(listened(path, graph)))),
    }
    try:
        fast = engine_for(graph, "onnxruntime")
    except L3Error:
        pass
    else:
        runs["network, onnxruntime"] = lambda: fast.of_planes(planes)
        runs["all of it, onnxruntime"] = lambda: [fast(some) for some in listened(path, graph)]
    return [[name, f"{spent / seconds * 1000:.2f}"] for name, spent in take_turns(runs).items()]


def listened(path: str, graph: Graph):
    from l3host.sound.windows import heard_windows

    return heard_windows(graph.frontend, path, batch_size(graph))


def command(arguments: Sequence[str], terminal: bool = False) -> tuple[float, float]:
    """Return the CPU seconds and peak MB of an l3mote command that runs in its own process."""
    script = [sys.executable, __file__, "--measured", "tty" if terminal else "pipe", *arguments]
    result = subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()
    return float(result[0]), float(result[1])


def measured(where: str, arguments: Sequence[str]) -> None:
    """Run a command as the only child of this process; print its CPU seconds and peak memory."""
    import pty
    import resource

    reader, writer = pty.openpty() if where == "tty" else (os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY))
    with subprocess.Popen([sys.executable, "-m", "l3host.cli", *arguments], stdout=subprocess.DEVNULL, stderr=writer) as process:
        os.close(writer)
        try:
            while os.read(reader, 1 << 16):
                pass
        except OSError:  # its other end is closed
            pass
    if process.returncode:
        raise SystemExit(f"bench-host: {' '.join(arguments)}: exit status {process.returncode}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def fitted(x: Sequence[float], y: Sequence[float], unit: str) -> str:
    """Describe a straight line fitted through the points."""
    slope, start = np.polyfit(x, y, 1)
    far = np.abs(np.polyval([slope, start], x) - y).max() / max(y)
    line = f"A line through them: {start:.2f} s and {slope * 1000:.2f} ms {unit}"
    return f"{line}; no point is further off than {far:.0%} of the largest."


def length_part(folder: Path) -> str:
    """Classify one recording of several lengths."""
    rows, spent = [], []
    minute = np.random.default_rng(0).normal(0, 0.05, 60 * RATE)
    for minutes in MINUTES:
        path = folder / "long.wav"
        with soundfile.SoundFile(path, "w", RATE, 1) as file:
            for _ in range(minutes):
                file.write(minute)
        cpu, peak = command(["classify", "esc10", str(path), "--json"])
        spent.append(cpu)
        rows.append([f"{minutes} min", f"{cpu:.2f}", f"{peak:.0f} MB"])
    line = fitted([60 * m for m in MINUTES], spent, "a second of sound")
    return f"{table(['one recording, 44.1 kHz', 'CPU s', 'peak memory'], rows)}\n{line}\n"


def files_part(folder: Path) -> str:
    """Classify many one-second files, with a terminal and without."""
    (folder / "files").mkdir()
    first = folder / "files" / "0.wav"
    soundfile.write(first, np.random.default_rng(0).normal(0, 0.05, 8000), 8000)
    names = [str(first)]
    for i in range(1, max(FILES)):
        names.append(str(folder / "files" / f"{i}.wav"))
        os.link(first, names[-1])
    rows, spent = [], []
    for count in FILES:
        plain, shown = (command(["classify", "esc10", *names[:count], "--jobs", "1"], terminal) for terminal in (False, True))
        spent.append(plain[0])
        rows.append([f"{count}", f"{plain[0]:.2f}", f"{shown[0]:.2f}", f"{shown[0] / plain[0]:.2f}", f"{plain[1]:.0f} MB"])
    line = fitted(FILES, spent, "a file")
    return f"{table(['files of 1 s', 'CPU s', 'with a terminal', 'ratio', 'peak memory'], rows)}\n{line}\n"


def archive_part(folder: Path) -> str:
    """Classify a folder of five-second clips into a store, with one process and with one for each core."""
    (folder / "clips").mkdir()
    sounds = [synth.sound(name) for name in synth.CALIBRATION]
    for i in range(len(sounds)):
        soundfile.write(folder / "clips" / f"{i}.wav", np.resize(sounds[i], 5 * synth.RATE), synth.RATE)
    copies = 1200 // len(sounds)
    for i in range(len(sounds)):
        for k in range(1, copies):
            os.link(folder / "clips" / f"{i}.wav", folder / "clips" / f"{i}-{k}.wav")
    hours, rows, base = copies * len(sounds) * 5 / 3600, [], 0.0
    for jobs in (1, cores()):
        store = ["--to", str(folder / f"store-{jobs}"), "--jobs", str(jobs)]
        longest = chain(["classify", "esc10", str(folder / "clips"), *store])
        base = base or longest
        rows.append([f"{jobs}", f"{longest:.1f}", f"{base / longest:.2f}", f"{hours / longest * 60:.1f}"])
    head = [f"processes, {copies * len(sounds)} clips of 5 s", "CPU s of the longest chain", "ratio", "hours of sound a minute"]
    meaning = "The longest chain: the first process and the busiest of those that it started; on idle cores, the time."
    return f"{table(head, rows)}\n{meaning}\n"


def chain(arguments: Sequence[str]) -> float:
    """Return the CPU seconds of a command's own process and of the busiest process that it starts."""
    mark = f"bench-host-{os.getpid()}-{time.monotonic()}"
    command = [sys.executable, "-m", "l3host.cli", *arguments]
    spent: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"BENCH_HOST": mark}) as process:
        while process.poll() is None:
            for path in Path("/proc").glob("[0-9]*"):
                try:
                    if mark.encode() in (path / "environ").read_bytes():
                        times = (path / "stat").read_text().rpartition(")")[2].split()[11:13]
                        spent[int(path.name)] = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
                except OSError:  # it has ended
                    pass
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"bench-host: {' '.join(arguments)}: exit status {process.returncode}")
    first = spent.pop(process.pid)
    return first + max(spent.values())


def section(sea: str | None) -> str:
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        folder = Path(temporary)
        parts = [HEAD.format(cores=cores(), rounds=ROUNDS, load=os.getloadavg()[0])]
        title = "SEA-64" if sea else "SEA-64's shape, random weights"
        parts.append(table([title, "CPU ms a window", "windows/s of one core", "x onnxruntime"], engine_rows(graph_of(sea))))
        parts.append(table(["the shipped model", "CPU ms a second of sound"], piece_rows(folder)))
        parts += [length_part(folder), files_part(folder), archive_part(folder)]
    return BEGIN + "\n".join(parts) + END


def kept(page: Path) -> str:
    """Return the section that a page has, or an empty string."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    result = re.search(f"{re.escape(BEGIN)}.*?{re.escape(END)}", text, re.DOTALL)
    return result[0] if result else ""


def main(page: Path, sea: str | None = None) -> None:
    text, new = page.read_text(encoding="utf-8"), section(sea)
    old = kept(page)
    write_bytes(page, (text.replace(old, new) if old else f"{text}\n{new}").encode())


if __name__ == "__main__":
    if sys.argv[1] == "--measured":
        measured(sys.argv[2], sys.argv[3:])
    else:
        main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
