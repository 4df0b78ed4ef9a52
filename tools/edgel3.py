"""Measure what the whole EdgeL3 (48 kHz, 256 bands, 95.45 % zeros) costs in several heaps: python tools/edgel3.py FOLDER."""

import json
import sys
from pathlib import Path

import numpy as np

from l3host import cli
from l3host.compress.random_model import one_window_each
from l3host.emulate import runtimes
from l3host.l3m.load import load_graph
from l3host.package.library import SOURCE

SCRIPT = Path(__file__).parent / "micropython_scripts" / "edgel3_windows.py"
RUNS = [("8m", "native"), ("768k", "native"), ("640k", "native"), ("512k", "native"), ("768k", "viper"), ("512k", "viper")]


def make(path: Path) -> Path:
    assert cli.main(["make-random", "--plan", "95.45", "--seed", "0", "-o", str(path), "--force"]) == 0
    return path


def run(model: Path, pcm: np.ndarray, heap: str, kernel: str, selftest: bool = True):
    """Return (facts, embeddings as integers (N, 512)) of windows of int16 in the unix port with this heap.

    None where it is too small.
    """
    pcm.astype("<i2").tofile(model.parent / "audio.pcm")
    (model.parent / "job.json").write_text(json.dumps({"kernel": kernel, "windows": len(pcm), "selftest": selftest}))
    done = runtimes.execute(runtimes.find("unix"), SCRIPT, SOURCE.parent, model.parent, heap)
    if done.returncode:
        printed = done.stderr + done.stdout
        assert "MemoryError" in printed or "HeapError" in printed, done
        return None
    return json.loads(done.stdout), np.fromfile(model.parent / "embeddings.i16", "<i2").reshape(-1, 512)


def vary(embeddings: np.ndarray) -> float:
    """Return the share of an embedding's dimensions that differ between inputs by more than a tenth of the values' spread."""
    return float((np.ptp(embeddings.astype(int), axis=0) > 0.1 * embeddings.std()).mean())


def costs(folder: Path) -> None:
    """Print time, heap and flash in several heaps, and the smallest heap that works."""
    model = make(folder / "model.l3m")
    pcm = one_window_each(load_graph(str(model)).frontend)
    print("heap   kernel  tiles  M MAC  seconds  peak kB  buffers kB  flash MB  every bit")
    for heap, kernel in RUNS:
        facts, _ = run(model, pcm[:1], heap, kernel)
        print(
            f"{heap:6} {kernel:7} {facts['tiles']:5} {facts['macs'] / 1e6:6.0f} {facts['seconds'][0]:8.2f} "
            f"{facts['peak'] / 1e3:8.0f} {facts['plan_bytes'] / 1e3:11.0f} {facts['flash'] / 1e6:9.1f}  {facts['selftest']}",
            flush=True,
        )  # fmt: skip
    _, embeddings = run(model, pcm, "768k", "native", selftest=False)
    print(f"{vary(embeddings):.1%} of the dimensions vary over {len(pcm)} sounds")
    low, high = 256, 512
    while high - low > 4:
        middle = (low + high) // 2
        low, high = (low, middle) if run(model, pcm[:1], f"{middle}k", "native", selftest=False) else (middle, high)
    facts, again = run(model, pcm[:1], f"{high}k", "native", selftest=False)
    print(f"smallest heap that runs a window, in steps of 4k: {high}k; equal bits: {(again == embeddings[:1]).all()}; {facts}")


if __name__ == "__main__":
    costs(Path(sys.argv[1]))
