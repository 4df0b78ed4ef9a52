"""The app's settings: one table of names, defaults and checks. Boards read them from a small JSON file, the host's
`deploy --set key=value` goes through the same functions.

A setting that is None comes from the model file (hop, threshold), from window and hop (smooth) or from the source (rate).
Text is counted in octets, as Wi-Fi and MQTT count it, and keeps its spaces.
"""

import json

from l3mote.limits import PER_LABEL, RATE, SILENCE, SOURCES, SoundError, decimation, possible_hop, thresholds
from l3mote.seconds import samples

SECRET = ("mqtt_password", "wifi_password")  # never shown
SHOWN = 60  # characters of a wrong value that a message shows, at most


class SettingsError(ValueError):
    """One line: the setting, what was given, and what it must be or what to change."""


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


def text(most=128, least=0, without=""):
    def check(value):
        if not isinstance(value, str) or not least <= len(value.encode()) <= most or not plain(value):
            raise ValueError
        for c in without:
            if c in value:
                raise ValueError
        return value

    size = "%d to %d" % (least, most) if least else "at most %d" % most
    return check, "text of %s octets without %scontrol characters" % (size, " ".join(without) + " and " if without else "")


def plain(value):
    """Return whether a text has no control characters and no halves of surrogate pairs."""
    for c in value:
        n = ord(c)
        if n < 32 or 127 <= n < 160 or 0xD800 <= n < 0xE000:
            return False
    return True


def path(value):
    """A file's path, of characters that FAT takes."""
    value = text()[0](value)
    for c in value:
        if c in '\\:*?"<>|':
            raise ValueError
    return value


def log(value):
    value = path(value)
    if value.endswith("/"):
        raise ValueError
    return value


def host(value):
    """A name or an address: "mqtt://broker" and "broker:1883" are neither; two or more colons make it IPv6."""
    value = text(253)[0](value).strip()
    for c in value:
        if not ("a" <= c.lower() <= "z" or "0" <= c <= "9" or c in "-._:%"):
            raise ValueError
    if value.count(":") == 1:
        raise ValueError
    return value


def certificate(value):
    """A CA's file, or a fingerprint as openssl prints it, in lower case and without its colons."""
    value = path(value).strip() if ":" not in value else value.strip()
    digits = value.lower().replace(":", "")
    for c in digits:
        if c not in "0123456789abcdef":
            return path(value)
    if digits and len(digits) != 64:
        raise ValueError
    return digits


def wifi_key(value):
    """A WPA passphrase, or the key itself."""
    value = text(64)[0](value)
    size = len(value.encode())
    if 0 < size < 8:
        raise ValueError
    if size == 64:
        for c in value.lower():
            if c not in "0123456789abcdef":
                raise ValueError
    return value


def choice(*names):
    def check(value):
        value = value.strip() if isinstance(value, str) else value
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
    value = value.strip() if isinstance(value, str) else value
    if isinstance(value, str) and value[:1].isalpha() and plain(value) and len(value.encode()) <= 32:
        return value
    return integer(0, 255)[0](value)


SECONDS = " seconds"
PIN = (pin, "a pin's number or name")
SHARE = number(0, 1)
PATH = (path, "a path of at most 128 octets, of characters that FAT takes")

