"""CircuitPython's MQTT: the app with Adafruit's own library, in CPython (there is no CircuitPython), on a real Mosquitto."""

import functools
import importlib
import socket
import sys
import time
import types

import numpy as np
import pytest
from broker import TOPIC, Broker, free_port, require_mosquitto, wait
from certificates import certify, der, require_openssl, with_tls
from home_assistant import House, publish
from make_small import PATH as SMALL
from microphone import RATE, Microphone
from support import require

from l3mote import app, mqtt, settings
from l3mote.output import Output


@pytest.fixture
def net(monkeypatch):
    """l3mote.circuitpython_net, on this machine's sockets."""
    require_mosquitto()
    stand_in = types.ModuleType("micropython")  # of CircuitPython's the library takes this one name
    stand_in.const = lambda value: value
    with monkeypatch.context() as while_importing:
        while_importing.setitem(sys.modules, "micropython", stand_in)
        try:
            importlib.import_module("adafruit_minimqtt.adafruit_minimqtt")
        except ImportError:
            require(False, "adafruit_minimqtt is not installed: make test")
        net = importlib.import_module("l3mote.circuitpython_net")
    monkeypatch.setattr(net, "Client", functools.partial(net.Client, sockets=socket))
    monkeypatch.setattr(mqtt, "sys", types.SimpleNamespace(implementation=types.SimpleNamespace(name="circuitpython")))
    return net


class Monitor:
    """The app on noise without end."""

    def __init__(self, folder, port, **given):
        given = {
            "mqtt_host": "127.0.0.1",
            "mqtt_port": port,
            "mqtt_topic": "yard",
            "name": "noise",
            "level_every": 0.2,
            "ntp_host": "",
            **given,
        }
        result = settings.check({"mic": "callback", "log": "", **given})
        pcm = np.tile((np.random.default_rng(1).normal(size=60 * RATE) * 2000).astype(np.int16), 20)
        output = Output(result)
        output.mqtt = True  # CPython has no firmware's names
        self.monitor = app.Monitor(str(SMALL), result, output, Microphone(pcm), None, time.sleep)
        self.steps = self.monitor.steps()

    def until(self, condition):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            next(self.steps)
            if condition():
                return
            time.sleep(0.01)  # the broker and its subscribers need the processor, too
        pytest.fail("waited 60 s")


def test_the_same_topics_and_commands(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    port = free_port()
    with Broker(tmp_path, port) as broker, House(tmp_path, port) as house:
        there = Monitor(tmp_path, port, threshold=1)
        there.until(lambda: len(house.now().entities) == 14 and house.now().state("one") == "off")
        publish(port, f"{TOPIC}/set/threshold/one", "0")
        there.until(lambda: house.now().state("one") == "on" and house.now().state("Level").startswith("-"))
        assert house.now().state("two") == "off"
        publisher = there.monitor.output.publisher
        there.until(lambda: publisher.connected and not publisher.queue.waiting)
        assert '"event": "start", "label": "one"' in "".join(broker.payloads())
        publisher.client.mqtt._sock.close()  # the network goes
        there.until(lambda: publisher.error)
        house.shows("one", "unavailable")
        there.until(lambda: publisher.connected and house.now().state("one") == "on")


def test_lines_wait_for_a_broker_and_a_ca_is_asked_for(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_openssl()
    there, port = certify(tmp_path / "certificates"), free_port()
    monitor = Monitor(tmp_path, port, mqtt_host="localhost", mqtt_tls=der(there, tmp_path))
    publisher = monitor.monitor.output.publisher
    monitor.until(lambda: publisher.error and publisher.queue.waiting > 2)
    with Broker(tmp_path, free_port(), with_tls(there, port)) as broker:
        publisher.due = 0
        monitor.until(lambda: publisher.connected and not publisher.queue.waiting)
        wait(lambda: '"listening"' in "".join(broker.payloads()), "the first line")
    other = certify(tmp_path / "other")
    with Broker(other, free_port(), with_tls(other, port)) as broker:
        monitor.until(lambda: publisher.error)
        publisher.due = 0
        monitor.until(lambda: publisher.due)
        assert not publisher.connected and not broker.payloads()
        assert "certificate" in str(publisher.error).lower()
