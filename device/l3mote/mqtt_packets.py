"""MQTT 3.1.1: the packets of a client, made, and taken apart as their bytes come. No socket is touched here."""

CONNACK, MESSAGE, PUBACK, SUBACK, UNSUBACK, PINGRESP = 0x20, 0x30, 0x40, 0x90, 0xB0, 0xD0  # first bytes of what a broker sends
RETAIN = 1  # of MESSAGE: the broker kept it
PINGREQ = b"\xc0\0"
MOST = 65536  # bytes of a broker's packet, behind its head
KEPT = 512  # of them: a topic and a command; what is behind is passed over
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


def connect(identity, keepalive, user=b"", password=b"", will=None):
    """A new session. identity, user, password: UTF-8; no user: anonymous. keepalive: seconds.

    will: (topic, payload) of the message that the broker keeps, and sends when it has lost us.
    """
    flags = 0x02 | (0xC0 if user else 0) | (0x2C if will else 0)
    body = text(b"MQTT") + bytes([4, flags]) + keepalive.to_bytes(2, "big") + text(identity)
    if will:
        body += text(will[0]) + text(will[1])
    return packet(0x10, body + text(user) + text(password) if user else body)


def publish(topic, payload, number):
    """Return a line's packet with QoS 1: number (1 to 65,535) comes back in the acknowledgement."""
    return packet(0x32, text(topic) + number.to_bytes(2, "big") + payload)


def retained(topic, payload):
    """Return a message with QoS 0 that the broker keeps as the newest on its topic. An empty payload: it keeps none."""
    return packet(MESSAGE | RETAIN, text(topic) + payload)


def subscribe(topics, number):
    """Return the packet that asks for these topics, with QoS 0."""
    return packet(0x82, number.to_bytes(2, "big") + b"".join([text(topic) + b"\0" for topic in topics]))


def unsubscribe(topics, number):
    return packet(0xA2, number.to_bytes(2, "big") + b"".join([text(topic) for topic in topics]))


def message(body):
    """Return (topic, payload) of a MESSAGE's body; of one with more than KEPT bytes, the payload's beginning."""
    size = int.from_bytes(body[:2], "big")
    return body[2 : 2 + size], body[2 + size :]


class Parser:
    """Finds packets in bytes that arrive in pieces of any size. Never holds more than KEPT bytes, whatever arrives."""

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
                self.left -= 1
                if len(self.body) < KEPT:
                    self.body.append(byte)
            if self.body is not None and not self.left:
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
            self.body, self.left = bytearray(), self.length
