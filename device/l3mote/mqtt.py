"""Events to an MQTT broker, with a queue on flash for the time when it cannot be reached.

Lines go out with QoS 1: one leaves the queue when the broker has acknowledged it. So nothing is lost while the queue has room, and
a line whose acknowledgement was lost comes twice. When the queue is full its oldest lines are dropped, counted in .dropped.

Listening goes on between calls: each takes at most SECONDS for all that it does with its socket, whatever the broker sends. That is
half of what the ring of samples holds, and between() keeps the ring filled meanwhile. The rest continues in the next call, until
PATIENCE has passed. Only resolving a name has no limit: give the host as an address.
"""

import errno
import select
import socket
import time
from binascii import hexlify

from l3mote import mqtt_packets as packets
from l3mote.log import Log

SECONDS = 0.5
SLICE = 5  # ms between two calls of between()
PIECE = 64  # bytes read at once: 16 acknowledgements
PATIENCE = 10  # seconds for a connection, or an answer
KEEPALIVE = 120  # seconds; Mosquitto refuses clients without one
BACKOFF = (1, 300)  # seconds between attempts to connect: doubled from the first to the second
NUMBERS = 65535  # of packets: 1 to this, then from 1 again


class Queue(Log):
    """A log from which the oldest line can be taken. Lines taken from a file that still has others come again after a restart."""

    def __init__(self, path, limit):
        Log.__init__(self, path, limit)
        self.taken = [0, 0]  # bytes of each file
        self.left = [0, 0]  # lines of each file
        self.dropped = 0
        for i in (0, 1):
            for _ in self._read(i, 0):
                self.left[i] += 1

    @property
    def waiting(self):
        return self.left[0] + self.left[1]

    def append(self, line):
        Log.append(self, line)
        self.left[self.current] += 1

    def oldest(self):
        """Return the line that waits longest, or None. Files with no line left are removed."""
        if self.current is None:
            self._scan()
        for i in (1 - self.current, self.current):
            line = self._first(i)
            if line:
                return line
            self.left[i] = 0
            self._drop(i)
        return None

    def _first(self, i):
        reader = self._read(i, self.taken[i])
        try:
            for line, _, end in reader:
                self.place = i, end
                return line
        finally:
            reader.close()  # the file
        return None

    def take(self):
        """Remove the line that oldest() returned."""
        i, end = self.place
        self.taken[i] = end
        self.left[i] -= 1
        if not self.waiting:
            self.oldest()

    def _drop(self, i):
        self.dropped += self.left[i]
        self.left[i] = self.taken[i] = 0
        Log._drop(self, i)


class Client:
    """One connection to a broker as a state machine: nothing here waits longer than its caller allows.

    due: (first byte, body) of the answer that is due, or None; any other packet ends the connection. greeted: the broker
    accepted us. number: of the last line that was published.
    """

    def __init__(self, host, port, greeting):
        self.host, self.port, self.greeting = host, port, greeting
        self.sock = self.due = None
        self.greeted = False
        self.number = 0

    @property
    def ready(self):
        return self.greeted and self.due is None

    def open(self):
        """Start to connect. Raises OSError."""
        self.connected = self.greeted = False
        self.parser, self.out = packets.Parser(), b""
        address = socket.getaddrinfo(self.host, self.port)[0][-1]
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLOUT)
        self._ask(self.greeting, packets.CONNACK, b"\0\0")
        try:
            self.sock.connect(address)
        except OSError as e:
            if e.args[0] != errno.EINPROGRESS:
                raise

    def publish(self, topic, payload):
        self.number = self.number % NUMBERS + 1
        self._ask(packets.publish(topic, payload, self.number), packets.PUBACK, self.number.to_bytes(2, "big"))

    def ping(self):
        self._ask(packets.PINGREQ, packets.PINGRESP, b"")

    def _ask(self, data, head, body):
        self.out += data
        self.due = head, body

    def step(self, ms):
        """Send and receive what is possible now, or within so many ms. Raises OSError, ProtocolError."""
        self.poll.modify(self.sock, (select.POLLOUT if self.out else 0) | (select.POLLIN if self.connected else 0))
        for _, event in self.poll.poll(ms):
            if not self.connected:
                if event & (select.POLLERR | select.POLLHUP):
                    raise OSError(errno.ECONNREFUSED)
                self.connected = True
            if event & select.POLLOUT and self.out:
                self.out = self.out[self.sock.write(self.out) or 0 :]
            if event & ~select.POLLOUT:
                self._receive()

    def _receive(self):
        data = self.sock.read(PIECE)
        if data == b"":
            raise OSError(errno.ECONNRESET)
        for head, body in self.parser.feed(data or b""):
            if (head, body) != self.due:
                self._wrong(head, body)
            self.greeted, self.due = True, None

    def _wrong(self, head, body):
        if head == packets.CONNACK and self.due and self.due[0] == head and len(body) == 2:
            raise packets.ProtocolError("the broker refuses: %s" % packets.REFUSALS.get(body[1], "reason %d" % body[1]))
        raise packets.ProtocolError("the broker sent a packet that was not due: 0x%02x and %d bytes" % (head, len(body)))

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = self.due = None
        self.greeted = False


