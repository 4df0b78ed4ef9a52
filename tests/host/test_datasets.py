"""Data set loaders on small generated layouts, whole and broken."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from l3host import cli, datasets
from l3host.errors import L3Error
from l3host.pipeline import sounds


def clip(path, seconds=0.01):
    """A clip whose contents follow from its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(str(path).encode()))
    soundfile.write(path, rng.uniform(-0.5, 0.5, int(8000 * seconds)), 8000)


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


SONYC_COLUMNS = "split,sensor_id,audio_filename,annotator_id,1-1_small-engine_presence,1_engine_presence,8_dog_presence"
SONYC_ROWS = [
    ("train", 0, "a.wav", 11, 1, 1, 0),  # one of three hears an engine, another a dog
    ("train", 0, "a.wav", 12, 0, 0, 1),
    ("train", 0, "a.wav", 13, 0, 0, 0),
    ("train", 0, "b.wav", 11, 0, 0, 0),
    ("train", 0, "b.wav", 0, 1, 1, 1),  # the team's word does not count in training
    ("train", 0, "c.wav", -1, 1, 1, 1),  # no citizen: left out
    ("validate", 1, "d.wav", 11, 1, 1, 0),
    ("validate", 1, "d.wav", 0, -1, 0, 1),
    ("validate", 1, "e.wav", 11, 1, 1, 1),  # the team did not judge it: left out
    ("test", 2, "f.wav", -2, 1, 1, 1),
    ("test", 2, "f.wav", 0, -1, 1, 0),
]


@pytest.fixture(params=["audio", "audio-{}"])
def sonyc(tmp_path, request):
    """SONYC-UST as published, its clips in one folder or in several."""
    table(tmp_path / "annotations.csv", SONYC_COLUMNS, SONYC_ROWS)
    for i, name in enumerate("abcdef"):
        clip(tmp_path / request.param.format(i % 2) / f"{name}.wav")
    return tmp_path


def test_sonyc_takes_any_citizen_in_training_and_the_team_elsewhere(sonyc):
    dataset = datasets.load(sonyc)
    assert dataset.multilabel and dataset.split
    assert dataset.labels == ["1_engine", "8_dog"]
    result = {Path(c.path).name: (c.tags, c.fold) for c in dataset.clips}
    assert result == {"a.wav": ((0, 1), 1), "b.wav": ((), 1), "d.wav": ((1,), 2), "f.wav": ((0,), 3)}
    assert dataset.targets.tolist() == [[True, True], [False, False], [False, True], [True, False]]


def test_sonyc_tables_that_are_wrong(sonyc):
    def broken(*rows, columns=SONYC_COLUMNS):
        table(sonyc / "annotations.csv", columns, rows)
        return sonyc

    refused(broken(("tset", 0, "a.wav", 1, 0, 0, 0)), "line 2", "'tset' is none of train, validate, test")
    refused(broken(("train", 0, "a.wav", "x", 0, 0, 0)), "line 2", "annotator_id 'x' is not a number")
    refused(broken(SONYC_ROWS[0], ("test", 0, "a.wav", 0, 0, 0, 0)), "line 3", "a.wav is in two splits")
    refused(broken(("train", 0, "a.wav", 0, 0, 0, 0)), "no annotation that counts")
    refused(broken(("train", 0, "a.wav", 1), columns="split,sensor_id,audio_filename,annotator_id"), "no coarse tags")
    refused(broken(("train", 0, "z.wav", 1, 0, 0, 0)), "1 of 1 clips", "z.wav (missing)")


def refused(path, *words, subset=None):
    with pytest.raises(L3Error) as caught:
        datasets.load(path, subset)
    for word in words:
        assert word in str(caught.value)


def test_unknown_layouts_say_what_was_expected(tmp_path):
    refused(tmp_path / "nowhere", "no such folder of clips")
    refused(tmp_path, "meta/esc50.csv", "UrbanSound8K.csv", "folders of clips")
    clip(tmp_path / "one" / "a.wav")
    refused(tmp_path, "at least two folders")


def test_the_help_names_each_known_data_set_and_its_subsets(capsys):
    for known in datasets.KNOWN:
        for command in ("train", "evaluate"):
            with pytest.raises(SystemExit):
                cli.main([command, "--help"])
            shown = " ".join(capsys.readouterr().out.split())
            assert known.name in shown or (command, known.name) == ("train", "SONYC-UST")  # several labels a clip
            assert not known.subsets or f"--subset {{{','.join(known.subsets)}}}" in shown


@pytest.mark.parametrize("known", datasets.KNOWN, ids=lambda known: known.table)
def test_each_known_data_set_is_recognised_by_its_table(known, tmp_path):
    path = tmp_path / known.table
    path.parent.mkdir(exist_ok=True)
    path.write_text("nothing\n")
    assert datasets.recognised(tmp_path) is known
    refused(tmp_path, "lists no clips")
    with pytest.raises(L3Error, match="lists no clips"):  # a recipe's sounds are that data set too, not loose recordings
        sounds.recordings(str(tmp_path))


def test_subset_needs_esc50(folders, esc50):
    refused(esc50, "unknown subset 'esc9'", subset="esc9")
    (esc50 / "meta" / "esc50.csv").unlink()
    refused(folders, "needs ESC-50: ", "has none of meta.csv, meta/esc50.csv", subset="esc10")


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
    dataset = datasets.load(tmp_path, skip_bad=True)
    assert len(dataset.clips) == 12 and len(dataset.skipped) == 4
    assert dataset.skipped[0].endswith("beep/0.wav (empty)")
    assert not {"3.wav", "4.wav", "5.wav"} & {Path(c.path).name for c in dataset.clips if c.label == 1}