# name: default, (check, what it must be)
SETTINGS = {  # type: dict
    "name": ("l3mote", text(64, 1, "+#/")),  # the last level of the MQTT topic
    # listening; hop and thresholds come from the model file unless set, smooth from window and hop
    "hop": (None, number(0.01, 60, SECONDS)),
    "threshold": (None, SHARE),
    "smooth": (None, integer(1, 20)),  # windows to average; None: those that hear the same moment
    "votes": (1, integer(1, 20)),  # windows above the threshold...
    "of": (None, integer(1, 20)),  # ...of so many; None: of as many as votes
    "refractory": (0.0, number(0, 3600, SECONDS)),
    "silence": (SILENCE, number(-120, 0, " dB of full scale")),  # windows below are of no label
    # duty cycle
    "mode": ("always", choice("always", "every", "wake")),
    "every": (60.0, number(1, 86400, SECONDS)),
    "wake_level": (-45.0, number(-120, 0, " dB of full scale")),
    "level_offset": (0.0, number(0, 200, " dB")),  # added to levels: dB SPL of full scale
    "level_every": (10.0, number(0, 86400, SECONDS)),  # 0: no level lines
    "watchdog": (0, integer(0, 8)),  # seconds without sound after which the board is reset; 0: never
    "freq": (0, integer(0, 600)),  # MHz of the processor; 0: the firmware's own
    # microphone
    "mic": ("i2s", choice(*SOURCES)),
    "wav": ("", PATH),
    "rate": (None, integer(8000, 96000)),
    "sck": (None, PIN),
    "ws": (None, PIN),
    "sd": (None, PIN),
    "bits": (32, (bits, "16 or 32")),
    "channel": ("left", choice("left", "right")),
    "i2s_id": (0, integer(0, 15)),  # which of the port's: 1 or 2 on STM32 and i.MX RT
    # where events go
    "log": ("events", (log, PATH[1])),  # events.0.jsonl and events.1.jsonl; "": no log
    "log_bytes": (65536, integer(4096, 16777216)),
    "mqtt_host": ("", (host, "a name or an address, without mqtt:// and port")),  # "": no MQTT
    "mqtt_port": (None, integer(1, 65535)),  # None: 8883 with mqtt_tls, else 1883
    "mqtt_tls": ("", (certificate, "the path of a CA's certificate, or the SHA-256 of the broker's in 64 hexadecimal digits")),
    "mqtt_topic": ("l3mote", text(256, 0, "+#")),
    "mqtt_user": ("", text(1024)),
    "mqtt_password": ("", text(1024)),
    "mqtt_discovery": ("homeassistant", text(64, 0, "+#")),  # Home Assistant's prefix; "": it is not told of us
    "ntp_host": ("pool.ntp.org", (host, "a name or an address")),  # "": the firmware's own clock counts
    "wifi_ssid": ("", text(32)),
    "wifi_password": ("", (wifi_key, "text of 8 to 63 octets, or 64 hexadecimal digits")),
}


# settings that have no effect unless another one is set: name, or start of names -> (the other, its value; None: any)
ONLY_WITH = {
    "mqtt_": ("mqtt_host", None), "ntp_h": ("mqtt_host", None), "wifi_": ("mqtt_host", None), "wifi_password": ("wifi_ssid", None),
    "mqtt_password": ("mqtt_user", None), "every": ("mode", "every"), "wake_level": ("mode", "wake"),
    "i2s_id": ("mic", "i2s"),
}  # fmt: skip


def check_one(key, value):
    """Return the value in the app's type. Raises SettingsError."""
    if key.startswith(PER_LABEL) and len(key) > len(PER_LABEL):
        check, must = SHARE
    elif key in SETTINGS:
        check, must = SETTINGS[key][1]
    else:
        names = ", ".join(sorted(SETTINGS))
        raise SettingsError("unknown setting %s: choose from %s, threshold.LABEL" % (shown(key), names))
    try:
        return check(value)
    except (ValueError, TypeError, OverflowError):
        given = "not shown" if key in SECRET else shown(value)
        raise SettingsError("setting %s is %s: must be %s" % (key, given, must))


