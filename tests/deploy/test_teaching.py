"""Sounds taught at a board's prompt: an embedding model deployed to the emulated Pico, recordings in the microphone's place."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from deployed import PICO, put
from models import loud_and_quiet
from support import runtime_of

from l3host.deploy import payload, steps
from l3host.deploy.links import BoardError, connected
from l3host.emulate import rp2040
from l3host.emulate.rp2040.serial_port import board
from l3host.l3m.finish import finish
from l3host.l3m.writer import to_bytes
from l3mote import start

RATE = 8000
OPEN = """
import sys
sys.path.insert(0, "/lib")
import l3start
folder = l3start.enable()
from l3mote.teach import open_teacher
from l3mote.mic import open_source
teacher = open_teacher(folder)
def hear(name):
    teacher.restart(open_source({"mic": "wav", "wav": name}))
"""
TEACH = 'hear("/%s.wav")\nteacher.teach("%s")\n'
LISTEN = """
import json
hear("/%s.wav")
lines = []
teacher.listen(lambda *line: lines.append(line))
print(json.dumps(lines))
"""


FILL = """
with open("/more", "wb") as f:
    try:
        while True:
            f.write(bytes(1024))
            f.flush()
    except OSError:
        pass
"""


def tone(hertz, seconds, amplitude=0.4):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


def noise(seconds, amplitude=0.4):
    return amplitude * np.random.default_rng(0).uniform(-1, 1, int(seconds * RATE))


RECORDINGS = {
    "whistle": tone(640, 3.5) + noise(3.5, 0.02),
    "steam": noise(3.5),
    "all": np.concatenate([noise(1.6, 0.2), tone(1600, 1, 0.001), tone(640, 1.6, 0.3) + noise(1.6, 0.015)]),
    "kettle": tone(640, 1.1) + noise(1.1, 0.1),  # between the two
    "dead": np.full(11 * RATE, 0.01),
}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A file system with an embedding model deployed without an app, and recordings."""
    graph = loud_and_quiet()
    window = graph.frontend.window
    windows = np.stack([(32000 * RECORDINGS[name][:window]).astype(np.int16) for name in ("whistle", "steam")])
    model = tmp_path_factory.mktemp("model") / "small.l3m"
    model.write_bytes(to_bytes(finish(graph, windows=windows)))
    settings = {"mic": "wav", "wav": "/whistle.wav", "hop": 0.512}
    fs = rp2040.file_system()
    files = payload.build(PICO, str(model), ("native",), start.NO_APP, settings, True)
    for path, data in files.files.items():
        put(fs, f"/l3/{files.version}/{path}", data)
    put(fs, start.slot_path("/l3", 0), start.slot_line(1, files.version))
    put(fs, steps.STARTER, Path(start.__file__).read_bytes())
    for name, wave in RECORDINGS.items():
        wav = io.BytesIO()
        soundfile.write(wav, wave, RATE, format="WAV", subtype="PCM_16")
        put(fs, f"/{name}.wav", wav.getvalue())
    return rp2040.dump(fs)


def almost_full(image):
    """The image with a file that leaves twenty blocks of flash."""
    fs = rp2040.file_system(image)
    put(fs, "/hog", bytes(rp2040.BLOCK * (rp2040.BLOCKS - fs.used_block_count - 20)))
    return rp2040.dump(fs)


def labels(link, recording):
    """Labels of its loud windows, one after the other."""
    printed = link.exec(LISTEN % recording)
    return [label for label, _, level in json.loads(printed.splitlines()[-1]) if level > -30]


def test_a_board_names_what_it_was_taught_after_a_power_cut_and_with_a_full_flash(image):
    runtime_of("rp2040")
    with board(image) as there, connected(there.port) as link:
        link.exec(OPEN)
        lines = link.exec(TEACH % ("whistle", "whistle")).splitlines()
        assert len(lines) == 5 and lines[0].startswith("whistle: example 1 of 5, -")
        with pytest.raises(BoardError, match="the microphone has given the same value for 10 seconds: check its wires and pins"):
            link.exec(TEACH % ("dead", "dead"))
        link.exec(TEACH % ("steam", "steam"))
    with board(almost_full(there.image)) as there, connected(there.port) as link:
        link.exec(OPEN)
        found = labels(link, "all")
        assert set(found) == {"steam", "whistle", None} and found.index("steam") < found.index("whistle")
        assert set(labels(link, "kettle")) == {None}
        link.exec(FILL)
        with pytest.raises(BoardError, match=r"door \d+: not kept, the flash is full or read-only \(28\): delete"):
            link.exec('for i in range(99):\n    teacher.taught.teach("door %d" % i, [[1, 0], [0, 1]])')
