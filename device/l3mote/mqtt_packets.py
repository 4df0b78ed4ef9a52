"""MQTT 3.1.1: builds the packets of a client that publishes, and parses those of a broker as bytes arrive. Touches no socket."""

CONNACK, PUBACK, PINGRESP = 0x20, 0x40, 0xD0  # first bytes of what a broker answers
PINGREQ = b"\xc0\0"
MOST = 1024  # bytes of a broker's packet, after its header: no answer needs more than two
REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not accept the client's name",
    3: "it is not available",
    4: "user name or password is wrong",
    5: "not authorised",
}


class ProtocolError(ValueError):
    """One line: what a broker answered instead of the packet that was due."""


def text(data):
    return len(data).to_bytes(2, "big") + data


def packet(head, body):
    n, length = len(body), []
    while n > 127:
        length.append(n & 127 | 128)
        n >>= 7
    return bytes([head] + length + [n]) + body


def connect(identity, keepalive, user=b"", password=b""):
    """Return the packet that opens a new session. identity, user, password: UTF-8; no user: anonymous. keepalive: seconds."""
    flags = 0xC2 if user else 2
    body = text(b"MQTT") + bytes([4, flags]) + keepalive.to_bytes(2, "big") + text(identity)
    return packet(0x10, body + text(user) + text(password) if user else body)


def publish(topic, payload, number):
    """Return a line's packet with QoS 1: number (1 to 65,535) comes back in the acknowledgement."""
    return packet(0x32, text(topic) + number.to_bytes(2, "big") + payload)


class Parser:
    """Finds packets in bytes that arrive in pieces of any size. Never holds more than MOST bytes, whatever arrives."""

    def __init__(self):
        self._begin()

    def _begin(self):
        self.head = self.body = None
        self.length = self.shift = 0

    def feed(self, data):
        """Return a list of (first byte, body) of the packets that these bytes complete. Raises ProtocolError."""
        packets = []
        for byte in data:
            if self.head is None:
                self.head = byte
                continue
            if self.body is None:
                self._length(byte)
            else:
                self.body.append(byte)
            if self.body is not None and len(self.body) == self.length:
                packets.append((self.head, bytes(self.body)))
                self._begin()
        return packets

    def _length(self, byte):
        """Take seven bits of the length, the lowest first; the eighth says that more follow."""
        self.length |= (byte & 127) << self.shift
        self.shift += 7
        if self.length > MOST or self.shift > 28:
            raise ProtocolError("a packet of %d bytes or more came: this is not an MQTT broker, or not one for us" % self.length)
        if byte < 128:
            self.body = bytearray()
