"""The log of events: real file systems whose power is cut at every write (in MicroPython), and what a damaged file gives."""

import json
import zlib

import pytest
from littlefs import LittleFS
from littlefs.context import UserContext
from support import ROOT, SCRIPTS, require

from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3mote.log import MOST, Log, seal, unseal
from l3mote.seconds import Seconds

SCRIPT = SCRIPTS / "cut_log.py"
LINE = '{"event": "start", "label": "dog", "t": 3.500, "crc": "144ebfca"}'


def run(tmp_path, **job):
    try:
        runtime = runtimes.find("unix")
    except L3Error as e:
        require(False, str(e))
    (tmp_path / "job.json").write_text(json.dumps(job))
    done = runtimes.execute(runtime, SCRIPT, ROOT / "device", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("fs", ["VfsLfs2", "VfsFat"])
def test_power_cut_at_every_write_of_a_real_file_system(fs, tmp_path):
    result = run(tmp_path, work="power", fs=fs, limit=4096, records=60)
    assert result["cuts"] > 4 * 60
    if fs == "VfsLfs2":
        actual = littlefs_lines(tmp_path / "image")
        assert actual == result["lines"][-len(actual) :] and len(actual) > 30


def littlefs_lines(image):
    """The log's lines, the oldest first, as a second implementation of LittleFS finds them in MicroPython's."""
    fs = LittleFS(context=UserContext(buffer=bytearray(image.read_bytes())), block_size=512, block_count=128, mount=False)
    fs.mount()
    files = []
    for name in ("events.0.jsonl", "events.1.jsonl"):
        with fs.open(name, "rb") as f:
            data = f.read().decode()
        assert len(data) <= 2048
        lines = data.splitlines()
        files.append((json.loads(lines[0])["log"], lines[1:]))
    return [line for _, lines in sorted(files) for line in lines]


@pytest.mark.parametrize("work", ["torn", "full"])
@pytest.mark.parametrize("fs", ["VfsLfs2", "VfsFat"])
def test_in_micropython(fs, work, tmp_path):
    run(tmp_path, work=work, fs=fs, limit=4096, records=20)


def test_a_line_is_json_whose_checksum_any_tool_can_check():
    assert seal({"event": "start", "label": "dog", "t": Seconds(28000, 8000)}) == LINE
    body = LINE.partition(', "crc"')[0]
    assert json.loads(LINE)["crc"] == f"{zlib.crc32(body.encode()):08x}"
    assert unseal(LINE.encode()) == {"event": "start", "label": "dog", "t": 3.5}


def test_every_flipped_bit_and_every_cut_is_found():
    line = LINE.encode()
    for i in range(8 * len(line)):
        flipped = bytearray(line)
        flipped[i // 8] ^= 1 << i % 8
        assert unseal(bytes(flipped)) is None
    for n in range(len(line)):
        assert unseal(line[:n]) is None


def written(tmp_path, count, limit=4096):
    log = Log(str(tmp_path / "events"), limit)
    lines = [seal({"n": i}) for i in range(count)]
    for line in lines:
        log.append(line)
    return log, lines


def test_corrupt_lines_are_skipped_and_counted(tmp_path):
    log, lines = written(tmp_path, 5)
    path = tmp_path / "events.0.jsonl"
    data = path.read_text().splitlines()
    data[2] = data[2].replace('"n": 1', '"n": 7')
    data[4] = (3 * MOST - 1) * "x"
    path.write_text("\n".join(data) + "\n")
    assert [line for line, _ in log.lines()] == [lines[0], lines[2], lines[4]]
    assert log.corrupt == 1 + 3  # junk without an end is read in pieces of MOST bytes


def test_a_damaged_first_line_loses_no_other(tmp_path):
    log, lines = written(tmp_path, 3)
    path = tmp_path / "events.0.jsonl"
    path.write_bytes(b"#" + path.read_bytes()[1:])
    again = Log(str(tmp_path / "events"), 4096)
    assert [line for line, _ in again.lines()] == lines and again.corrupt == 1


def test_a_file_that_cannot_be_read_does_not_stop_the_app(tmp_path):
    """As one on a FAT whose table was torn."""
    (tmp_path / "events.0.jsonl").symlink_to("/proc/self/mem")  # opens, and reading gives EIO
    log = Log(str(tmp_path / "events"), 4096)
    assert list(log.lines()) == [] and log.corrupt == 1
    (tmp_path / "events.0.jsonl").unlink()
    log.append(LINE)
    assert [line for line, _ in log.lines()] == [LINE]


def test_rotation_keeps_the_newest_within_the_limit(tmp_path):
    log, lines = written(tmp_path, 500)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2 and sum(sizes) <= 4096
    result = [line for line, _ in Log(log.paths[0][: -len(".0.jsonl")], 4096).lines()]
    assert result == lines[-len(result) :] and len(result) * (len(lines[0]) + 1) > 4096 // 2


def test_a_line_too_long_is_refused_and_nothing_written(tmp_path):
    log, lines = written(tmp_path, 1)
    with pytest.raises(ValueError, match="^a line of 1.... bytes is too long for the log$"):
        log.append(seal({"n": 10000 * "x"}))
    assert [line for line, _ in log.lines()] == lines


def test_a_folder_that_is_missing_is_the_os_error(tmp_path):
    log = Log(str(tmp_path / "nowhere" / "events"), 4096)
    assert list(log.lines()) == []
    with pytest.raises(OSError):
        log.append(LINE)
    (tmp_path / "nowhere").mkdir()
    log.append(LINE)
    assert [line for line, _ in log.lines()] == [LINE]
