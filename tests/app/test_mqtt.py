"""Events by MQTT: MicroPython against a real Mosquitto, which comes and goes."""

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
import soundfile
from broker import TOPIC, Broker, free_port, require_mosquitto, wait
from make_small import PATH as SMALL
from micro_board import Board
from support import ROOT, require

from l3host.programs import venv_tool
from l3mote.log import unseal

LIMIT = 500 + 250  # ms that a call may take: mqtt.SECONDS, and as much again for a machine that is busy


@pytest.fixture(autouse=True)
def parts():
    require(venv_tool("micropython"), "MicroPython is not installed: run make setup")
    require_mosquitto()


@pytest.fixture
def port():
    return free_port()


def test_lines_arrive_at_once_when_there_is_a_broker(tmp_path, port):
    with Broker(tmp_path, port) as broker, Board(tmp_path, port) as board:
        assert board("service 1")["connected"]
        assert board("send 0 20")["waiting"] == 0
        assert not list(tmp_path.glob("queue*"))  # never touched the flash
        wait(lambda: len(broker.numbers()) == 20, "20 lines")
        assert broker.numbers() == list(range(20))
        assert unseal(broker.payloads()[19].encode()) == {"event": "start", "n": 19}


def test_a_broker_that_goes_and_comes_loses_no_line(tmp_path, port):
    with Board(tmp_path, port) as board:
        assert board("send 0 3")["waiting"] == 3
        with Broker(tmp_path, port) as broker:
            assert board("drain")["waiting"] == 0
            board("send 3")
            wait(lambda: len(broker.numbers()) == 4, "4 lines")
        state = board("send 4 5")
        assert state["waiting"] == 5 and state["error"].startswith("OSError")
        with Broker(tmp_path, port) as broker:
            state = board("drain")
            assert (state["waiting"], state["dropped"], state["error"]) == (0, 0, None)
            wait(lambda: len(broker.numbers()) == 9, "9 lines")
            assert broker.numbers() == list(range(9))
            assert not list(tmp_path.glob("queue*"))  # an empty queue leaves no file to be sent again


@pytest.mark.parametrize("begin", [0, (1 << 30) - 1_800_000, (1 << 30) - 1])
def test_an_hour_without_a_broker(begin, tmp_path, port):
    """From 0 on, and while the board's clock begins anew."""
    with Board(tmp_path, port) as board:
        result = board(f"hour 10 {begin}")
        gaps = [b - a for a, b in zip(result["tries"], result["tries"][1:], strict=False)]
        assert gaps[:9] == [1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000] and set(gaps[9:]) == {300000}
        assert result["waiting"] == 360
        with Broker(tmp_path, port) as broker:
            assert board("drain")["waiting"] == 0
            wait(lambda: len(broker.numbers()) == 360, "360 lines")
            assert broker.numbers() == list(range(360))


def test_a_full_queue_drops_its_oldest_and_counts_them(tmp_path, port):
    with Board(tmp_path, port, log_bytes=4096) as board:
        state = board("send 0 200")
        assert state["dropped"] > 50 and state["waiting"] + state["dropped"] == 200
        assert sum(path.stat().st_size for path in tmp_path.glob("queue*")) <= 4096
        with Broker(tmp_path, port) as broker:
            board("drain")
            wait(lambda: len(broker.numbers()) == state["waiting"], "the lines that are left")
            assert broker.numbers() == list(range(state["dropped"], 200))


def test_lines_outlive_the_board(tmp_path, port):
    with Board(tmp_path, port) as board:
        board("send 0 10")
    with Broker(tmp_path, port) as broker:
        with Board(tmp_path, port) as board:
            assert board.state["waiting"] == 10
            assert board("service 5")["waiting"] == 6  # one step to connect, four lines
        with Board(tmp_path, port) as board:
            board("drain")
        wait(lambda: 9 in broker.numbers(), "the last line")
        assert broker.numbers() == [*range(4), *range(10)]  # none lost; those of a file that was not done come again


