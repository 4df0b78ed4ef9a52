"""The app's lines and settings on this interpreter: the same bytes and the same words everywhere."""

from helpers import raises

from l3mote.firmware import importable
from l3mote.log import seal, text, unseal
from l3mote.seconds import Seconds
from l3mote.settings import SettingsError, check, parse

LINE = '{"event": "start", "label": "dog", "t": 3.500, "crc": "144ebfca"}'


def test_a_line_has_its_keys_in_order_and_a_checksum():
    assert seal({"t": Seconds(28000, 8000), "label": "dog", "event": "start"}) == LINE
    assert unseal(LINE.encode()) == {"t": 3.5, "label": "dog", "event": "start"}
    assert seal({"label": 'a "b"\n', "n": None}).startswith('{"label": "a \\"b\\"\\n", "n": null, "crc": "')


def test_numbers_of_a_line_have_one_to_four_decimals():
    for number in ("-83.6", "-99.9", "0.9132", "0.5", "-40.0", "1.0"):  # json.dumps prints -83.59999999999999 in MicroPython
        assert text({"level": float(number)}) == '{"level": %s}' % number
    assert text({"free": 7}) == '{"free": 7}'


def test_a_line_that_changed_is_none():
    line = LINE.encode()
    for n in range(len(line)):
        assert unseal(line[:n]) is None
        assert unseal(line[:n] + bytes([line[n] ^ 4]) + line[n + 1 :]) is None
    assert unseal(b"") is None and unseal(b"\xff" * 40) is None


def test_settings_are_checked():
    assert parse("hop=0.5") == ("hop", 0.5) and parse("sck=GP4") == ("sck", "GP4") and parse("sck=4") == ("sck", 4)
    assert check({"mic": "callback", "votes": 3})["votes"] == 3
    assert raises(SettingsError, parse, "hop=fast") == 'setting hop is "fast": must be a number from 0.01 to 60 seconds'
    assert raises(SettingsError, parse, "hop=nan").startswith("setting hop is ")
    assert raises(SettingsError, parse, "every=1e9").endswith("must be a number from 1 to 86400 seconds")
    assert "whole number" in raises(SettingsError, check, {"votes": 2.5})
    assert "needs ws, sd set" in raises(SettingsError, check, {"sck": 0})
    assert parse("wifi_ssid=two words ") == ("wifi_ssid", "two words ")
    for pair in ("name=kitchen #2", "wifi_ssid=" + 20 * "\u00fc", "mqtt_topic=a\0b", "wifi_password=short", "mqtt_host=mqtt://h"):
        assert " must be " in raises(SettingsError, parse, pair), pair
    assert "short" not in raises(SettingsError, parse, "wifi_password=short")
    assert importable("json") and importable("json.loads") and not importable("sys.nowhere") and not importable("nowhere.x")
    assert "without mqtt_host" in raises(SettingsError, check, {"mic": "callback", "wifi_ssid": "net"})
