"""The app's settings: the same checks for a board's JSON file and for `--set key=value`."""

import json

import pytest

from l3mote import format as fmt
from l3mote import settings
from l3mote.firmware import importable
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
        (" votes = 3 ", ("votes", 3)),
        ("mode= wake", ("mode", "wake")),
        (" name = yard ", ("name", " yard ")),
        ("wifi_ssid=skynet ", ("wifi_ssid", "skynet ")),
        ("wifi_password= two words ", ("wifi_password", " two words ")),
        ("mqtt_password=x ", ("mqtt_password", "x ")),
        ("wifi_ssid=" + 16 * "ü", ("wifi_ssid", 16 * "ü")),
        ("wifi_password=" + 32 * "0F", ("wifi_password", 32 * "0F")),
        ("mqtt_host=fe80::1%wlan0", ("mqtt_host", "fe80::1%wlan0")),
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
        ("hop", '"hop" is not a setting: write key=value'),
        ("wifi_password:hunter2", '"wifi_password" is not a setting: write key=value'),
        ("wifi_password=hunter2", "setting wifi_password is not shown: must be text of 8 to 63 octets, or 64 hexadecimal digits"),
        ("mqtt_password=" + 1025 * "s", "setting mqtt_password is not shown: must be text of at most 1024 octets"),
        ("name=kitchen #2", 'setting name is "kitchen #2": must be text of 1 to 64 octets without + # / and control characters'),
        ("name=T2 5W RGB+CW", "must be text of 1 to 64 octets without + # /"),
        ("name=", "must be text of 1 to 64 octets"),
        ("name=a/b", "must be text of 1 to 64 octets without + # /"),
        ("name=a\0b", "and control characters"),
        ("name=" + 40 * "ü", "must be text of 1 to 64 octets"),
        ("mqtt_topic=home/+/noise", "octets without + # and control characters"),
        ("mqtt_topic=#", "octets without + # and control characters"),
        ("mqtt_user=\ud800", "must be text of at most 1024 octets"),
        ("mqtt_host=mqtt://broker", "must be a name or an address, without mqtt:// and port"),
        ("mqtt_host=broker:1883", "must be a name or an address, without mqtt:// and port"),
        ("log=a?b", "must be a path of at most 128 octets, of characters that FAT takes"),
        ("log=logs/", "must be a path of at most 128 octets"),
        ("wifi_ssid=" + 20 * "ü", "must be text of at most 32 octets"),
        ("wifi_password=short", "must be text of 8 to 63 octets"),
        ("wifi_password=" + 64 * "x", "or 64 hexadecimal digits"),
        ("name=" + 5000 * "x", "x...: must be text of 1 to 64 octets"),
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
        ("wifi_ssid=" + 33 * "x", "must be text of at most 32 octets"),
    ],
)
def test_a_bad_pair_is_one_line(pair, expected):
    assert expected in message(settings.parse, pair)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1], "settings are of type list: must be a JSON object"),
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


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"wifi_ssid": "net"}, "setting wifi_ssid is set, but nothing uses it without mqtt_host: set mqtt_host or leave it out"),
        ({"mqtt_port": 8883}, "setting mqtt_port is set, but nothing uses it without mqtt_host"),
        ({"mqtt_host": "h", "wifi_password": "hunter22"}, "setting wifi_password is set, but nothing uses it without wifi_ssid"),
        ({"mqtt_host": "h", "mqtt_password": "s"}, "setting mqtt_password is set, but nothing uses it without mqtt_user"),
        ({"every": 300}, "setting every is set, but nothing uses it without mode=every: set mode=every or leave it out"),
        ({"wake_level": -30, "mode": "every"}, "nothing uses it without mode=wake"),
        ({"i2s_id": 1, "mic": "callback"}, "nothing uses it without mic=i2s"),
        ({"ws": 1}, "settings sck, ws and sd name a pin twice"),
        ({"mqtt_host": "h", "log": "mqtt"}, 'setting log is "mqtt": the queue for MQTT has files of that name, choose another'),
    ],
)
def test_settings_that_nothing_would_use_are_refused(values, expected):
    assert expected in message(settings.check, {**PINS, **values})
    assert settings.check({**PINS, "mqtt_host": "h", "wifi_ssid": "n", "wifi_password": "hunter22", "mqtt_port": 8883})


