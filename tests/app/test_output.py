"""Where the app's lines go, and what it says, once, when one of the places fails."""

import errno
import json
import sys

import pytest

from l3mote import settings
from l3mote.log import Log, unseal
from l3mote.output import Output, reason


def make(tmp_path, **values):
    return Output(settings.check({"mic": "callback", "log": str(tmp_path / "events"), **values}))


def printed(capsys):
    return [unseal(line.encode()) for line in capsys.readouterr().out.splitlines()]


def logged(tmp_path):
    return [record for _, record in Log(str(tmp_path / "events"), 65536).lines()]


def test_events_are_printed_and_logged_levels_only_printed(tmp_path, capsys):
    output = make(tmp_path)
    output.event({"event": "start", "label": "dog", "t": 1.0})
    output.say({"event": "level", "level": -40.5, "t": 2.0})
    output.service()
    assert printed(capsys) == [{"event": "start", "label": "dog", "t": 1.0}, {"event": "level", "level": -40.5, "t": 2.0}]
    assert logged(tmp_path) == [{"event": "start", "label": "dog", "t": 1.0}]


def test_without_a_log_nothing_is_written(tmp_path, capsys):
    make(tmp_path, log="").event({"event": "start", "t": 1})
    assert len(printed(capsys)) == 1 and not list(tmp_path.iterdir())


class Fails:
    """A log on a flash whose every write fails until it is mended."""

    def __init__(self, number):
        self.error = OSError(number)
        self.lines = []

    def append(self, line):
        if self.error:
            raise self.error
        self.lines.append(line)


@pytest.mark.parametrize(("number", "message"), [(errno.EROFS, "a computer has it mounted"), (errno.ENOSPC, "the flash is full")])
def test_a_flash_that_cannot_be_written_is_reported_once_and_again_after_it_worked(number, message, tmp_path, capsys):
    output = make(tmp_path)
    output.log = Fails(number)
    for n in range(3):
        output.event({"event": "start", "n": n})
    records = printed(capsys)
    assert [r["event"] for r in records] == ["start", "warning", "start", "start"]
    assert records[1]["label"].startswith("log: ") and message in records[1]["label"]
    output.log.error = None
    output.event({"event": "start", "n": 3})
    assert len(output.log.lines) == 1
    output.log.error = OSError(number)
    output.event({"event": "start", "n": 4})
    assert [r["event"] for r in printed(capsys)] == ["start", "start", "warning"]


def test_mqtt_on_firmware_without_sockets_is_reported_and_the_rest_goes_on(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "socket", None)
    monkeypatch.setitem(sys.modules, "adafruit_minimqtt", None)
    output = make(tmp_path, mqtt_host="127.0.0.1")
    (record,) = printed(capsys)
    assert record["event"] == "warning" and record["label"].startswith("no MQTT: ")
    assert "this firmware has no network" in record["label"]
    assert output.publisher is None


def test_a_line_too_long_for_the_log_is_still_printed(tmp_path, capsys):
    make(tmp_path).event({"event": "start", "label": 2000 * "x"})
    records = printed(capsys)
    assert len(records) == 2 and "too long for the log" in records[1]["label"]
    assert logged(tmp_path) == [records[1]]


def test_reasons_are_one_line():
    assert reason(OSError(errno.ENOENT, "No such file")) == "FileNotFoundError: [Errno 2] No such file"
    assert reason(ValueError("\nThe certificate is not\nours\n")) == "ValueError: The certificate is not ours"
    assert reason(OSError()) == "OSError: " and reason(json.JSONDecodeError("x", "y", 0)).startswith("JSONDecodeError: x")
