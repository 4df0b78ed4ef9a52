"""A real Mosquitto for the tests, and what a subscriber of everything hears."""

import json
import os
import shutil
import socket
import subprocess
import time

import pytest
from support import require

SBIN = os.environ.get("PATH", "") + ":/usr/sbin"
TOPIC = "yard/noise"


def require_mosquitto():
    for program, package in (("mosquitto", "mosquitto"), ("mosquitto_sub", "mosquitto-clients")):
        require(shutil.which(program, path=SBIN), f"{program} is not installed: apt-get install {package}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(condition, what):
    deadline = time.monotonic() + 60  # far more than it takes where the processor is free
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail(f"waited 60 s for {what}")


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Broker:
    """Mosquitto on a port, and what a subscriber of everything hears."""

    def __init__(self, folder, port, extra="allow_anonymous true"):
        self.folder, self.port = folder, port
        (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\n{extra}\n")
        self.received = folder / "received"

    def __enter__(self):
        self.process = subprocess.Popen([shutil.which("mosquitto", path=SBIN), "-c", str(self.folder / "mosquitto.conf")])
        wait(lambda: answers(self.port), "mosquitto")
        with self.received.open("ab") as f:
            command = ["mosquitto_sub", "-p", str(self.port), "-q", "1", "-v", "-t", "#", "-u", "u", "-P", "secret", "-d"]
            self.subscriber = subprocess.Popen(["stdbuf", "-oL", *command], stdout=f)
        wait(lambda: "SUBACK" in self.text() or "Subscribed" in self.text(), "mosquitto_sub")
        return self

    def text(self):
        return self.received.read_text()

    def __exit__(self, *_):
        for process in (self.subscriber, self.process):
            process.kill()
            process.wait()

    def payloads(self):
        return [line[len(TOPIC) + 1 :] for line in self.text().splitlines() if line.startswith(TOPIC + " ")]

    def numbers(self):
        return [json.loads(line)["n"] for line in self.payloads()]
