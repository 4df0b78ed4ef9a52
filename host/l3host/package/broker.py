"""The CA certificate that a deployment takes along for its MQTT broker, and the warning where nothing is encrypted."""

from __future__ import annotations

import ssl
from pathlib import Path

from l3host.errors import L3Error
from l3mote.limits import CA

PEM = b"-----BEGIN CERTIFICATE-----"
MOST = 65536  # bytes of a certificate's file
SEQUENCE = 0x30  # the first byte of every certificate in DER


def certified(settings: dict) -> tuple[dict, dict[str, bytes]]:
    """Return settings whose mqtt_tls names a file on the board instead of one here, and that file. Raises L3Error."""
    value = settings.get("mqtt_tls")
    if not value or is_fingerprint(value):
        return settings, {}
    return {**settings, "mqtt_tls": CA}, {CA: certificate(value)}


def is_fingerprint(value: str) -> bool:
    """Return whether a checked mqtt_tls is a fingerprint: settings.py makes each 64 hexadecimal digits in lower case."""
    return len(value) == 64 and not set(value) - set("0123456789abcdef")


def certificate(path: str) -> bytes:
    """Return the one certificate in a file, PEM or DER, as DER. Raises L3Error."""
    try:
        with Path(path).open("rb") as f:
            data = f.read(MOST)
    except OSError as e:
        raise L3Error(
            f"setting mqtt_tls: {path}: {e.strerror or e}. Name the CA's certificate, or the SHA-256 of the broker's"
        ) from None
    if data.count(PEM) > 1:
        raise L3Error(f"setting mqtt_tls: {path} holds {data.count(PEM)} certificates: keep the CA's that signed the broker's")
    try:
        if PEM in data:
            data = ssl.PEM_cert_to_DER_cert(data[data.index(PEM) :].decode("ascii"))
        if data[:1] != bytes([SEQUENCE]):
            raise ValueError("it begins with another byte")
        ssl.create_default_context().load_verify_locations(cadata=data)
    except (ValueError, ssl.SSLError) as e:
        raise L3Error(f"setting mqtt_tls: {path} is not a certificate, PEM or DER ({e})") from None
    return data


def in_clear_text(settings: dict) -> str | None:
    """Return a sentence that says what can be read on the way to the broker, or None."""
    if not settings.get("mqtt_host") or settings.get("mqtt_tls"):
        return None
    secret = "user, password and events go" if settings.get("mqtt_user") else "events go"
    return f"{secret} to {settings['mqtt_host']} in clear text: --set mqtt_tls=ca.crt encrypts them"
