"""Home Assistant, as its page in the documentation has it: `l3mote listen` in real time, a real Mosquitto, and what comes of it.

What Home Assistant makes of the messages is in kit/home_assistant.py.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from calendar import timegm
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from broker import Broker, free_port, require_mosquitto, wait
from home_assistant import House, publish
from make_small import PATH as SMALL
from support import micropython, runtime_of

from l3mote import mqtt_home

BASE = "l3mote/back yard"
LABELS = ("one", "two", "three")
OLD = {  # what an earlier model left
    "name": "old", "unique_id": "l3mote-back_yard_label_old", "state_topic": f"{BASE}/state/old", "device": {"identifiers": ["x"]},
    "availability_topic": f"{BASE}/availability", "origin": {"name": "l3mote"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def parts():
    runtime_of("unix")
    require_mosquitto()


@pytest.fixture
def sound(tmp_path):
    """A minute of noise; the model `small` hears something random in it, its thresholds decide what."""
    pcm = np.random.default_rng(1).normal(size=60 * 8000) * 2000
    soundfile.write(tmp_path / "noise.wav", pcm.astype(np.int16), 8000)
    return tmp_path / "noise.wav"


@contextlib.contextmanager
def listening(sound, port, *settings, status=None):
    """`l3mote listen` in the background; status: wait for its end, which has to be this."""
    given = {"mqtt_host": "127.0.0.1", "mqtt_port": port, "name": "back yard", "level_every": 0.5}
    given |= dict(pair.split("=", 1) for pair in settings)
    command = [sys.executable, "-m", "l3host.cli", "listen", SMALL, sound]
    command += [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    with (sound.parent / "printed").open("a+") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=printed, start_new_session=True)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def lines_of(house):
    """The payloads of the raw lines."""
    return [line.split("\t", 1)[1] for line in house.received.read_text().splitlines() if line.startswith(f"0 {BASE}\t")]


def test_silent_labels_are_no_entities_and_take_no_threshold():
    monitor = SimpleNamespace(model=SimpleNamespace(labels=["_other", "dog", "cat"]))
    assert mqtt_home.reported(monitor) == [1, 2]
    assert mqtt_home.numbers(monitor, "threshold", "") == [1, 2] and mqtt_home.numbers(monitor, "threshold/cat", "cat") == [2]
    with pytest.raises(ValueError, match="no such label, but dog, cat"):
        mqtt_home.numbers(monitor, "threshold/_other", "_other")


def test_home_assistant_finds_each_label_the_level_and_the_board_dead_or_alive(tmp_path, sound):
    port = free_port()
    with Broker(tmp_path, port), House(tmp_path, port) as house:
        publish(port, "homeassistant/binary_sensor/l3mote-back_yard/label_old/config", json.dumps(OLD), "-r")
        house.shows("old", "unavailable")
        with listening(sound, port, "threshold=1"):
            for label in LABELS:
                house.shows(label, "off")
            wait(lambda: re.fullmatch(r"-\d\d\.\d", house.now().state("Level")), "a level")
            result = house.now()
            components = sorted(entity["component"] for entity in result.entities.values())
            assert components == 3 * ["binary_sensor"] + ["button"] + 3 * ["number"] + 6 * ["sensor"] + ["switch"]
            (device,) = {str(entity["device"]) for entity in result.entities.values()}  # one
            assert "'name': 'back yard'" in device
            assert result.state("one threshold") == "1" and result.state("Mute") == "off"
            assert "old" not in [entity["name"] for entity in result.entities.values()]  # the model has no such label any more
            publish(port, f"{BASE}/set/threshold/two", "0")  # any score reaches it
            house.shows("two", "on")
            house.shows("two threshold", "0")
            house.shows("Last sound", "two")
            assert house.now().state("one") == "off"
        house.shows("two", "unavailable")  # it died amid a sound
        with House(tmp_path, port) as later:
            later.shows("two", "unavailable")
            assert all(later.now().kept.values())  # Home Assistant was started again: all is there
        with listening(sound, port, "threshold=1"):
            house.shows("two", "off")  # it lives, and what it had set by hand has gone with it


def later(house, seconds):
    """The attributes of a level that was measured so much later than the last."""
    now = house.now().attributes("Level")["t"]
    wait(lambda: house.now().attributes("Level")["t"] > now + seconds, "levels")
    return house.now().attributes("Level")


def test_commands_mute_ask_and_set_and_nonsense_is_named(tmp_path, sound):
    port = free_port()
    with Broker(tmp_path, port), House(tmp_path, port) as house, listening(sound, port, "threshold=0"):
        house.shows("one", "on")
        publish(port, f"{BASE}/set/mute", "ON")
        for label in LABELS:
            house.shows(label, "off")
        house.shows("Mute", "on")
        windows = later(house, 1)["windows"]  # a level that was measured before may still have been on its way
        assert later(house, 1)["windows"] == windows  # nothing is classified
        publish(port, f"{BASE}/set/threshold", "1")
        publish(port, f"{BASE}/set/mute", "OFF")
        house.shows("Mute", "off")
        house.shows("three threshold", "1")
        wait(lambda: house.now().attributes("Level")["windows"] > windows, "windows")
        assert [house.now().state(label) for label in LABELS] == 3 * ["off"]
        publish(port, f"{BASE}/set/status", "PRESS")
        wait(lambda: '"label": "here"' in house.now().topics[f"{BASE}/status"], "a status")
        for topic, payload, words in (
            ("threshold/four", "0.5", "set/threshold/four: no such label, but one, two, three"),
            ("threshold/one", "loud", "set/threshold/one takes a number from 0 to 1, not loud"),
            ("threshold/one", "nan", "set/threshold/one takes a number from 0 to 1, not nan"),
            ("mute", "yes", "set/mute takes ON or OFF, not yes"),
            ("volume", "11", "set/volume is not a command: threshold/LABEL, threshold, mute and status are"),
        ):
            publish(port, f"{BASE}/set/{topic}", payload)
            house.shows("Last warning", "MQTT: " + words)
        publish(port, f"{BASE}/set/mute", "x" * 100_000)  # more than it takes: the connection begins anew
        wait(lambda: house.now().state("Mute") == "unavailable", "the end of a connection")
        house.shows("Mute", "off")


def test_a_setting_that_the_broker_keeps_outlives_a_restart(tmp_path, sound):
    port = free_port()
    with Broker(tmp_path, port), House(tmp_path, port) as house:
        with listening(sound, port, "threshold=1"):
            house.shows("one threshold", "1")
            entity = house.now().named("one threshold")
            assert entity["retain"] is True
            publish(port, entity["command_topic"], "0.25", "-r")  # as Home Assistant does, told to by `retain`
            house.shows("one threshold", "0.25")
        with listening(sound, port, "threshold=1"):
            house.shows("one threshold", "0.25")
            assert house.now().state("two threshold") == "1"


def test_when_home_assistant_starts_it_is_told_again(tmp_path, sound):
    port = free_port()
    with Broker(tmp_path, port), House(tmp_path, port) as house, listening(sound, port, "threshold=1"):
        house.shows("Mute", "off")
        house.received.write_bytes(b"")
        publish(port, "homeassistant/status", "online")
        house.shows("Mute", "off")
        assert len(house.now().entities) == 14


def test_without_discovery_home_assistant_is_told_nothing(tmp_path, sound):
    port = free_port()
    with Broker(tmp_path, port), House(tmp_path, port) as house, listening(sound, port, "mqtt_discovery=", "threshold=0"):
        wait(lambda: house.now().topics.get(f"{BASE}/state/one") == "ON", "a state")
        assert not house.now().entities


def test_every_message_has_the_time_at_which_it_was_heard(tmp_path, sound):
    port = free_port()
    begun = time.time()
    with Broker(tmp_path, port) as broker, House(tmp_path, port) as house, listening(sound, port, "threshold=0"):
        house.shows("one", "on")
        broker.process.send_signal(signal.SIGSTOP)  # it hears nothing for six seconds
        time.sleep(6)
        broker.process.send_signal(signal.SIGCONT)
        wait(lambda: any('"t": 9.' in line for line in lines_of(house)), "lines that waited")
        result = [
            re.search(r'"t": ([\d.]+), .*"time": "(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", "crc"', line) for line in lines_of(house)
        ]
    assert len(result) > 15 and None not in result
    first = None
    for match in result:
        t, at = float(match[1]), timegm(time.strptime(match[2], "%Y-%m-%dT%H:%M:%SZ"))
        first = first or at - t
        assert abs(at - t - first) <= 2.5  # of one clock, whenever it was sent
    assert begun - 1 < first < begun + 30


# -- the time of day, in MicroPython without a network's clock: one that we move

CLOCK = """
import sys
class ntptime:
    tries = 0
    def settime(self):
        self.tries += 1
        if self.tries < 3:
            raise OSError(110)
        utc.time.ahead = 1796054888 - 100  # it is 16:08:08 at 100 seconds