class Publisher:
    """Sends lines to one topic. online: a function that says whether there is a network, asked before each attempt to connect.

    .error is what went wrong since a line last got through, or None. .between is called while the socket waits.
    """

    def __init__(self, client, topic, queue, online):
        self.client = client
        self.topic = topic.encode()
        self.queue = queue
        self.online = online
        self.between = lambda: None
        self.line = None  # published and not yet acknowledged; if lines are queued, the first of them
        self.error = None
        self.wait = BACKOFF[0]
        self.due = self.asked = time.ticks_ms()  # when to connect; when we last asked the broker for something

    @property
    def connected(self):
        return self.client.greeted

    def send(self, line):
        """Publish a line now or, when that fails or others wait, queue it. Raises OSError where the queue cannot be written."""
        sent = False
        try:
            if self.client.ready and not self.queue.waiting:
                self._publish(line)
                sent = self._answered()
        finally:  # between() may raise
            if not sent:
                self.queue.append(line)

    def service(self):
        """One step: connect when it is time, else publish the line that waits longest, else keep the connection alive."""
        if not self.client.sock:
            if time.ticks_diff(time.ticks_ms(), self.due) >= 0:
                self._ask(self._open)
        elif self.client.ready:
            line = self.queue.oldest() if self.queue.waiting else None
            if line:
                self._publish(line)
            elif time.ticks_diff(time.ticks_ms(), self.asked) > KEEPALIVE * 500:
                self._ask(self.client.ping)
            else:
                self._try(lambda: self.client.step(0))  # has the broker hung up?
        self._answered()

    def drain(self, seconds):
        """Service until no line waits, or the time is up or ends before the next attempt to connect."""
        end = time.ticks_add(time.ticks_ms(), seconds * 1000)
        while self.queue.waiting and time.ticks_diff(end, time.ticks_ms()) > 0:
            if not self.client.sock and time.ticks_diff(end, self.due) < 0:
                break
            self.service()
            if not self.client.sock:
                self.between()
                time.sleep_ms(50)

    def _open(self):
        if not self.online():
            raise OSError(errno.ENOTCONN)
        self.client.open()

    def _publish(self, line):
        self.line = line
        self._ask(lambda: self.client.publish(self.topic, line.encode()))

    def _ask(self, step):
        self.asked = time.ticks_ms()
        self._try(step)

    def _answered(self):
        """Serve the socket until nothing is due, for SECONDS at most. True when the line on its way was acknowledged."""
        end = time.ticks_add(time.ticks_ms(), int(SECONDS * 1000))
        while self.client.due and time.ticks_diff(end, time.ticks_ms()) > 0:
            self._try(lambda: self.client.step(SLICE))
            self.between()
        if self.client.due and time.ticks_diff(time.ticks_ms(), self.asked) > PATIENCE * 1000:
            self._lose(OSError(errno.ETIMEDOUT))
        return self._acknowledged()

    def _acknowledged(self):
        line = self.line
        if line is None or not self.client.ready:
            return False
        self.line, self.error, self.wait = None, None, BACKOFF[0]
        if self.queue.waiting and self.queue.oldest() == line:  # it may have been dropped meanwhile
            self.queue.take()
        return True

    def _try(self, step):
        try:
            step()
        except (OSError, ValueError, MemoryError) as e:
            self._lose(e)

    def _lose(self, error):
        """Close the connection, and wait longer than last time before the next."""
        self.client.close()
        self.line, self.error = None, error
        self.due = time.ticks_add(time.ticks_ms(), self.wait * 1000)
        self.wait = min(2 * self.wait, BACKOFF[1])


def wifi(ssid, password):
    """Return a function that says whether the board is in its Wi-Fi network and, if not, starts to connect, without waiting."""
    import network

    station = network.WLAN(network.STA_IF)
    station.active(True)

    def online():
        if station.isconnected():
            return True
        try:
            station.connect(ssid, password)
        except OSError:
            return False  # already connecting
        return False

    return online


def publisher(settings, path="mqtt"):
    """Return a Publisher for the app's settings, its queue in files at `path`."""
    name, ssid = settings["name"], settings["wifi_ssid"]
    host, port = settings["mqtt_host"], settings["mqtt_port"]
    user, password = settings["mqtt_user"].encode(), settings["mqtt_password"].encode()
    client = Client(host, port, packets.connect(identity(name).encode(), KEEPALIVE, user, password))
    online = wifi(ssid, settings["wifi_password"]) if ssid else lambda: True
    return Publisher(client, settings["mqtt_topic"] + "/" + name, Queue(path, settings["log_bytes"]), online)


def identity(name):
    """Return the name with the chip's number, where it has one: of two clients with one name a broker disconnects the older."""
    try:
        from machine import unique_id
    except ImportError:
        return name
    return name + "-" + str(hexlify(unique_id()), "ascii")
