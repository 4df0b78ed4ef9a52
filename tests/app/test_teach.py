"""Sounds taught on the board: means and spreads, what is near and what is none of them, power cuts, and a whole lesson."""

import math
from array import array
from io import BytesIO

import numpy as np
import pytest
import soundfile
from cuts import run
from models import loud_and_quiet, small

from l3host.l3m.writer import to_bytes
from l3mote.limits import SoundError
from l3mote.mic import open_source
from l3mote.model import Model
from l3mote.settings import check
from l3mote.teach import Taught, Teacher, distance, unit


def test_a_mean_a_spread_and_distances_worked_out_by_hand(tmp_path):
    """Examples (3, 4) and (4, 3), of length 5: their mean is (.7, .7), each lies .1 sqrt 2 from it."""
    sounds = Taught(str(tmp_path / "sounds"))
    assert sounds.nearest([1, 0]) == (None, None)
    sounds.teach("kettle", [[3, 4], [8, 6]])
    mean, spread = sounds.sounds["kettle"]
    assert list(mean) == pytest.approx([0.7, 0.7], rel=1e-6) and spread == pytest.approx(0.2, rel=1e-6)
    label, away = sounds.nearest([30, 40])
    assert label == "kettle" and away == pytest.approx(math.sqrt(0.02) / 0.2, rel=1e-6)
    assert sounds.nearest([0, 7]) == (None, pytest.approx(math.hypot(0.7, 0.3) / 0.2, rel=1e-6))
    sounds.teach("door", [[0, 1], [0.6, 0.8]])
    assert sounds.nearest([0.3, 1])[0] == "door"
    again = Taught(str(tmp_path / "sounds"))
    assert {k: (list(m), s) for k, (m, s) in again.sounds.items()} == {k: (list(m), s) for k, (m, s) in sounds.sounds.items()}
    again.forget("kettle")
    assert list(Taught(str(tmp_path / "sounds")).sounds) == ["door"]


def test_means_and_spreads_are_those_of_numpy_bit_for_bit(tmp_path):
    examples = np.random.default_rng(0).gamma(0.5, 1, (5, 64)).astype(np.float32)
    sounds = Taught(str(tmp_path / "sounds"))
    sounds.teach("kettle", [array("f", row) for row in examples])
    lengths = [math.sqrt(sum(float(v) ** 2 for v in row)) for row in examples]
    units = np.stack([(row.astype(float) / length).astype(np.float32) for row, length in zip(examples, lengths, strict=True)])
    expected = (np.cumsum(units.astype(float), axis=0)[-1] / 5).astype(np.float32)
    mean, spread = sounds.sounds["kettle"]
    np.testing.assert_array_equal(np.array(mean, np.float32), expected)
    assert spread == pytest.approx(np.sqrt(((units - expected.astype(float)) ** 2).sum() / 4), rel=1e-7)
    assert distance(unit([3.0, 4.0]), array("f", [0, 0])) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("fs", ["VfsLfs2", "VfsFat"])
def test_power_cut_at_every_write_while_teaching(fs, tmp_path):
    result = run(tmp_path, "cut_log.py", work="taught", fs=fs, limit=4096, records=40)
    assert result["cuts"] > 4 * 40 and result["states"] == 41


@pytest.mark.parametrize("fs", ["VfsLfs2", "VfsFat"])
def test_a_full_flash_refuses_a_sound_and_keeps_the_others(fs, tmp_path):
    assert run(tmp_path, "cut_log.py", work="taught_full", fs=fs, limit=4096, records=60)["failed"]


def test_what_teaching_refuses_changes_nothing(tmp_path):
    sounds = Taught(str(tmp_path / "sounds"), 4096)
    sounds.teach("kettle", [[1, 0], [0, 1]])
    for examples, message in (
        ([[1, 2]], "1 examples of door: two are the least"),
        ([[0, 0], [1, 1]], "zeros"),
        ([[1, 1, 1]] * 2, "the sounds before have 2"),
    ):
        with pytest.raises(ValueError, match=message):
            sounds.teach("door", examples)
    with pytest.raises(KeyError):
        sounds.forget("door")
    with pytest.raises(ValueError, match="are too many for 4096 bytes of flash: forget one"):
        for i in range(100):
            sounds.teach(f"sound {i}", [[1, i], [i, 1]])
    kept = Taught(str(tmp_path / "sounds"), 4096).sounds
    assert "kettle" in kept and sorted(kept) == sorted(sounds.sounds) and len(kept) > 10


def sound(tmp_path, *parts, rate=8000):
    """A source of tones and noises, one after the other: (Hz or "noise", seconds, amplitude)."""
    rng, waves = np.random.default_rng(0), []
    for kind, seconds, amplitude in parts:
        n = int(seconds * rate)
        noise = rng.uniform(-1, 1, n)
        waves.append(amplitude * (noise if kind == "noise" else np.sin(2 * np.pi * kind * np.arange(n) / rate) + 0.05 * noise))
    soundfile.write(tmp_path / "x.wav", np.concatenate(waves), rate, subtype="PCM_16")
    return open_source(check({"mic": "wav", "wav": str(tmp_path / "x.wav")}))


def test_a_board_is_taught_by_what_it_hears_and_names_it_again(tmp_path):
    data = to_bytes(loud_and_quiet())

    def teacher(*parts):
        return Teacher(
            Model(BytesIO(data), listening=True), sound(tmp_path, *parts), Taught(str(tmp_path / "sounds")), {"hop": 0.512}
        )

    lines = []
    for label, kind in (("whistle", 640), ("steam", "noise")):
        teacher((1600, 1, 0.001), (kind, 3.5, 0.4)).teach(label, tell=lines.append)
    assert (
        len(lines) == 10 and lines[0].startswith("whistle: example 1 of 5, -") and lines[-1].startswith("steam: example 5 of 5, -")
    )
    named = []
    teacher(("noise", 2.6, 0.2), (1600, 1.6, 0.001), (640, 3, 0.3)).listen(lambda *line: named.append(line))
    labels = [label for label, _, level in named if level > -20]
    assert labels[0] == "steam" and labels[-1] == "whistle" and set(labels) <= {"steam", "whistle", None}
    assert all(level >= -45 for _, _, level in named) and len(named) < 13  # the quiet ones are not named
    with pytest.raises(EOFError):
        teacher((640, 1.2, 0.4)).teach("short")
    assert sorted(Taught(str(tmp_path / "sounds")).sounds) == ["steam", "whistle"]
    with pytest.raises(SoundError, match="teaching needs one that computes embeddings"):
        Teacher(Model(BytesIO(to_bytes(small())), listening=True), sound(tmp_path, (640, 1, 0.4)), Taught(str(tmp_path / "sounds")))
