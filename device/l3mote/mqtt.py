"""Events to an MQTT broker through `umqtt.simple`, with a queue on flash for the time when there is none.

Lines go out with QoS 1: one leaves the queue when the broker has acknowledged it. So nothing is lost while the queue has room, and
a line whose acknowledgement was lost comes twice. When the queue is full its oldest lines go, counted in .dropped.

Listening goes on between calls: each takes at most SECONDS for all that it does with its socket, whatever the broker does. That is
half of what the ring of samples holds, and client.between() keeps the ring filled meanwhile. Only resolving a name has no limit:
give the host as an address.
"""

import errno
import select
import time
from binascii import hexlify

from umqtt.simple import MQTTClient

from l3mote.log import Log

SECONDS = 0.5
SLICE = 5  # ms between two calls of between()
KEEPALIVE = 120  # seconds; Mosquitto refuses clients without one
BACKOFF = (1, 300)  # seconds between attempts to connect: doubled from the first to the second


class Queue(Log):
    """A log from which the oldest line can be taken. What was taken of a file that still has others comes again after a restart."""

    def __init__(self, path, limit):
        Log.__init__(self, path, limit)
        self.taken = [0, 0]  # bytes of each file
        self.dropped = 0
        self.waiting = 0
        for _ in self.lines():
            self.waiting += 1

    def append(self, line):
        Log.append(self, line)
        self.waiting += 1

    def oldest(self):
        """The line that waits longest, or None. Files with no line left are removed."""
        if self.current is None:
            self._scan()
        for i in (1 - self.current, self.current):
            line = self._first(i)
            if line:
                return line
            Log._drop(self, i)
            self.taken[i] = 0
        self.waiting = 0
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
        """Take the line that oldest() gave."""
        i, end = self.place
        self.taken[i] = end
        self.waiting -= 1
        if not self.waiting:
            self.oldest()

    def _drop(self, i):
        lost = 0
        for _ in self._read(i, self.taken[i]):
            lost += 1
        self.dropped += lost
        self.waiting -= lost
        self.taken[i] = 0
        Log._drop(self, i)


class Client(MQTTClient):
    """umqtt's client on a socket of ours: old releases have no time limit, and all forget it after an answer."""

    deadline = 0  # of time.ticks_ms, for the step that is being done

    def between(self):
        """Called while the socket waits."""

    @property
    def sock(self):
        return self.patient

    @sock.setter
    def sock(self, sock):
        self.patient = sock and Patient(sock, self)


class Patient:
    """What umqtt.simple uses of a socket, on one that does not block: each call waits until the client's deadline at most.

    It writes a packet in four pieces; sent one by one, each waits for the acknowledgement of the last (Nagle). So they are joined.
    """

    def __init__(self, sock, client):
        self.sock, self.client = sock, client
        self.close = sock.close
        self.packet = b""
        self.poll = select.poll()
        sock.setblocking(False)
        self.poll.register(sock, select.POLLIN)

    def _wait(self, event):
        self.poll.modify(self.sock, event)
        while True:
            for _, happened in self.poll.poll(SLICE):
                return happened
            self.client.between()
            if time.ticks_diff(self.client.deadline, time.ticks_ms()) <= 0:
                raise OSError(errno.ETIMEDOUT)

    def connect(self, address):
        try:
            self.sock.connect(address)
        except OSError as e:
            if e.args[0] != errno.EINPROGRESS:
                raise
        if self._wait(select.POLLOUT) & (select.POLLERR | select.POLLHUP):
            raise OSError(errno.ECONNREFUSED)

    def write(self, data, n=None):
        self.packet += data[:n]

    def flush(self):
        while self.packet:
            self._wait(select.POLLOUT)
            self.packet = self.packet[self.sock.write(self.packet) or 0 :]

    def read(self, n):
        self.flush()
        data = b""
        while len(data) < n:
            self._wait(select.POLLIN)
            part = self.sock.read(n - len(data))
            if part == b"":
                raise OSError(errno.ECONNRESET)
            data += part or b""
        return data

    def setblocking(self, flag):
        pass

    settimeout = setblocking


class Publisher:
    """Sends lines to one topic. online: a function that says whether there is a network, asked before each attempt to connect.

    .error is what went wrong since a line last got through, or None.
    """

    def __init__(self, client, topic, queue, online):
        self.client = client
        self.topic = topic.encode()
        self.queue = queue
        self.online = online
        self.connected = False
        self.error = None
        self.wait = BACKOFF[0]
        self.due = self.heard = time.ticks_ms()

    def send(self, line):
        """Publish a line now or, when that fails or others wait, queue it. Raises OSError where the queue cannot be written."""
        if self.queue.waiting or not self.connected or not self._publish(line):
            self.queue.append(line)

    def service(self):
        """One step: connect when it is time, else publish the line that waits longest, else keep the connection alive."""
        if not self.connected:
            if time.ticks_diff(time.ticks_ms(), self.due) >= 0:
                self.connected = self._attempt(self._connect)
            return
        line = self.queue.oldest() if self.queue.waiting else None
        if line:
            if self._publish(line):
                self.queue.take()
        elif time.ticks_diff(time.ticks_ms(), self.heard) > KEEPALIVE * 500:
            self._attempt(self.client.ping)

    def drain(self, seconds):
        """Service until no line waits, the time is up, or the next attempt to connect lies beyond it."""
        end = time.ticks_add(time.ticks_ms(), seconds * 1000)
        while self.queue.waiting and time.ticks_diff(end, time.ticks_ms()) > 0:
            if not self.connected and time.ticks_diff(end, self.due) < 0:
                break
            self.service()
            if not self.connected:
                time.sleep_ms(50)

    def _connect(self):
        if not self.online():
            raise OSError(errno.ENOTCONN)
        self.client.connect()

    def _publish(self, line):
        done = self._attempt(lambda: self.client.publish(self.topic, line.encode(), False, 1))
        if done:  # acknowledged: the connection is good
            self.error, self.wait = None, BACKOFF[0]
        return done

    def _attempt(self, step):
        """Do a step of the protocol before its deadline. When it fails, let go of the connection and wait longer than last time."""
        now = time.ticks_ms()
        self.client.deadline = time.ticks_add(now, int(SECONDS * 1000))
        try:
            step()
            self.client.sock.flush()
        except Exception as e:  # umqtt.simple has many for an answer that is none: AssertionError, IndexError...
            self.connected, self.error = False, e
            self.due = time.ticks_add(now, self.wait * 1000)
            self.wait = min(2 * self.wait, BACKOFF[1])
            if self.client.sock:
                self.client.sock.close()
                self.client.sock = None
            return False
        self.heard = now
        return True


def wifi(ssid, password):
    """A function that says whether the board is in its Wi-Fi network and, where it is not, has it try: without waiting."""
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


def publisher(settings, path="mqtt"):
    """A Publisher for the app's settings, its queue in files at `path`."""
    name, ssid = settings["name"], settings["wifi_ssid"]
    host, port = settings["mqtt_host"], settings["mqtt_port"]
    user, password = settings["mqtt_user"].encode(), settings["mqtt_password"].encode()
    client = Client(identity(name).encode(), host, port, user or None, password, KEEPALIVE)
    online = wifi(ssid, settings["wifi_password"]) if ssid else lambda: True
    return Publisher(client, settings["mqtt_topic"] + "/" + name, Queue(path, settings["log_bytes"]), online)


def identity(name):
    """The name with the chip's number, where it has one: a broker throws out the elder of two clients of one name."""
    try:
        from machine import unique_id
    except ImportError:
        return name
    return name + "-" + str(hexlify(unique_id()), "ascii")
