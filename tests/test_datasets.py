"""Data set loaders on small generated layouts, whole and broken."""

import csv

import numpy as np
import pytest
import soundfile

from l3host.errors import L3Error
from l3host.train import datasets


def clip(path, seconds=0.01):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(8000 * seconds)), 8000)


def table(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split(","))
        writer.writerows(rows)


ESC_ROWS = [
    ("1-1-A-0.wav", 1, 0, "dog", "True", 1, "A"),
    ("1-2-A-10.wav", 2, 10, "rain", "True", 2, "A"),
    ("2-3-A-5.wav", 5, 5, "cat", "False", 3, "A"),
]


@pytest.fixture
def esc50(tmp_path):
    """ESC-50 as published: audio/ and meta/esc50.csv."""
    table(tmp_path / "meta" / "esc50.csv", "filename,fold,target,category,esc10,src_file,take", ESC_ROWS)
    for row in ESC_ROWS:
        clip(tmp_path / "audio" / row[0])
    return tmp_path


@pytest.fixture
def esc50_flat(tmp_path):
    """meta.csv beside the clips."""
    rows = [(row[0].replace(".wav", ".flac"), *row[1:]) for row in ESC_ROWS]
    table(tmp_path / "meta.csv", "filename,fold,target,category,esc10,clip_id,take", rows)
    for row in rows:
        clip(tmp_path / row[0])
    return tmp_path


@pytest.fixture
def urbansound(tmp_path):
    rows = [
        ("100032-3-0-0.wav", 100032, 0.0, 0.3, 1, 5, 3, "dog_bark"),
        ("100263-2-0-117.wav", 100263, 58.5, 62.5, 1, 10, 2, "children_playing"),
    ]
    table(tmp_path / "metadata" / "UrbanSound8K.csv", "slice_file_name,fsID,start,end,salience,fold,classID,class", rows)
    for row in rows:
        clip(tmp_path / "audio" / f"fold{row[5]}" / row[0])
    return tmp_path


@pytest.fixture
def folders(tmp_path):
    for label, count in (("beep", 5), ("hum", 4)):
        for i in range(count):
            clip(tmp_path / label / f"{i}.wav")
    return tmp_path


@pytest.mark.parametrize("layout", ["esc50", "esc50_flat"])
def test_esc50(layout, request):
    dataset = datasets.load(request.getfixturevalue(layout))
    assert dataset.labels == ["cat", "dog", "rain"]
    assert [(c.label, c.fold) for c in dataset.clips] == [(1, 1), (2, 2), (0, 5)]
    assert dataset.folds == [1, 2, 5]
    assert dataset.licence == "CC BY-NC 3.0"


@pytest.mark.parametrize("layout", ["esc50", "esc50_flat"])
def test_esc10_subset_has_its_own_labels_and_licence(layout, request):
    dataset = datasets.load(request.getfixturevalue(layout), "esc10")
    assert dataset.name == "ESC-10"
    assert dataset.labels == ["dog", "rain"]
    assert dataset.licence == "CC BY 3.0"
    assert "Piczak" in dataset.attribution


def test_urbansound8k(urbansound):
    dataset = datasets.load(urbansound)
    assert dataset.labels == ["children_playing", "dog_bark"]
    assert [(c.label, c.fold) for c in dataset.clips] == [(1, 5), (0, 10)]
    assert "fold5" in dataset.clips[0].path


def test_folder_per_class_deals_clips_to_four_folds(folders):
    (folders / "beep" / "notes.txt").write_text("no clip")
    (folders / ".cache").mkdir()
    dataset = datasets.load(folders)
    assert dataset.labels == ["beep", "hum"]
    assert [c.fold for c in dataset.clips] == [1, 2, 3, 4, 1, 1, 2, 3, 4]
    assert dataset == datasets.load(folders)
    assert dataset.licence == ""


def refused(path, *words, subset=None):
    with pytest.raises(L3Error) as caught:
        datasets.load(path, subset)
    for word in words:
        assert word in str(caught.value)


def test_unknown_layouts_say_what_was_expected(tmp_path):
    refused(tmp_path / "nowhere", "no such data set directory")
    refused(tmp_path, "meta/esc50.csv", "UrbanSound8K.csv", "folders of clips")
    clip(tmp_path / "one" / "a.wav")
    refused(tmp_path, "at least two folders")


def test_subset_needs_esc50(folders, esc50):
    refused(esc50, "unknown subset 'esc9'", subset="esc9")
    (esc50 / "meta" / "esc50.csv").unlink()
    refused(folders, "needs ESC-50", subset="esc10")


def test_esc10_subset_without_members(esc50):
    table(esc50 / "meta" / "esc50.csv", "filename,fold,category,esc10", [("2-3-A-5.wav", 5, "cat", "False")])
    refused(esc50, "no clip is marked esc10", subset="esc10")


def test_tables_with_wrong_columns_or_values(esc50):
    meta = esc50 / "meta" / "esc50.csv"
    table(meta, "filename,category,esc10", [("1-1-A-0.wav", "dog", "True")])
    refused(esc50, "line 2", "no value for fold")
    table(meta, "filename,fold,category,esc10", [("1-1-A-0.wav", "one", "dog", "True")])
    refused(esc50, "line 2", "'one' is not a number")
    table(meta, "filename,fold,category,esc10", [])
    refused(esc50, "lists no clips")
    meta.write_bytes(b"filename,fold\n\xff\xfe")
    refused(esc50, "cannot read")


def test_bad_clips_are_counted_and_the_first_few_named(tmp_path):
    for i in range(8):
        clip(tmp_path / "hum" / f"{i}.wav")
        clip(tmp_path / "beep" / f"{i}.wav", seconds=0 if i == 0 else 0.01)
    (tmp_path / "hum" / "3.wav").write_bytes(b"RIFF, but no more")
    (tmp_path / "hum" / "4.wav").write_bytes(b"")
    (tmp_path / "hum" / "5.wav").write_bytes(b"\0" * 100)
    refused(tmp_path, "4 of 16 clips", "beep/0.wav (empty)", "3.wav (unreadable)", "4.wav", "and 1 more")


def test_missing_clip(urbansound):
    (urbansound / "audio" / "fold10" / "100263-2-0-117.wav").unlink()
    refused(urbansound, "1 of 2 clips", "100263-2-0-117.wav (missing)")
