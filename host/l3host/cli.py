"""The command line `l3mote`: arguments, one catch at the top, exit status 0 (well), 1 (not), 2 (wrong usage)."""

from __future__ import annotations

import argparse
import os
import sys
import warnings

from l3host import __version__
from l3host.app import setting
from l3host.deploy import commands as deployment
from l3host.errors import L3Error
from l3host.pipeline import commands as pipeline
from l3host.train.settings import Settings
from l3mote import FormatError, KernelError

EXAMPLES = {
    "convert": "l3mote convert edgel3_sea_ust_audio_emb_64.h5 -o sea64.l3m",
    "inspect": "l3mote inspect esc10 --heap 192k",
    "embed": "l3mote embed sea64.l3m street.wav --hop-size 0.5",
    "classify": "l3mote classify esc10 street.wav dog.flac --json",
    "emulate": "l3mote emulate esc10 street.wav --runtime unix --heap 192k",
    "train": "l3mote train ESC-50-master --subset esc10 -o mine.l3m",
    "evaluate": "l3mote evaluate sea64.l3m ESC-50-master --subset esc10 --probe logistic",
    "make-random": "l3mote make-random --plan 95.45 -o edgel3.l3m",
    "selftest": "l3mote selftest esc10 --runtime wasm",
    **pipeline.EXAMPLES,
    **deployment.EXAMPLES,
}

RUNTIME = (
    "wasm (MicroPython + ulab), unix, in QEMU qemu (Cortex-M3), m4, m33 (Cortex-M4 and M33), rv32 (RISC-V) and lx7 (Xtensa LX7), "
    "rp2040 (emulated Pico), cpython, or the path of a MicroPython"
)
MODEL = "a .l3m file, or esc10, which ships with l3mote"
SKIP_BAD = "leave out missing, broken and duplicated clips, and list them"
AUDIO = "any audio file that libsndfile reads (WAV, FLAC, OGG, MP3...)"


