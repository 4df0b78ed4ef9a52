"""A teacher in an ONNX file, run by onnxruntime. A TOML file says how it hears and which outputs count:

file = "teacher.onnx"      # beside the TOML
sample_rate = 32000
embedding = "features"     # output (batch, values)

[frontend]                 # leave it out for a network that takes the waveform (batch, samples)
n_fft = 1024
hop_length = 320
bands = 128                # the keys are the fields of LogMel
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from l3host import tables
from l3host.errors import L3Error
from l3host.files import read_bytes
from l3host.train.teachers import Heard

BATCH = 16  # windows heard at a time
SECONDS = 60  # of a teacher's windows at most
POINTS, BANDS = 1 << 15, 1 << 12  # of a front-end at most
TRIED = 2.0  # seconds of noise that tell whether front-end and file agree
LAYOUTS = ("bands-frames", "frames-bands")
PADDINGS = ("reflect", "zeros", "none")
LOGARITHMS = {"e": np.log, "10": np.log10}


@dataclass(frozen=True)
class Description:
    """The TOML's own keys."""

    file: str  # relative to the TOML
    sample_rate: int
    embedding: str  # name of the output to learn from
    logits: str | None = None  # name of the output that has its own classes' logits: they help to tell others apart
    seconds: float | None = None  # of the windows that it takes, if they have to be of one length


@dataclass(frozen=True)
class LogMel:
    """[frontend]: the teacher's log-mel plane. Triangles are straight on the mel scale 1127 ln(1 + f/700) (Kaldi, TensorFlow)."""

    n_fft: int
    hop_length: int
    bands: int
    fmin: float = 0.0
    fmax: float | None = None  # Hz; None: half the rate
    window: int | None = None  # samples of the Hann window, in the middle of n_fft; None: n_fft
    preemphasis: float = 0.0  # x[n] - preemphasis * x[n - 1]
    padding: str = "reflect"  # of half an n_fft at both ends
    power: float = 2.0  # of the magnitudes that are summed: 2 or 1
    floor: float = 1e-5  # added before the logarithm
    logarithm: str = "e"  # or "10"
    shift: float = 0.0  # the plane is (log + shift) / scale
    scale: float = 1.0
    layout: str = "bands-frames"  # order of the input's last two axes
    channel: bool = True  # an axis of one channel after the batch's


def plane(waves: np.ndarray, rate: int, mel: LogMel) -> np.ndarray:
    """Compute the log-mel planes of windows (N, samples): (N, bands, frames) float32."""
    if mel.preemphasis:
        waves = waves[:, 1:] - np.float32(mel.preemphasis) * waves[:, :-1]
    if mel.padding != "none":
        half = mel.n_fft // 2
        waves = np.pad(waves, ((0, 0), (half, half)), "reflect" if mel.padding == "reflect" else "constant")
    size = mel.window or mel.n_fft
    before = (mel.n_fft - size) // 2
    window = np.zeros(mel.n_fft, np.float32)
    window[before : before + size] = np.hanning(size)
    frames = np.lib.stride_tricks.sliding_window_view(waves, mel.n_fft, axis=1)[:, :: mel.hop_length] * window
    magnitude = np.abs(np.fft.rfft(frames)).astype(np.float32)
    energy = (magnitude**2 if mel.power == 2 else magnitude) @ triangles(rate, mel).T
    logarithm = LOGARITHMS[mel.logarithm](energy + np.float32(mel.floor))
    return ((logarithm + mel.shift) / mel.scale).astype(np.float32).transpose(0, 2, 1)


