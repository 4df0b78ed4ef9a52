"""What this firmware has. deploy sends this file to a board's prompt as well."""

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
)


def importable(name):
    """Does this firmware have a module, or a name in one? settings.suit()'s has(), on the board itself."""
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