sys.modules["ntptime"] = ntptime = ntptime()
from l3mote import utc
import time
class Time:
    now, ahead = 100, 0
    def time(self):
        return self.now + self.ahead
    def gmtime(self, s):
        return time.gmtime(s)
    def localtime(self):
        return time.gmtime(self.time())
utc.time = Time()
clock = utc.Clock("clock.example")
stamps = [clock.stamp(0)]
for now in range(101, 112):
    utc.time.now = now
    utc.ticks_ms = lambda: 1000 * now
    clock.due = clock.due if clock.error else 0
    clock.service()
    stamps.append(clock.stamp(1000))
print(ntptime.host, ntptime.timeout, ntptime.tries, clock.known)
for stamp in stamps:
    print(stamp)
print(clock.dated('{"t": 3.5' + stamps[2]))
"""


def test_the_clock_is_set_once_there_is_a_network_and_what_waited_gets_its_time():
    head, *stamps, dated = micropython(CLOCK).splitlines()
    assert head == "clock.example 0.5 3 True"  # asked at 101, 103 and 107 seconds
    assert stamps[:7] == [f', "uptime": {n}' for n in (0, 0, 1, 2, 3, 4, 5)]
    assert stamps[7:] == [f', "time": "2026-11-30T16:08:{second}Z"' for second in (14, 15, 16, 17, 18)]
    assert dated == '{"t": 3.5, "time": "2026-11-30T16:08:09Z"'