def byte_count(text: str) -> int:
    """'192k', '2M' or plain bytes; k and M are 1,024 and its square, as MicroPython's heapsize takes them."""
    factor = {"k": 1024, "m": 1024**2}.get(text[-1:].lower(), 1)
    try:
        value = int(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes (192k, 2M, 196608)") from None
    if value <= 0:
        raise argparse.ArgumentTypeError("a heap has more than 0 bytes")
    return value


def fold_list(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of folds (1,2,3)") from None


def encoding(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--encoding", choices=["auto", "f16", "palette"], default="auto",
        help="weights: auto loses nothing (default), f16 writes no palette, palette takes 256 values a layer, one byte each",
    )


def parser() -> argparse.ArgumentParser:
    text = "L3 audio networks for microcontrollers: convert, inspect, run, train, emulate, deploy."
    top = argparse.ArgumentParser(prog="l3mote", description=text)
    top.add_argument("--version", action="version", version=f"l3mote {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, json: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, epilog=f"example: {EXAMPLES[name]}")
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if json:
            sub.add_argument("--json", action="store_true", help="print the result as JSON")
        return sub

    sub = command("convert", "Convert a published or Keras model to .l3m.")
    sub.add_argument("input", help="a published .h5 weight file, a Keras .keras or .h5 model, or a .l3m to calibrate")
    sub.add_argument("-o", "--output", required=True, help=".l3m file to write")
    sub.add_argument("--frontend", help="front-end of a model that does not say: sea, mel256, mel128, linear or two-seconds")
    sub.add_argument("--embedding-size", type=int, help="512 or 6144, for published models that end in a convolution")
    sub.add_argument(
        "--calibrate", nargs="*", metavar="AUDIO", help="add fixed-point scales, measured on these files (none: synthetic sounds)"
    )
    sub.add_argument("--labels", help="comma-separated names of the outputs")
    encoding(sub)
    sub.add_argument("--force", action="store_true", help="overwrite the output")

    sub = command("inspect", "Show a model's layers, where its bytes go, and which boards it runs on.")
    sub.add_argument("model", help=MODEL)
    sub.add_argument("--heap", type=byte_count, help="free heap of another board, e.g. 192k (exit status 1 if it does not fit)")

    sub = command("embed", "Write the embeddings of audio files to .npz (embedding, timestamps).")
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", nargs="+", help=AUDIO)
    sub.add_argument("--output-dir", help="folder for the .npz files (default: beside each input)")
    sub.add_argument("--suffix", help="written as NAME_SUFFIX.npz")
    sub.add_argument("--hop-size", type=float, default=0.1, help="seconds between windows (default 0.1)")
    sub.add_argument("--no-centering", dest="center", action="store_false", help="do not pad half a window before the start")
    sub.add_argument("--quiet", action="store_true", help="print nothing but errors")
    sub.add_argument("--force", action="store_true", help="overwrite existing .npz files")

    sub = command("classify", "Label audio files: one label a file, and the labels over time.")
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", nargs="+", help=AUDIO)

    sub = command("emulate", "Run the unchanged device package in a real MicroPython and compare it with the reference.")
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", help=AUDIO)
    sub.add_argument("--runtime", default="wasm", help=f"{RUNTIME} (default wasm)")
    sub.add_argument("--heap", type=byte_count, help="bytes of heap for the whole board, e.g. 192k")
    sub.add_argument("--kernel", help="native, viper, ulab or python (default: the first that loads)")
    sub.add_argument("--listen", action="store_true", help="run the listening app on the recording and print its events")
    sub.add_argument(
        "--expect", action="append", metavar="LABEL@FROM-TO",
        help="with --listen: exit status 1 unless LABEL is heard between these seconds, e.g. dog@2.0-4.5",
    )  # fmt: skip
    sub.add_argument("--set", type=setting, action="append", metavar="KEY=VALUE", help="with --listen: a setting of the app")

    sub = command("train", "Train a small network on a labelled data set and write it as .l3m.")
    sub.add_argument("dataset", help="ESC-50, UrbanSound8K, or a folder with a folder of clips for each class")
    sub.add_argument("-o", "--output", required=True, help=".l3m file to write")
    sub.add_argument("--subset", choices=["esc10"], help="the part of ESC-50 to use")
    sub.add_argument("--epochs", type=int, default=Settings.epochs, help="passes over the clips (default %(default)s)")
    sub.add_argument("--seed", type=int, default=1, help="of everything random (default 1)")
    sub.add_argument("--folds", type=fold_list, help="folds to hold out in turn, e.g. 1,2 (default: all)")
    sub.add_argument("--no-cv", action="store_true", help="no cross-validation, only the final model")
    sub.add_argument("--run-dir", help="folder for checkpoints and metrics; a killed run goes on from there")
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)
    sub.add_argument("--force", action="store_true", help="overwrite the output")

    sub = command("evaluate", "Judge a model's embeddings by the probes that the papers train on them, over official folds.")
    sub.add_argument("model", help=MODEL)
    sub.add_argument("dataset", help="ESC-50, UrbanSound8K, SONYC-UST, or a folder with a folder of clips for each class")
    sub.add_argument("--subset", choices=["esc10"], help="the part of ESC-50 to use")
    sub.add_argument("--probe", choices=["mlp", "logistic"], default="mlp", help="MLP 512-128 on frames, or regression on clips")
    sub.add_argument("--folds", type=fold_list, help="folds to test in turn, e.g. 1,2 (default: all)")
    sub.add_argument("--seeds", type=int, default=1, help="how often the MLP is trained; figures are means (default 1)")
    sub.add_argument("--hop-size", type=float, default=0.5, help="seconds between frames (default 0.5)")
    sub.add_argument("--run-dir", default="runs/evaluate", help="keeps the embeddings for the next time (default runs/evaluate)")
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)

    sub = command("make-random", "Write an EdgeL3 of random weights, to try a board's memory and speed with.")
    sub.add_argument("--plan", default="95.45", help="sparsity of a pruning plan of the EdgeL3 paper's Table II (default 95.45)")
    sub.add_argument("--seed", type=int, default=0, help="of the weights (default 0)")
    encoding(sub)
    sub.add_argument("-o", "--output", required=True, help=".l3m file to write")
    sub.add_argument("--force", action="store_true", help="overwrite the output")

    pipeline.arguments(command)
    deployment.arguments(command)

    sub = command("selftest", "Run the test that a model file carries.")
    sub.add_argument("model", help=MODEL)
    sub.add_argument("--runtime", default="cpython", help=f"{RUNTIME} (default cpython)")
    sub.add_argument("--kernel", help="native, viper, ulab or python (default: the first that loads)")
    return top


def warn(message, category, filename, lineno, file=None, line=None) -> None:
    print(f"l3mote: warning: {message}", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    args = parser().parse_args(argv)
    from l3host import commands

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = warn
        try:
            return getattr(commands, args.command.replace("-", "_"))(args)
        except BrokenPipeError:  # the reader of a pipe (| head) has seen enough; Python must not flush into it at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (L3Error, FormatError, KernelError, MemoryError, OSError) as e:
            if args.debug:
                raise
            print(f"l3mote: {str(e) or type(e).__name__}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("l3mote: interrupted", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
