"""The app's settings: one table of names, defaults and checks. Boards read them from a small JSON file, the host's
`deploy --set key=value` goes through the same functions.

A setting that is None is left to the model file (hop, threshold) or to the source (rate).
"""

import json

from l3mote.names import PER_LABEL


class SettingsError(ValueError):
    """One line: the setting, what was given, and what it must be."""


def number(least, most, unit=""):
    def check(value):
        value = float(_number(value))
        if not least <= value <= most:
            raise ValueError
        return value

    return check, "a number from %s to %s%s" % (least, most, unit)


def integer(least, most):
    def check(value):
        value = int(value) if isinstance(value, str) else _number(value)
        if value != int(value) or not least <= value <= most:
            raise ValueError
        return int(value)

    return check, "a whole number from %d to %d" % (least, most)


def _number(value):
    if isinstance(value, str):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError
    return value


def text(most=128):
    def check(value):
        if not isinstance(value, str) or len(value) > most or "\n" in value:
            raise ValueError
        return value

    return check, "text of at most %d characters" % most


def choice(*names):
    def check(value):
        if value not in names:
            raise ValueError
        return value

    return check, "one of " + ", ".join(names)


def bits(value):
    value = integer(16, 32)[0](value)
    if value not in (16, 32):
        raise ValueError
    return value


def pin(value):
    """A pin's number, or its name as the board's firmware spells it ("GP16", "IO4")."""
    if isinstance(value, str) and value[:1].isalpha() and len(value) <= 32:
        return value
    return integer(0, 255)[0](value)


SECONDS = " seconds"
PIN = (pin, "a pin's number or name")
SHARE = number(0, 1)

# name: default, (check, what it must be)
SETTINGS = {
    "name": ("l3mote", text(64)),
    # listening; hop and thresholds come from the model file unless set
    "hop": (None, number(0.01, 60, SECONDS)),
    "threshold": (None, SHARE),
    "smooth": (1, integer(1, 20)),  # windows whose mean counts
    "votes": (1, integer(1, 20)),  # windows above the threshold...
    "of": (None, integer(1, 20)),  # ...of so many; None: of as many as votes
    "refractory": (0.0, number(0, 3600, SECONDS)),
    # duty cycle
    "mode": ("always", choice("always", "every", "wake")),
    "every": (60.0, number(1, 86400, SECONDS)),
    "wake_level": (-45.0, number(-120, 0, " dB of full scale")),
    "level_every": (10.0, number(0, 86400, SECONDS)),  # 0: no level lines
    # microphone
    "mic": ("i2s", choice("i2s", "wav", "callback")),
    "wav": ("", text()),
    "rate": (None, integer(8000, 96000)),
    "sck": (None, PIN),
    "ws": (None, PIN),
    "sd": (None, PIN),
    "bits": (32, (bits, "16 or 32")),
    "channel": ("left", choice("left", "right")),
    # where events go
    "log": ("events", text()),  # events.0.jsonl and events.1.jsonl; "": no log
    "log_bytes": (65536, integer(4096, 16777216)),
    "mqtt_host": ("", text()),  # "": no MQTT
    "mqtt_port": (1883, integer(1, 65535)),
    "mqtt_topic": ("l3mote", text()),
    "mqtt_user": ("", text()),
    "mqtt_password": ("", text()),
    "wifi_ssid": ("", text(32)),
    "wifi_password": ("", text(64)),
}


def check_one(key, value):
    """The value as the app wants it. Raises SettingsError."""
    if key.startswith(PER_LABEL) and len(key) > len(PER_LABEL):
        check, must = SHARE
    elif key in SETTINGS:
        check, must = SETTINGS[key][1]
    else:
        names = ", ".join(sorted(SETTINGS))
        raise SettingsError('unknown setting "%s": choose from %s, threshold.LABEL' % (key, names))
    try:
        return check(value)
    except (ValueError, TypeError, OverflowError):
        raise SettingsError("setting %s is %s: must be %s" % (key, json.dumps(value), must))


def parse(pair):
    """("key", value) of "key=value". Raises SettingsError."""
    key, sign, value = pair.partition("=")
    if not sign:
        raise SettingsError('"%s" is no setting: write key=value' % pair)
    return key.strip(), check_one(key.strip(), value.strip())


def check(values):
    """Every setting: those of values (a dict), the others' defaults. Raises SettingsError."""
    if not isinstance(values, dict):
        raise SettingsError("settings are %s: must be a JSON object" % json.dumps(values))
    found = {key: SETTINGS[key][0] for key in SETTINGS}  # type: dict
    for key in values:
        found[key] = check_one(key, values[key])
    if found["of"] is not None and found["votes"] > found["of"]:
        raise SettingsError("setting votes is %d: must be at most of, which is %d" % (found["votes"], found["of"]))
    needed = {"i2s": ("sck", "ws", "sd"), "wav": ("wav",)}.get(found["mic"], ())
    missing = [key for key in needed if found[key] in (None, "")]
    if missing:
        raise SettingsError("mic=%s needs %s set" % (found["mic"], ", ".join(missing)))
    return found


def load(path):
    """Every setting, from a JSON file. Raises SettingsError, OSError."""
    try:
        with open(path) as f:
            values = json.load(f)
    except ValueError:  # which is JSON's, and that of text that is not UTF-8
        raise SettingsError('%s is not JSON of the form {"key": value}' % path)
    try:
        return check(values)
    except SettingsError as e:
        raise SettingsError("%s: %s" % (path, e))