class Model:
    """With windows of two seconds, and a frame every 40 ms, as the shipped one."""

    labels, thresholds = ["dog", "rain"], [0.5, 0.5]

    def __init__(self, rate):
        self.frontend = fmt.Frontend(rate, 2 * rate, rate, 1024, rate // 25, 64, 1, 1, 0.0, rate / 2, 1e-10, 80.0, 0.02, 0.4)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"rate": 22050}, "setting rate: the sound has 22050 Hz, the model takes 8000: use a rate of 8000, 16000, "),
        ({"rate": 44100}, "setting rate: the sound has 44100 Hz"),
        ({"threshold.cat": 0.5}, "setting threshold.cat: the model has no label cat; its labels are dog, rain"),
        # of 50 rows four are a window's own, and there is room for 12 more: for five windows that begin in one, so 10 rows apart
        (
            {"hop": 0.25},
            "setting hop is 0.25: a board holds no more windows of 2 seconds than one every 0.4 seconds: set that or more",
        ),
        ({"hop": 0.399}, "setting hop is 0.399: "),
    ],
)
def test_settings_that_the_model_cannot_take_are_refused(values, expected):
    assert expected in message(settings.check, {**PINS, **values}, Model(8000))


def test_settings_that_the_model_takes():
    for values in ({"rate": 48000}, {}, {"hop": 0.4}, {"hop": 1.05}, {"threshold.dog": 0.5}, {"mic": "callback", "rate": 22050}):
        settings.check({**PINS, **values}, Model(8000))
    expected = "setting rate: the sound has 16000 Hz, the model takes 22050: use a rate of 22050, 44100, "
    assert expected in message(settings.check, PINS, Model(22050))
    assert settings.check({**PINS, "rate": 44100}, Model(22050))["rate"] == 44100


PICO_W = {"machine.I2S", "rp2", "socket", "tls.SSLContext", "network.WLAN"}
MQTT = {"mqtt_host": "192.0.2.7"}


@pytest.mark.parametrize(
    ("lacks", "values", "expected"),
    [
        ("socket", MQTT, "setting mqtt_host is set, but this firmware has no network for it: leave it out, or use a board"),
        ("network.WLAN", {**MQTT, "wifi_ssid": "n"}, "setting wifi_ssid is set, but this firmware has no Wi-Fi: leave it out"),
        ("machine.I2S", {}, "setting mic is i2s, but this firmware has no I2S input: set mic=wav or use another board"),
        (None, {"ws": 5}, "settings sck=1, ws=5: on this board ws must be the pin after sck"),
        (None, {"sck": "IO4"}, 'pin "IO4": on this board pins are numbers, or names like "GP16"'),
    ],
)
def test_settings_that_the_firmware_cannot_take_are_refused(lacks, values, expected):
    assert expected in message(settings.check, {**PINS, **values}, None, (PICO_W - {lacks}).__contains__)


def test_settings_that_the_firmware_takes():
    settings.check({**PINS, **MQTT, "wifi_ssid": "n"}, None, PICO_W.__contains__)
    settings.check({**PINS, "sck": "GP1", "ws": "GP2"}, None, PICO_W.__contains__)
    settings.check({**PINS, "ws": 5}, None, {"machine.I2S"}.__contains__)  # an ESP32
    assert importable("json") and importable("math.sin") and importable("os.path")
    assert not importable("math.WLAN") and not importable("nowhere") and not importable("nowhere.x")


def test_circuitpython_has_mqtt_with_its_library_and_no_fingerprints():
    has = {"audioi2sin", "adafruit_minimqtt", "wifi.radio"}.__contains__
    assert settings.check({**PINS, **MQTT, "wifi_ssid": "n", "mqtt_tls": "ca.crt"}, None, has)
    assert "CircuitPython cannot check" in message(settings.check, {**PINS, **MQTT, "mqtt_tls": 64 * "a"}, None, has)
    assert "circup install adafruit_minimqtt" in message(settings.check, {**PINS, **MQTT}, None, {"audioi2sin"}.__contains__)


def test_a_clock_is_set_only_where_the_firmware_can():
    assert settings.check({**PINS, "freq": 200}, None, {"machine.I2S", "machine.freq"}.__contains__)["freq"] == 200
    assert "cannot set its clock" in message(settings.check, {**PINS, "freq": 200}, None, {"machine.I2S"}.__contains__)


def test_a_file_is_checked_and_completed(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({**PINS, "hop": 1, "threshold.dog": 0.9}))
    result = settings.load(str(path))
    assert (result["hop"], result["threshold.dog"], result["sck"], result["mode"]) == (1.0, 0.9, 1, "always")
    assert set(result) == {*settings.SETTINGS, "threshold.dog"}
    assert settings.check({key: value for key, value in result.items() if value is not None}) == result


def test_a_bad_file_is_named(tmp_path):
    path = tmp_path / "settings.json"
    for data, expected in (
        (b"{", "is not JSON"),
        (b'{"a": "\xff"}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"hopp": 1}', 'unknown setting "hopp"'),
    ):
        path.write_bytes(data)
        result = message(settings.load, str(path))
        assert result.startswith(f"{path}") and expected in result
