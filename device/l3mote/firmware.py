"""What this firmware has. `deploy` also sends this file to a board's prompt."""

# what settings.suit() asks for: a module, or a name in one
FIRMWARE = (
    "machine.I2S",
    "audioi2sin",
    "audiobusio.PDMIn",
    "rp2",
    "socket",
    "tls.SSLContext",
    "network.WLAN",
    "adafruit_minimqtt",
    "wifi.radio",
    "machine.freq",
)


def importable(name):
    """Return whether this firmware has a module, or a name in one: has() of settings.suit(), on the board itself."""
    module, _, inner = name.partition(".")
    try:
        __import__(name)
        return True
    except ImportError:
        pass
    try:
        return hasattr(__import__(module), inner)
    except ImportError:
        return False
