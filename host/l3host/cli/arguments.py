"""Arguments that several commands share: help texts, and types for argparse."""

from __future__ import annotations

import argparse
import math

from l3mote.kernels import KERNELS

RUNTIME = (
    "wasm (MicroPython + ulab), unix, in QEMU qemu (Cortex-M3), m4, m33 (Cortex-M4 and M33), rv32 (RISC-V), lx7 or lx7-wifi "
    "(Xtensa LX7), rp2040 (emulated Pico), cpython, or the path of a MicroPython"
)
MODEL = "a .l3m file, or one that ships with l3mote: esc10 (ten sounds) or l3-64 (embeddings)"
AUDIO = "any audio file that libsndfile reads (WAV, FLAC, OGG, MP3...)"
SOUNDS = f"{AUDIO}, a folder of them, or a pattern in quotes: 'yard/**/*.wav'"
KERNEL = f"{', '.join(KERNELS[:-1])} or {KERNELS[-1]} (default: the first that loads and fits)"
SERIAL = "serial port of the board; auto finds it if only one is connected"
PORT = f"{SERIAL}; or the folder where its CIRCUITPY drive is mounted"
SKIP_BAD = "leave out missing, broken and duplicated clips, and list them"


def byte_count(text: str) -> int:
    """Parse '192k', '2M' or plain bytes; k is 1,024 and M 1,024 * 1,024, as in MicroPython's heapsize."""
    factor = {"k": 1024, "m": 1024**2}.get(text[-1:].lower(), 1)
    try:
        value = int(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes (192k, 2M, 196608)") from None
    if value <= 0:
        raise argparse.ArgumentTypeError("a heap must have more than 0 bytes")
    return value


def fold_list(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of folds (1,2,3)") from None


def percent(text: str) -> float:
    """Parse a number from 0 to 100."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of per cent, 0 to 100")
    return value


def finite(text: str) -> float:
    """Parse a number that is neither NaN nor infinite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def seconds(text: str) -> float:
    """Parse a number of seconds, more than 0."""
    value = finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def named_path(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH")
    return name, path


def setting(text: str) -> tuple[str, object]:
    """Parse KEY=VALUE, a setting of the app; return (key, value)."""
    from l3mote import settings

    try:
        return settings.parse(text)
    except settings.SettingsError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def spread(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--jobs", type=int, help="files at a time, each in its own process (default: one a core for many files)")
    sub.add_argument("--engine", choices=["onnxruntime", "numpy"], help="what runs the network (default: onnxruntime if installed)")


def encoding(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--encoding", choices=["auto", "f16", "palette"], default="auto",
        help="of weights: auto is lossless (default), f16 uses no palettes, palette rounds to 256 values a layer, one byte each",
    )  # fmt: skip


def tool(sub: argparse.ArgumentParser) -> None:
    from l3host.deploy.links import TOOLS

    sub.add_argument("--tool", choices=[*TOOLS], default="mpremote", help="tool that talks to the board (default mpremote)")
