"""`l3mote board`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from l3host.cli.arguments import AUDIO
from l3host.errors import L3Error
from l3host.show import say

HELP = "Put an emulated Pico on a pseudo-terminal until Ctrl-C: deploy, bench and monitor without a board."
EXAMPLE = "l3mote board --sound street.wav"
RATE = 16000  # Hz, a microphone's
SECONDS = 30  # of a sound: its flash has 1.4 MB
SOUND = "sound.wav"
SLOWER = 3  # times that it is slower than a board, about, where nothing else runs


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--sound", metavar="AUDIO", help=f"recording to hear instead of a microphone, {SECONDS} s at most: {AUDIO}")
    sub.add_argument("--flash", metavar="FILE", help="keep its flash in FILE between runs (default: start with an empty flash)")


def run(args: argparse.Namespace) -> int:
    from l3host.emulate import rp2040
    from l3host.emulate.rp2040.serial_port import board
    from l3host.files import write_bytes

    flash = Path(args.flash) if args.flash else None
    fs = rp2040.file_system(flash_of(flash) if flash and flash.exists() else None)
    seconds = put_sound(fs, args.sound) if args.sound else 0
    try:
        with board(rp2040.dump(fs)) as there:
            introduce(there.port, seconds)
            while there.running:
                time.sleep(0.2)
            raise L3Error("the emulated board has stopped: see its output above")
    except KeyboardInterrupt:
        say("its power is off")
    if flash:
        write_bytes(flash, there.image or b"")
        say(f"its flash is kept in {flash}")
    return 0


def flash_of(path: Path) -> bytes:
    """Read the flash that an earlier run kept. Raises L3Error for a file that is something else."""
    from l3host.emulate.rp2040 import BLOCK, BLOCKS

    if path.stat().st_size != BLOCK * BLOCKS:
        raise L3Error(f"{path} is not the flash of an emulated Pico ({BLOCK * BLOCKS} bytes): name another file")
    return path.read_bytes()


def put_sound(fs, path: str) -> float:
    """Write a recording to the board as a WAV; return how many seconds of it were written."""
    import io

    import soundfile

    from l3host.sound import audio

    pcm = audio.to_pcm(audio.load(path, RATE))[: SECONDS * RATE]
    data = io.BytesIO()
    soundfile.write(data, pcm, RATE, format="WAV", subtype="PCM_16")
    with fs.open(f"/{SOUND}", "wb") as f:
        f.write(data.getvalue())
    return len(pcm) / RATE


def introduce(port: str, seconds: float) -> None:
    """Say where the board is and what to do with it, in lines that can be copied."""
    sound = f"--set mic=wav --set wav={SOUND}" if seconds else "--set sck=16 --set ws=17 --set sd=18"
    say(f"an emulated Raspberry Pi Pico with MicroPython is at {port}, some {SLOWER} times slower than a real one; Ctrl-C ends it")
    say("in another terminal:")
    for command in (f"deploy esc10 --port {port} {sound}", f"bench --port {port}", f"monitor --port {port}"):
        say(f"  l3mote {command}", to_copy=True)
    if seconds:
        say(f"it has {seconds:.0f} s of sound in {SOUND}, and no microphone")
    else:
        say("it has no microphone, so its app hears nothing: --sound street.wav gives it a recording")