def shown(value):
    text = json.dumps(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def parse(pair):
    """Return ("key", value) of "key=value". Raises SettingsError."""
    key, sign, value = pair.partition("=")
    key = key.strip()
    if not sign:
        n = 0  # length of the name: a password may follow it
        while n < len(key) and (key[n].isalpha() or key[n] in "_."):
            n += 1
        raise SettingsError('"%s" is not a setting: write key=value' % key[: min(n, SHOWN)])
    return key, check_one(key, value)


def check(values, reader=None, has=None):
    """Return every setting: those of values (a dict), else the default. reader, has: see suit(). Raises SettingsError."""
    if not isinstance(values, dict):
        raise SettingsError("settings are of type %s: must be a JSON object" % type(values).__name__)
    settings = {key: SETTINGS[key][0] for key in SETTINGS}  # type: dict
    for key in values:
        settings[key] = check_one(key, values[key])
    if settings["of"] is not None and settings["votes"] > settings["of"]:
        raise SettingsError("setting votes is %d: must be at most of, which is %d" % (settings["votes"], settings["of"]))
    missing = [key for key in SOURCES[settings["mic"]] if settings[key] in (None, "")]
    if missing:
        raise SettingsError("mic=%s needs %s set" % (settings["mic"], ", ".join(missing)))
    suit(settings, reader, has)
    return settings


def suit(settings, reader=None, has=None):
    """Raise SettingsError unless all settings (as check() returns them) go together, and with model and firmware.

    reader: the model's Reader. has(name): whether the firmware has a name of firmware.FIRMWARE. None leaves out its checks.
    """
    together(settings)
    if reader:
        suit_model(settings, reader)
    if has:
        if settings["freq"] and not has("machine.freq"):
            raise SettingsError("setting freq is set, but this firmware cannot set its clock: leave it out")
        suit_microphone(settings, has)
        suit_network(settings, has)


def together(settings):
    for key in settings:
        needed = ONLY_WITH.get(key) or ONLY_WITH.get(key[:5])
        if needed and key != needed[0] and settings[key] != SETTINGS[key][0]:
            other, value = needed
            if settings[other] != value if value else not settings[other]:
                must = "%s=%s" % (other, value) if value else other
                raise SettingsError("setting %s is set, but nothing uses it without %s: set %s or leave it out" % (key, must, must))
    pins = [settings[key] for key in ("sck", "ws", "sd") if settings[key] is not None]
    if len(pins) != len(set(pins)):
        raise SettingsError("settings sck, ws and sd name a pin twice: each has its own")
    if settings["mqtt_host"] and settings["log"].split("/")[-1] == "mqtt":
        raise SettingsError("setting log is %s: the queue for MQTT has files of that name, choose another" % shown(settings["log"]))


def suit_model(settings, reader):
    """reader: anything with frontend, labels and thresholds."""
    fe = reader.frontend
    try:
        thresholds(reader.labels, reader.thresholds, settings)
    except SoundError as e:
        raise SettingsError("setting %s" % e)
    try:
        if settings["mic"] not in ("wav", "callback"):  # which have their own rate
            decimation(settings["rate"] or RATE, fe.sample_rate)
    except SoundError as e:
        raise SettingsError("setting rate: %s" % e)
    hop = samples(settings["hop"], fe.sample_rate) if settings["hop"] else fe.window
    if possible_hop(fe, hop) > hop:
        raise SettingsError(
            "setting hop is %g: a board holds no more windows of %g seconds than one every %g seconds: set that or more"
            % (settings["hop"], fe.window / fe.sample_rate, possible_hop(fe, hop) / fe.sample_rate)
        )


def suit_microphone(settings, has):
    if settings["mic"] == "pdm" and not has("audiobusio.PDMIn"):
        raise SettingsError("setting mic is pdm, but this firmware has no PDM input: CircuitPython has one on some boards")
    if settings["mic"] != "i2s":
        return
    if not has("machine.I2S") and not has("audioi2sin"):
        raise SettingsError("setting mic is i2s, but this firmware has no I2S input: set mic=wav or use another board")
    if has("rp2") and gpio(settings["ws"]) != gpio(settings["sck"]) + 1:
        raise SettingsError(
            "settings sck=%s, ws=%s: on this board ws must be the pin after sck" % (settings["sck"], settings["ws"])
        )


def gpio(pin):
    """Return the number of an RP2's pin, which is called 16 or "GP16"."""
    try:
        return int(pin[2:] if pin[:2] == "GP" else "") if isinstance(pin, str) else pin
    except ValueError:
        raise SettingsError('pin %s: on this board pins are numbers, or names like "GP16"' % shown(pin))


def suit_network(settings, has):
    if not settings["mqtt_host"]:
        return
    if not has("socket") and not has("adafruit_minimqtt"):
        raise SettingsError(
            "setting mqtt_host is set, but this firmware has no network for it: leave it out, or use a board with Wi-Fi; "
            "CircuitPython needs a library for it (circup install adafruit_minimqtt adafruit_ntp)"
        )
    if settings["wifi_ssid"] and not has("network.WLAN") and not has("wifi.radio"):
        raise SettingsError("setting wifi_ssid is set, but this firmware has no Wi-Fi: leave it out, or use a board with Wi-Fi")
    if not settings["mqtt_tls"]:
        return
    if has("socket") and not has("tls.SSLContext"):
        raise SettingsError("setting mqtt_tls is set, but this firmware has no TLS: leave it out, and all goes in clear text")
    if not has("socket") and len(settings["mqtt_tls"]) == 64:
        raise SettingsError("setting mqtt_tls is a fingerprint, which CircuitPython cannot check: give the CA's certificate")


def load(path):
    """Return every setting, from a JSON file. Raises SettingsError, OSError."""
    try:
        with open(path) as f:
            values = json.load(f)
    except (ValueError, RuntimeError):  # bad JSON, text that is not UTF-8, or nested too deep for CPython
        raise SettingsError('%s is not JSON of the form {"key": value}' % path)
    try:
        return check(values)
    except SettingsError as e:
        raise SettingsError("%s: %s" % (path, e))
