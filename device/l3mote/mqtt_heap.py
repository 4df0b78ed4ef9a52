"""What MQTT takes of the heap: asked before the model opens, then forgotten."""

import sys

MQTT = 24576  # bytes: 15 kB stay, the rest is for the while that a connection begins
TLS = 36864  # the same for TLS: measured in the unix port, 28 of 34 kB stay


def needed(settings):
    """Return the bytes that MQTT needs. TLS takes none on Espressif's chips, whose firmware has other memory for it."""
    tls = settings["mqtt_tls"] and sys.platform not in ("esp32", "Espressif")
    return MQTT + (TLS if tls else 0)