def triangles(rate: int, mel: LogMel) -> np.ndarray:
    """Return the mel filters (bands, n_fft / 2 + 1), none of which takes the last bin."""

    def scale(hertz):
        return 1127 * np.log1p(np.asarray(hertz, float) / 700)

    edges = np.linspace(scale(mel.fmin), scale(mel.fmax or rate / 2), mel.bands + 2)
    bins = scale(np.arange(mel.n_fft // 2) * rate / mel.n_fft)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.pad(np.maximum(0, np.minimum(rising, falling)), ((0, 0), (0, 1))).astype(np.float32)


class Onnx:
    """Teach with an ONNX file."""

    def __init__(self, path: Path, about: Description, mel: LogMel | None):
        try:
            import onnxruntime
        except ImportError:
            raise L3Error("a teacher in an ONNX file needs onnxruntime: pip install 'l3mote[teach]'") from None
        self.name, self.about, self.mel = path.stem, about, mel
        self.sample_rate, self.seconds = about.sample_rate, about.seconds
        file = path.parent / about.file
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        if Path(about.file).is_absolute() or ".." in Path(about.file).parts:
            raise L3Error(f"{path}: file = {about.file!r} must lie beside it: a name without ..")
        contents = read_bytes(file)
        try:
            self.session = onnxruntime.InferenceSession(contents, options, providers=["CPUExecutionProvider"])
        except Exception as e:  # onnxruntime's own exceptions have no common base
            raise L3Error(f"{path}: {file} is not an ONNX file that onnxruntime can run: {first_line(e)}") from None
        self.digest = hashlib.sha256(contents + repr((about, mel)).encode()).hexdigest()
        self.outputs = [about.embedding, *([about.logits] if about.logits else [])]
        self._check(path)

    def _check(self, path: Path) -> None:
        """Raise L3Error where description and file disagree; find the embedding's size."""
        inputs, named = self.session.get_inputs(), [output.name for output in self.session.get_outputs()]
        if len(inputs) != 1:
            raise L3Error(f"{path}: the network has {len(inputs)} inputs: a teacher has one, the sound")
        for name in self.outputs:
            if name not in named:
                raise L3Error(f"{path}: the network has no output {name!r}: its outputs are {', '.join(named)}")
        noise = np.random.default_rng(0).standard_normal((2, round((self.seconds or TRIED) * self.sample_rate))).astype(np.float32)
        given = self.input(0.1 * noise)
        wanted = inputs[0].shape
        if len(wanted) != given.ndim or any(
            isinstance(w, int) and w != g for w, g in zip(wanted[1:], given.shape[1:], strict=True)
        ):
            raise L3Error(f"{path}: its front-end makes {shape(given.shape)}, the network takes {shape(wanted)}")
        try:
            result = self.session.run(self.outputs, {inputs[0].name: given})
        except Exception as e:
            raise L3Error(
                f"{path}: the network does not take what its front-end makes, {shape(given.shape)}: {first_line(e)}"
            ) from None
        for name, values in zip(self.outputs, result, strict=True):
            if values.ndim != 2 or len(values) != len(given):
                raise L3Error(
                    f"{path}: output {name!r} is {shape(values.shape)} for {len(given)} windows: expected one row a window"
                )
            if not np.isfinite(values).all():
                raise L3Error(f"{path}: output {name!r} of noise is NaN or infinite")
        self.size = result[0].shape[1]

    def input(self, waves: np.ndarray) -> np.ndarray:
        """What the network takes of windows (N, samples)."""
        if self.mel is None:
            return waves.astype(np.float32)
        planes = plane(waves, self.sample_rate, self.mel)
        planes = planes if self.mel.layout == LAYOUTS[0] else planes.transpose(0, 2, 1)
        return planes[:, None] if self.mel.channel else planes

    def hear(self, waves: np.ndarray) -> Heard:
        """Run on windows, a few at a time."""
        name = self.session.get_inputs()[0].name
        parts = [self.session.run(self.outputs, {name: self.input(waves[at : at + BATCH])}) for at in range(0, len(waves), BATCH)]
        result = [np.concatenate(values) for values in zip(*parts, strict=True)]
        return Heard(result[0], result[1] if self.about.logits else np.zeros((len(waves), 0), np.float32))


def shape(sizes) -> str:
    return " x ".join(str(size) if isinstance(size, int) else "any" for size in sizes)


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def load(path: str) -> Onnx:
    """Open the ONNX file that a TOML describes. Raises L3Error."""
    top = tables.read(Path(path))
    mel = tables.build(LogMel, top.pop("frontend"), f"{path}, [frontend]") if "frontend" in top else None
    about = tables.build(Description, top, path)
    if not 1000 <= about.sample_rate <= 192000:
        raise L3Error(f"{path}: sample_rate = {about.sample_rate}: must be 1000 to 192000 Hz")
    if about.seconds is not None and not 0 < about.seconds <= SECONDS:
        raise L3Error(f"{path}: seconds = {about.seconds}: must be above 0, and at most {SECONDS}")
    if mel:
        for key, allowed in (("padding", PADDINGS), ("logarithm", tuple(LOGARITHMS)), ("layout", LAYOUTS), ("power", (1, 2))):
            if getattr(mel, key) not in allowed:
                raise L3Error(f"{path}, [frontend]: {key} = {getattr(mel, key)!r}: must be one of {', '.join(map(str, allowed))}")
        if mel.n_fft > POINTS or mel.bands > BANDS:
            raise L3Error(f"{path}, [frontend]: n_fft is at most {POINTS}, bands at most {BANDS}")
        if mel.n_fft < 2 or min(mel.hop_length, mel.bands, mel.window or 1) < 1 or (mel.window or 0) > mel.n_fft or not mel.scale:
            raise L3Error(
                f"{path}, [frontend]: n_fft, hop_length, bands and window must be positive, window at most n_fft, scale not 0"
            )
        if not 0 <= mel.fmin < (mel.fmax or about.sample_rate / 2) <= about.sample_rate / 2:
            raise L3Error(f"{path}, [frontend]: fmin and fmax must lie between 0 and half the rate, fmin below fmax")
    return Onnx(Path(path), about, mel)
