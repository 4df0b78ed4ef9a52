"""MQTT 3.1.1: the packets of a client that publishes, made, and taken apart as their bytes come. No socket is touched here."""

CONNACK, PUBACK, PINGRESP = 0x20, 0x40, 0xD0  # first bytes of what a broker answers
PINGREQ = b"\xc0\0"
MOST = 1024  # bytes of a broker's packet, behind its head: no answer needs more than two
REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not like the client's name",
    3: "it is not available",
    4: "user name or password is wrong",
    5: "not authorised",
}


class ProtocolError(ValueError):
    """One line: what a broker answered instead of what was due."""


def text(data):
    return len(data).to_bytes(2, "big") + data


def packet(head, body):
    n, length = len(body), []
    while n > 127:
        length.append(n & 127 | 128)
        n >>= 7
    return bytes([head] + length + [n]) + body


def connect(identity, keepalive, user=b"", password=b""):
    """A new session. identity, user, password: UTF-8; no user: anonymous. keepalive: seconds."""
    flags = 0xC2 if user else 2
    body = text(b"MQTT") + bytes([4, flags]) + keepalive.to_bytes(2, "big") + text(identity)
    return packet(0x10, body + text(user) + text(password) if user else body)


def publish(topic, payload, number):
    """With QoS 1: number (1 to 65,535) comes back in the acknowledgement."""
    return packet(0x32, text(topic) + number.to_bytes(2, "big") + payload)


class Parser:
    """Finds packets in bytes that come in pieces of any size. It never holds more than MOST bytes, whatever comes."""

    def __init__(self):
        self._begin()

    def _begin(self):
        self.head = self.body = None
        self.length = self.shift = 0

    def feed(self, data):
        """A list of (first byte, body) of the packets that these bytes complete. Raises ProtocolError."""
        found = []
        for byte in data:
            if self.head is None:
                self.head = byte
                continue
            if self.body is None:
                self._length(byte)
            else:
                self.body.append(byte)
            if self.body is not None and len(self.body) == self.length:
                found.append((self.head, bytes(self.body)))
                self._begin()
        return found

    def _length(self, byte):
        """Seven bits of the length, the lowest first; the eighth says that more follow."""
        self.length |= (byte & 127) << self.shift
        self.shift += 7
        if self.length > MOST or self.shift > 28:
            raise ProtocolError("a packet of %d bytes or more came: it is not a broker, or not one for us" % self.length)
        if byte < 128:
            self.body = bytearray()
