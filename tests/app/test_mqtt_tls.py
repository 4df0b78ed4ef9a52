"""MQTT with TLS: MicroPython against a real Mosquitto with certificates made here, and against servers that want to be it."""

import hashlib
import re
import socket
import ssl
import subprocess
import threading

import pytest
from broker import Broker, free_port, require_mosquitto, wait
from certificates import certify, der, require_openssl, with_tls
from micro_board import Board
from support import ROOT, runtime_of

from l3host.errors import L3Error
from l3host.package import broker as ours
from l3mote import settings


@pytest.fixture(autouse=True)
def parts():
    runtime_of("unix")
    require_mosquitto()
    require_openssl()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return certify(tmp_path_factory.mktemp("tls") / "certificates")


def fingerprint(folder):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert((folder / "server.crt").read_text())).hexdigest()


@pytest.mark.parametrize("by", ["CA", "fingerprint"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_lines_arrive(by, host, tmp_path, certificates):
    port = free_port()
    trusted = der(certificates, tmp_path) if by == "CA" else fingerprint(certificates)
    with Broker(tmp_path, free_port(), with_tls(certificates, port)) as broker:
        with Board(tmp_path, port, mqtt_tls=trusted, mqtt_host=host) as board:
            assert board("send 0 200")["waiting"] == 200
            assert board("drain")["waiting"] == 0
            assert board("send 200 50")["waiting"] == 0
        wait(lambda: len(broker.numbers()) == 250, "250 lines")
        assert broker.numbers() == list(range(250))


@pytest.mark.parametrize("by", ["CA", "fingerprint"])
def test_what_the_page_s_commands_make_and_print_is_trusted(by, tmp_path):
    page = (ROOT / "docs" / "howto" / "home-assistant.md").read_text().replace("192.168.1.10", "127.0.0.1")
    make, ask = (re.search(rf"```sh\n(openssl {first} .*?)```", page, re.DOTALL)[1] for first in ("req", "s_client"))
    port, folder = free_port(), tmp_path / "house"
    folder.mkdir()
    subprocess.run(["sh", "-eu", "-c", make], cwd=folder, check=True, capture_output=True)
    with Broker(tmp_path, free_port(), with_tls(folder, port)) as broker:
        asked = subprocess.run(["sh", "-c", ask.replace("8883", str(port))], capture_output=True, text=True).stdout
        trusted = der(folder, tmp_path) if by == "CA" else asked.strip().partition("=")[2]
        with Board(tmp_path, port, mqtt_tls=trusted, mqtt_host="127.0.0.1") as board:
            board("send 0 1")
            assert board("drain")["waiting"] == 0
        wait(lambda: broker.numbers() == [0], "a line")


@pytest.mark.parametrize("by", ["CA", "fingerprint", "name"])
def test_another_than_the_broker_gets_no_word(by, tmp_path, certificates):
    """One that somebody else has certified, and one that our CA has certified by another name."""
    port = free_port()
    if by == "name":
        there = certify(tmp_path / "other", "elsewhere", "DNS:elsewhere")
        trusted = der(there, tmp_path)
    else:
        there = certify(tmp_path / "other")
        trusted = der(certificates, tmp_path) if by == "CA" else fingerprint(certificates)
    with Broker(tmp_path, free_port(), with_tls(there, port)) as broker:
        with Board(tmp_path, port, mqtt_tls=trusted, mqtt_host="localhost", mqtt_user="u", mqtt_password="secret") as board:
            board("send 0 3")
            state = board("service 20")
            assert not state["connected"] and state["waiting"] == 3
            assert {"CA": "not correctly signed", "fingerprint": "X509", "name": "does not match"}[by] in state["error"], state
        assert not broker.payloads()


def test_it_says_whom_it_wants_to_speak_to(tmp_path, certificates):
    """Server name indication, as a server with many names hears it: Python's own TLS."""
    asked, context = [], ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context.sni_callback = lambda sock, name, _: asked.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True) as secured:
                asked.append(secured.recv(1024)[:1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with Board(tmp_path, listening.getsockname()[1], mqtt_tls=der(certificates, tmp_path), mqtt_host="localhost") as board:
            board("service 5")
        thread.join(10)
    assert asked == ["localhost", b"\x10"]  # and then the CONNECT


def test_a_silent_server_holds_nobody_up(tmp_path, certificates):
    trusted = der(certificates, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server, Board(tmp_path, server.getsockname()[1], mqtt_tls=trusted) as board:
        state = board("service 4")
        assert state["slowest"] < 750 and not state["connected"]


# -- what the host makes of the setting


def test_a_file_becomes_the_one_certificate_that_travels(tmp_path, certificates):
    data = ssl.PEM_cert_to_DER_cert((certificates / "ca.crt").read_text())
    (tmp_path / "ca.der").write_bytes(data)
    for path in (certificates / "ca.crt", tmp_path / "ca.der"):
        assert ours.certified({"mqtt_host": "h", "mqtt_tls": str(path)}) == (
            {"mqtt_host": "h", "mqtt_tls": "ca.der"},
            {"ca.der": data},
        )
    pinned = {"mqtt_tls": fingerprint(certificates)}
    assert ours.certified(pinned) == (pinned, {})


@pytest.mark.parametrize("name", ["missing", "text", "key", "two", "cut"])
def test_what_is_not_a_certificate_is_refused_in_one_line(name, tmp_path, certificates):
    pem = (certificates / "ca.crt").read_text()
    texts = {"text": "hello", "key": (certificates / "ca.key").read_text(), "two": 2 * pem, "cut": pem[:200]}
    if name in texts:
        (tmp_path / name).write_text(texts[name])
    with pytest.raises(L3Error, match="setting mqtt_tls: ") as e:
        ours.certificate(str(tmp_path / name))
    assert "\n" not in str(e.value)


def test_clear_text_is_said_and_a_wrong_fingerprint_refused():
    assert "user, password and events go to 192.0.2.7 in clear text" in ours.in_clear_text(
        {"mqtt_host": "192.0.2.7", "mqtt_user": "u"}
    )
    assert ours.in_clear_text({"mqtt_host": "h", "mqtt_tls": 64 * "a"}) is None and ours.in_clear_text({}) is None
    assert settings.parse("mqtt_tls=" + ":".join(32 * ["AB"])) == ("mqtt_tls", 32 * "ab")  # as openssl prints it
    assert settings.parse("mqtt_tls=certificates/ca.crt") == ("mqtt_tls", "certificates/ca.crt")
    for wrong in ("ab:cd", 63 * "a", 65 * "a", "sha256:abc="):
        with pytest.raises(settings.SettingsError, match="must be the path of a CA's certificate, or the SHA-256 of the broker's"):
            settings.parse(f"mqtt_tls={wrong}")