def test_the_noise_monitor_publishes_what_it_prints(tmp_path, port):
    soundfile.write(tmp_path / "clip.wav", np.zeros(16000, np.int16), 8000)
    given = {"mic": "wav", "wav": "clip.wav", "name": "noise", "mqtt_host": "127.0.0.1", "mqtt_port": port, "mqtt_topic": "yard"}
    (tmp_path / "settings.json").write_text(json.dumps({**given, "level_every": 0.5}))
    shutil.copy(SMALL, tmp_path / "model.l3m")
    environment = {"MICROPYPATH": f"{ROOT / 'device'}:.frozen"}
    command = [venv_tool("micropython"), ROOT / "device" / "examples" / "noise_monitor.py"]

    def run():
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    without = run()
    assert [line for line in without if '"label": "MQTT: OSError: ' in line]
    with Broker(tmp_path, port) as broker:
        lines = without + run()
        wait(lambda: len(broker.payloads()) == len(lines), "every line")
        assert broker.payloads() == lines


WIFI = """
from l3mote import mqtt_client
class WLAN:
    tried = []
    up = False
    def __init__(self, kind):
        assert kind == 7
    def active(self, flag):
        self.tried.append(flag)
    def isconnected(self):
        return self.up
    def connect(self, *names):
        self.tried.append(names)
        if len(self.tried) > 2:
            raise OSError("Wifi Internal State Error")
class network:
    STA_IF = 7
network.WLAN = WLAN
import sys
sys.modules["network"] = network
online = mqtt_client.wifi("yard", "secret")
print(online(), online(), WLAN.tried)
WLAN.up = True
print(online(), len(WLAN.tried))
"""


def test_wifi_is_tried_without_waiting(tmp_path):
    """A stand-in for `network`: no runtime here has it."""
    environment = {"MICROPYPATH": f"{ROOT / 'device'}:.frozen"}
    done = subprocess.run([venv_tool("micropython"), "-c", WIFI], env=environment, capture_output=True, text=True)
    assert done.stdout == "False False [True, ('yard', 'secret'), ('yard', 'secret')]\nTrue 3\n", done.stdout + done.stderr


def test_a_broker_that_refuses_gets_nothing(tmp_path, port):
    passwords = tmp_path / "passwords"
    passwords.write_text("u:secret\n")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    extra = f"allow_anonymous false\npassword_file {passwords}\nuser root"  # or root's mosquitto could not read it
    with Broker(tmp_path, port, extra) as broker:
        with Board(tmp_path, port, mqtt_user="u", mqtt_password="wrong") as board:
            state = board("service 3")
            assert not state["connected"] and state["error"] == "ProtocolError: the broker refuses: not authorised"
            assert board("send 0")["waiting"] == 1
        with Board(tmp_path, port, mqtt_user="u", mqtt_password="secret") as board:
            board("drain")
        wait(lambda: broker.numbers() == [0], "the line")


def test_packet_numbers_begin_again_after_65535(tmp_path, port):
    with Broker(tmp_path, port) as broker, Board(tmp_path, port) as board:
        board("number 65000")
        board("service 1")
        state = board("send 0 1000")
        assert (state["waiting"], state["error"], state["number"]) == (0, None, 465)  # there is no number 0
        wait(lambda: len(broker.numbers()) == 1000, "1,000 lines")
        assert broker.numbers() == list(range(1000))


def test_200_000_lines_are_acknowledged_one_by_one(tmp_path, port):
    extra = "allow_anonymous true\nmax_queued_messages 0"  # for a subscriber that is slower than the board
    with Broker(tmp_path, port, extra) as broker, Board(tmp_path, port) as board:
        board("service 1")
        for first in range(0, 200_000, 50_000):
            state = board(f"send {first} 50000", 300)
            assert (state["waiting"], state["dropped"], state["error"]) == (0, 0, None)
        assert state["number"] == 200_000 - 3 * 65_535
        wait(lambda: broker.text().count("\n") >= 200_000 and len(broker.payloads()) == 200_000, "200,000 lines")
        assert broker.numbers() == list(range(200_000))


