"""The app's settings: the same checks for a board's JSON file and for `--set key=value`."""

import json

import pytest

from l3mote import settings
from l3mote.settings import SettingsError

PINS = {"sck": 1, "ws": 2, "sd": 3}


def message(function, *arguments):
    with pytest.raises(SettingsError) as e:
        function(*arguments)
    assert "\n" not in str(e.value)
    return str(e.value)


def test_every_default_passes_its_own_check():
    for key, (default, _) in settings.SETTINGS.items():
        if default is not None:
            assert settings.check_one(key, default) == default
            assert settings.parse(f"{key}={default}") == (key, default)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("hop=0.5", ("hop", 0.5)),
        ("votes=3", ("votes", 3)),
        ("threshold.dog bark=.25", ("threshold.dog bark", 0.25)),
        ("mode=wake", ("mode", "wake")),
        ("wake_level=-40", ("wake_level", -40.0)),
        ("sck=14", ("sck", 14)),
        ("sck=GP14", ("sck", "GP14")),
        ("bits=16", ("bits", 16)),
        ("mqtt_topic=yard/noise=1", ("mqtt_topic", "yard/noise=1")),
        (" name = yard ", ("name", "yard")),
        ("log=", ("log", "")),
    ],
)
def test_pairs_of_the_command_line(pair, expected):
    key, value = settings.parse(pair)
    assert (key, value) == expected
    assert type(value) is type(expected[1])


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("hop", '"hop" is no setting: write key=value'),
        ("hopp=1", 'unknown setting "hopp": choose from bits, channel, every, '),
        ("threshold.=1", 'unknown setting "threshold.": '),
        ("hop=fast", 'setting hop is "fast": must be a number from 0.01 to 60 seconds'),
        ("hop=nan", 'setting hop is "nan": must be a number from 0.01 to 60 seconds'),
        ("hop=inf", 'setting hop is "inf": '),
        ("threshold.dog=1.5", 'setting threshold.dog is "1.5": must be a number from 0 to 1'),
        ("votes=2.5", 'setting votes is "2.5": must be a whole number from 1 to 20'),
        ("mode=often", 'setting mode is "often": must be one of always, every, wake'),
        ("bits=24", 'setting bits is "24": must be 16 or 32'),
        ("sck=-1", 'setting sck is "-1": must be a pin\'s number or name'),
        ("wifi_ssid=" + 33 * "x", "must be text of at most 32 characters"),
    ],
)
def test_a_bad_pair_is_one_line(pair, expected):
    assert expected in message(settings.parse, pair)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1], "settings are [1]: must be a JSON object"),
        ({"hop": True}, "setting hop is true: must be a number"),
        ({"hop": [1]}, "setting hop is [1]: must be a number"),
        ({"hop": None}, "setting hop is null: must be a number"),
        ({"name": 3}, "setting name is 3: must be text"),
        ({"votes": 3, "of": 2}, "setting votes is 3: must be at most of, which is 2"),
        ({}, "mic=i2s needs sck, ws, sd set"),
        ({"sck": 0, "ws": 0}, "mic=i2s needs sd set"),
        ({"mic": "wav"}, "mic=wav needs wav set"),
    ],
)
def test_settings_that_do_not_go_together(values, expected):
    assert expected in message(settings.check, {**PINS, **values} if isinstance(values, dict) and "hop" in values else values)


def test_a_file_is_checked_and_completed(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({**PINS, "hop": 1, "threshold.dog": 0.9}))
    found = settings.load(str(path))
    assert (found["hop"], found["threshold.dog"], found["sck"], found["mode"]) == (1.0, 0.9, 1, "always")
    assert set(found) == {*settings.SETTINGS, "threshold.dog"}
    assert settings.check({key: value for key, value in found.items() if value is not None}) == found


def test_a_bad_file_is_named(tmp_path):
    path = tmp_path / "settings.json"
    for data, expected in ((b"{", "is not JSON"), (b'{"a": "\xff"}', "is not JSON"), (b'{"hopp": 1}', 'unknown setting "hopp"')):
        path.write_bytes(data)
        found = message(settings.load, str(path))
        assert found.startswith(f"{path}") and expected in found
