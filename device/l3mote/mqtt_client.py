"""MicroPython's connection to a broker: a state machine on a socket that never waits, plain or with TLS; and its Wi-Fi."""

import errno
import select
import socket

from l3mote import mqtt_packets as packets

PIECE = 64  # bytes read at once: 16 acknowledgements
PIECES = 16  # read in one step, at most
NUMBERS = 65535  # of packets: 1 to so many, and from 1 on again


class Client:
    """One connection to a broker: nothing here waits longer than its caller allows.

    due: (first byte, body) of the answer that is, or None; whatever else comes, but for messages, ends the connection. greeted: the
    broker took us. number: of the last packet that has one. came(topic, payload): called with each message that comes.
    will: (topic, payload) that the broker publishes when it has lost us. mqtt_tls: the setting, "" for none.
    """

    def __init__(self, host, port, identity, keepalive, user, password, will, mqtt_tls=""):
        self.host, self.port, self.keepalive = host, port, keepalive
        self.mqtt_tls = mqtt_tls
        self.came = lambda topic, payload: None
        self.greeting = packets.connect(identity, keepalive, user, password, will)
        self.sock = self.raw = self.due = None
        self.greeted = False
        self.number = 0
        self.out = b""

    @property
    def ready(self):
        return self.greeted and self.due is None and not self.out

    def open(self):
        """Begin to connect. Raises OSError."""
        self.connected = self.greeted = False
        self.parser, self.out = packets.Parser(), b""
        address = socket.getaddrinfo(self.host, self.port)[0][-1]
        self.sock = self.raw = socket.socket()
        self.sock.setblocking(False)
        self._watch()
        self._ask(self.greeting, packets.CONNACK, b"\0\0")
        try:
            self.sock.connect(address)
        except OSError as e:
            if e.args[0] != errno.EINPROGRESS:
                raise

    def _watch(self):
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLOUT)

    def publish(self, topic, payload):
        """Send a line, which the broker acknowledges."""
        self._count()
        self._ask(packets.publish(topic, payload, self.number), packets.PUBACK, self.number.to_bytes(2, "big"))

    def show(self, topic, payload):
        """Send what is the newest on a topic, which the broker keeps."""
        self.out += packets.retained(topic, payload)

    def subscribe(self, topics):
        self._count()
        self._ask(packets.subscribe(topics, self.number), packets.SUBACK, self.number.to_bytes(2, "big"))

    def unsubscribe(self, topics):
        self._count()
        self._ask(packets.unsubscribe(topics, self.number), packets.UNSUBACK, self.number.to_bytes(2, "big"))

    def ping(self):
        self._ask(packets.PINGREQ, packets.PINGRESP, b"")

    def _count(self):
        self.number = self.number % NUMBERS + 1

    def _ask(self, data, head, body):
        self.out += data
        self.due = head, body

    def step(self, ms):
        """Send and receive what can be now, or within so many ms. Raises OSError, ValueError (certificates, ProtocolError)."""
        self.poll.modify(self.sock, (select.POLLOUT if self.out else 0) | (select.POLLIN if self.connected else 0))
        for _, event in self.poll.poll(ms):
            if not self.connected:
                if event & (select.POLLERR | select.POLLHUP):
                    raise OSError(errno.ECONNREFUSED)
                self.connected = True
                if self.mqtt_tls:
                    self.sock = secured(self.sock, self.host, self.mqtt_tls)
                    self._watch()
            if self.out:
                self.out = self.out[self.sock.write(self.out) or 0 :]
            if event & ~select.POLLOUT:
                self._receive()

    def _receive(self):
        for _ in range(PIECES):
            data = self.sock.read(PIECE)
            if data is None:
                return
            if data == b"":
                raise OSError(errno.ECONNRESET)
            for head, body in self.parser.feed(data):
                self._take(head, body)

    def _take(self, head, body):
        if head | packets.RETAIN == packets.MESSAGE | packets.RETAIN and self.greeted:
            self.came(*packets.message(body))
        elif self.due == (head, body[:2] if head == packets.SUBACK else body):
            self.greeted, self.due = True, None
        else:
            self._wrong(head, body)

    def _wrong(self, head, body):
        if head == packets.CONNACK and self.due and self.due[0] == head and len(body) == 2:
            raise packets.ProtocolError("the broker refuses: %s" % packets.REFUSALS.get(body[1], "reason %d" % body[1]))
        raise packets.ProtocolError("the broker sent what was not due: 0x%02x and %d bytes" % (head, len(body)))

    def close(self):
        if self.sock:
            self.sock.close()
            self.raw.close()  # a TLS socket whose handshake failed leaves it open
        self.sock = self.raw = self.due = None
        self.greeted = False
        self.out = b""


def secured(sock, host, mqtt_tls):
    """Return a connected socket with TLS. mqtt_tls: the path of the CA's certificate (DER), or the SHA-256 of the broker's own."""
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if is_fingerprint(mqtt_tls):
        context.verify_callback = pinned(mqtt_tls)
        context.verify_mode = tls.CERT_OPTIONAL  # whoever signed it: the callback decides
    else:
        context.verify_mode = tls.CERT_REQUIRED
        with open(mqtt_tls, "rb") as f:
            context.load_verify_locations(f.read())
    return context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)


def is_fingerprint(text):
    return len(text) == 64 and all([c in "0123456789abcdef" for c in text])


def pinned(fingerprint):
    """Return a TLS context's verify_callback that takes the certificate of this SHA-256, and no other, for the broker's."""
    from binascii import hexlify
    from hashlib import sha256

    def verify(certificate, depth):
        return 0 if depth or str(hexlify(sha256(certificate).digest()), "ascii") == fingerprint else REFUSED

    return verify


REFUSED = -0x3000  # mbedTLS: a fatal error of a certificate


def wifi(ssid, password):
    """Return a function that says whether the board is in its Wi-Fi network and, where it is not, has it try without waiting."""
    import network

    station = network.WLAN(network.STA_IF)
    station.active(True)

    def online():
        if station.isconnected():
            return True
        try:
            station.connect(ssid, password)
        except OSError:
            return False  # it is at it
        return False

    return online
