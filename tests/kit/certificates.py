"""Certificates of our own for a broker, made by openssl."""

import shutil
import subprocess

from support import require

from l3host.package.broker import certificate


def require_openssl():
    require(shutil.which("openssl"), "openssl is not installed: apt-get install openssl")


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certify(folder, name="localhost", names="DNS:localhost,IP:127.0.0.1"):
    """ca.crt, and server.crt with server.key for these names that it has signed, in a folder; returns it."""
    folder.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", "/CN=ours")
    openssl(folder, "req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName={names}")
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "10", "-extfile", "names"]
    openssl(folder, "x509", "-req", "-in", "server.csr", *signed, "-out", "server.crt")
    return folder


def der(folder, to):
    (to / "ca.der").write_bytes(certificate(str(folder / "ca.crt")))
    return str(to / "ca.der")


def with_tls(folder, port):
    return f"allow_anonymous true\nuser root\nlistener {port} 127.0.0.1\ncertfile {folder}/server.crt\nkeyfile {folder}/server.key"