def test_clips_that_break_off_or_are_not_numbers(tmp_path):
    for name in ("a/1.flac", "a/2.wav", "b/1.flac", "b/2.wav"):
        clip(tmp_path / name, seconds=2)
    broken = tmp_path / "b" / "1.flac"
    broken.write_bytes(broken.read_bytes()[:2000])  # the header is whole
    soundfile.write(tmp_path / "b" / "2.wav", np.array([0, np.nan]), 8000, subtype="FLOAT")
    refused(tmp_path, "2 of 4 clips", "1.flac (unreadable)", "2.wav (has NaN or infinite samples)")


def test_a_clip_listed_twice(esc50):
    table(esc50 / "meta" / "esc50.csv", "filename,fold,target,category,esc10,src_file,take", [*ESC_ROWS, ESC_ROWS[0]])
    refused(esc50, "1 of 4 clips", "1-1-A-0.wav (listed twice)")
    assert len(datasets.load(esc50, skip_bad=True).clips) == 3


def test_one_recording_in_two_folds_is_a_leak_inside_a_fold_it_is_none(folders):
    names = [folders / "hum" / f"{i}.wav" for i in range(4)]  # folds 1 to 4
    (folders / "hum" / "4.wav").write_bytes(names[0].read_bytes())  # fold 1
    datasets.load(folders)
    names[2].write_bytes(names[1].read_bytes())
    refused(folders, "1 of 10 clips", "hum/2.wav (the same contents as 1.wav in fold 2)")
    kept = datasets.load(folders, skip_bad=True)
    assert [Path(c.path).name for c in kept.clips if c.label == 1] == ["0.wav", "1.wav", "3.wav", "4.wav"]


def test_nothing_is_left_to_skip_to(urbansound):
    for path in (urbansound / "audio").rglob("*.wav"):
        path.unlink()
    with pytest.raises(L3Error, match="2 of 2 clips"):
        datasets.load(urbansound, skip_bad=True)


def test_missing_clip(urbansound):
    (urbansound / "audio" / "fold10" / "100263-2-0-117.wav").unlink()
    refused(urbansound, "1 of 2 clips", "100263-2-0-117.wav (missing)")


# what would be lost without a word


@pytest.fixture
def classes(tmp_path):
    """A folder per class: dog and rain, with four clips each."""
    for name in ("dog", "rain"):
        for i in range(4):
            clip(tmp_path / name / f"{i}.wav")
    return tmp_path


@pytest.mark.parametrize("suffix", [".m4a", ".AAC", ".wma"])
def test_clips_of_a_kind_that_is_not_read_are_named(classes, suffix):
    for i in range(4):
        (classes / "siren").mkdir(exist_ok=True)
        (classes / "siren" / f"{i}{suffix}").write_bytes(b"\0\0\0\x18ftypM4A ")
    refused(classes, f"4 of 12 clips cannot be used: {classes}/siren/0{suffix} (unreadable)")
    result = datasets.load(str(classes), skip_bad=True)
    assert len(result.clips) == 8 and len(result.skipped) == 4


def test_clips_in_folders_of_a_class_are_its_clips(classes):
    clip(classes / "siren" / "monday" / "1.wav")
    clip(classes / "dog" / "big" / "old" / "1.flac")
    result = datasets.load(str(classes))
    assert result.labels == ["dog", "rain", "siren"] and len(result.clips) == 10


def test_a_folder_without_a_clip_is_named(classes):
    (classes / "notes").mkdir()
    (classes / "notes" / "readme.txt").write_text("mine")
    assert datasets.load(str(classes)).skipped == (f"{classes}/notes (no clips in it)",)


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "Val", "Test"), ("fold1", "fold2", "fold10")])
def test_folders_that_are_splits_are_not_classes(tmp_path, names):
    for name in names:
        for label in ("dog", "rain"):
            clip(tmp_path / name / label / "1.wav")
    refused(tmp_path, f"{', '.join(sorted(names))} look like splits, not classes")


def test_a_byte_order_mark_is_not_part_of_a_column(esc50):
    path = esc50 / "meta" / "esc50.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(datasets.load(str(esc50)).clips) == 3


@pytest.mark.parametrize("name", ["../../private.wav", "/etc/hostname", "a/b.wav", "..", "c:\\x.wav"])
def test_a_table_names_files_of_its_own_folder_alone(esc50, name):
    path = esc50 / "meta" / "esc50.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace(lines[1].split(",")[0], name), *lines[2:]]) + "\n")
    refused(esc50, f"esc50.csv, line 2: filename {name!r} is not the name of a file")


def test_pipes_and_devices_among_clips_are_named_and_not_read(classes):
    os.mkfifo(classes / "dog" / "pipe.wav")
    (classes / "rain" / "zero.wav").symlink_to("/dev/zero")
    (classes / "rain" / "loop").symlink_to(classes)
    (classes / "dog" / "self.wav").symlink_to("self.wav")
    refused(classes, "3 of 11 clips", "self.wav (", "pipe.wav (not a regular file)", "zero.wav (not a regular file)")


def test_a_clip_whose_name_is_not_utf8_is_read(classes):
    clip(classes / "dog" / "4.wav")
    os.rename(classes / "dog" / "4.wav", os.fsencode(classes) + b"/dog/caf\xe9.wav")
    assert len(datasets.load(str(classes)).clips) == 9