CONNACK = b"\x20\x02\0\0"
HTTP = b"HTTP/1.1 400 Bad Request\r\n\r\n"


@contextlib.contextmanager
def server(serve):
    """Serve each connection in a thread of its own: the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run(connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError), connection:
                serve(connection)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=run, args=(listening.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]


def hung(*answers):
    """A server that gives these answers, one for each packet, then none."""

    def serve(connection):
        for answer in answers:
            connection.recv(1024)
            connection.sendall(answer)
        while connection.recv(1024):
            pass

    return server(serve)


@pytest.mark.parametrize("answers", [(), (b"\x20",), (HTTP,), (CONNACK,), (CONNACK, b"\x40"), (CONNACK, b"\x40\x02\0\x09")])
def test_a_broker_that_hangs_holds_nobody_up(answers, tmp_path):
    with hung(*answers) as port, Board(tmp_path, port) as board:
        slowest = board("service 1")["slowest"]
        state = board("send 0 3")
        assert state["waiting"] == 3
        slowest = max(slowest, state["slowest"], board("service 5")["slowest"])
        assert slowest < LIMIT
        assert board("state")["waiting"] == 3


STREAMS = {  # what comes after the first line, what then comes again and again, and ms in between
    "PINGRESP": (b"", 500 * b"\xd0\0", 0),
    "acknowledgements for another": (b"", 500 * b"\x40\x02\xff\xfe", 0),
    "now and then an acknowledgement for another": (b"", b"\x40\x02\xff\xfe", 3),
    "a length that never ends": (b"\x30", 1000 * b"\xff", 0),
    "a length that never ends, slowly": (b"\x30", b"\xff", 3),
    "a length of noughts": (b"\x30", b"\x80", 3),
    "a message of 1,000 bytes, slowly": (b"\x30\xe8\x07", b"z", 3),
    "a message of 256 MB": (b"\x30\xff\xff\xff\x7f", 60000 * b"z", 0),
    "messages that nobody asked for": (b"", 100 * b"\x30\x04\0\x01tx", 0),
    "noise": (b"", bytes(range(255, -1, -1)), 0),
}


@pytest.mark.parametrize("name", STREAMS)
def test_no_stream_of_bytes_holds_the_loop_and_the_microphone_is_served(name, tmp_path):
    first, data, pause = STREAMS[name]

    def serve(connection):
        connection.recv(1024)
        connection.sendall(CONNACK)
        connection.recv(1024)
        connection.sendall(first)
        while True:
            connection.sendall(data)
            time.sleep(pause / 1000)

    with server(serve) as port, Board(tmp_path, port) as board:
        before = board("service 1")
        state = board("send 0")
        assert state["served"] > before["served"]
        slowest = max(before["slowest"], state["slowest"], board("service 20")["slowest"])
        assert slowest < LIMIT and board("state")["waiting"] == 1


def message(topic, payload):
    body = len(topic).to_bytes(2, "big") + topic + payload
    return b"\x30" + bytes([len(body)] if len(body) < 128 else [len(body) & 127 | 128, len(body) >> 7]) + body


def obliging(send, acknowledge=True, reads=True):
    """A server that acknowledges everything, and after each packet that it reads sends what send() gives."""

    def serve(connection):
        connection.recv(1024)
        connection.sendall(CONNACK)
        while reads and (data := connection.recv(4096)):
            while data:
                kind, start = data[0], 2 + (data[1] > 127)
                size = start + (data[1] if data[1] < 128 else data[1] & 127 | data[2] << 7)
                if kind in (0x82, 0xA2):
                    connection.sendall({0x82: b"\x90\x03", 0xA2: b"\xb0\x02"}[kind] + data[2:4] + b"\0" * (kind == 0x82))
                if kind == 0x32 and acknowledge:
                    at = start + 2 + int.from_bytes(data[start : start + 2], "big")
                    connection.sendall(b"\x40\x02" + data[at : at + 2])
                data = data[size:]
            connection.sendall(send())
        while not reads:
            connection.sendall(send())
            time.sleep(0.01)

    return server(serve)


SET = TOPIC.encode() + b"/set/"


@pytest.mark.parametrize("acknowledge", [True, False])
def test_a_flood_of_wrong_commands_fills_no_log_and_no_queue_and_holds_nobody_up(acknowledge, tmp_path):
    with obliging(lambda: 50 * message(SET + b"volume", b"11"), acknowledge) as port, Board(tmp_path, port) as board:
        board("house")
        slowest = board("service 40")["slowest"]
        board("send 0")  # a line, after which commands come
        slowest = max(slowest, board("service 40")["slowest"])
        held = board("held")
        assert "set/volume is not a command" in held["warning"] and held["logged"] == 0 and held["commands"] <= 16, held
        assert held["waiting"] <= 1  # the line
        assert slowest < LIMIT


def test_commands_of_a_broker_that_reads_nothing_or_goes_are_not_gathered(tmp_path):
    """It takes no more than its socket's buffer; what would be shown must not grow in the board's heap."""
    flood = 100 * message(SET + b"threshold", b"0.25")
    with obliging(lambda: flood, reads=False) as port, Board(tmp_path, port) as board:
        board("house")
        slowest = board("service 60")["slowest"]
        held = board("held")
        assert held["out"] < 1000 and held["commands"] <= 16 and slowest < LIMIT, held
    last = message(SET + b"threshold", b"0.75")

    def goes(connection):
        connection.recv(1024)
        connection.sendall(CONNACK)
        connection.recv(4096)
        connection.sendall(last)

    with server(goes) as port, Board(tmp_path, port) as board:
        board("house")
        board("service 50")
        held = board("held")
        assert held["out"] == 0 or held["connected"], held


def test_topics_that_a_broker_says_it_keeps_for_us_are_remembered_up_to_a_number(tmp_path):
    kept = b"".join(message(b"homeassistant/sensor/l3mote-noise/%d/config" % i, b"{}") for i in range(2000))
    with obliging(lambda: kept) as port, Board(tmp_path, port) as board:
        board("house")
        most = max(board("service 1") and board("held")["known"] for _ in range(40))
        assert 0 < most <= 128


def test_a_slow_broker_is_waited_for_and_gets_each_line_once(tmp_path):
    """Its answers take longer than a call may."""
    came = []

    def serve(connection):
        while data := connection.recv(1024):
            time.sleep(0.8)
            while data:
                size = 2 + data[1]  # of a packet of less than 128 bytes
                if data[0] == 0x10:
                    connection.sendall(CONNACK)
                if data[0] == 0x32:
                    came.append(data[:size])
                    connection.sendall(b"\x40\x02" + data[4 + len(TOPIC) : 6 + len(TOPIC)])
                data = data[size:]

    with server(serve) as port, Board(tmp_path, port) as board:
        assert not board("service 1")["connected"]
        state = board("service 3")
        assert state["connected"] and state["slowest"] < LIMIT
        state = board("send 0 3")
        assert state["waiting"] == 3 and state["slowest"] < LIMIT
        state = board("drain")
        assert (state["waiting"], state["error"]) == (0, None) and state["slowest"] < LIMIT
    assert len(came) == 3


def test_a_broker_that_goes_is_noticed_without_a_line_to_send(tmp_path):
    def serve(connection):
        connection.recv(1024)
        connection.sendall(CONNACK)

    with server(serve) as port, Board(tmp_path, port) as board:
        assert board("service 1")["served"]
        wait(lambda: (board("service 20")["error"] or "").startswith("OSError"), "the end of the connection to be noticed")
