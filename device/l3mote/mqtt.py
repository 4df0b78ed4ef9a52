"""Events to an MQTT broker through `umqtt.simple`, with a queue on flash for the time when there is none.

Lines go out with QoS 1: one leaves the queue when the broker has acknowledged it. So nothing is lost while the queue has room, and a
line whose acknowledgement was lost comes twice. When the queue is full its oldest lines go, counted in .dropped.

Listening goes on between calls: each takes at most SECONDS for all that it does with its socket, whatever the broker does. That is
half of what the ring of samples holds. Resolving a name is not in it (umqtt has no time limit there): give the host as an address.
"""

import time
from binascii import hexlify

from umqtt.simple import MQTTClient, MQTTException

from l3mote.log import Log

SECONDS = 0.5
KEEPALIVE = 120  # seconds; Mosquitto refuses clients without one
BACKOFF = (1, 300)  # seconds between attempts to connect: doubled from the first to the second
ENOTCONN, ECONNRESET, ETIMEDOUT = 107, 104, 110
ERRORS = (OSError, MQTTException, AssertionError, IndexError, TypeError)  # what umqtt.simple raises about an answer that is none


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
    """umqtt's client on a socket that keeps to a deadline: old releases have no time limit, and all forget theirs after an answer."""

    deadline = 0  # of time.ticks_ms, for the step that is being done

    @property
    def sock(self):
        return self.limited

    @sock.setter
    def sock(self, sock):
        self.limited = sock and Limited(sock, self)


class Limited:
    """What umqtt.simple uses of a socket, each call limited to what is left until the client's deadline."""

    def __init__(self, sock, client):
        self.sock, self.client = sock, client
        self.close = sock.close

    def _limit(self):
        left = time.ticks_diff(self.client.deadline, time.ticks_ms())
        if left <= 0:
            raise OSError(ETIMEDOUT)
        self.sock.settimeout(left / 1000)

    def connect(self, address):
        self._limit()
        self.sock.connect(address)

    def write(self, *arguments):
        self._limit()
        if self.sock.write(*arguments) is None:
            raise OSError(ETIMEDOUT)

    def read(self, n):
        self._limit()
        data = self.sock.read(n)
        if not data:
            raise OSError(ETIMEDOUT if data is None else ECONNRESET)
        return data

    def setblocking(self, flag):
        pass

    settimeout = setblocking


class Publisher:
    """Sends lines to one topic. online: a function that says whether there is a network, asked before each attempt to connect."""

    def __init__(self, client, topic, queue, online):
        self.client = client
        self.topic = topic.encode()
        self.queue = queue
        self.online = online
        self.connected = False
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

    def _connect(self):
        if not self.online():
            raise OSError(ENOTCONN)
        self.client.connect()

    def _publish(self, line):
        done = self._attempt(lambda: self.client.publish(self.topic, line.encode(), False, 1))
        if done:  # acknowledged: the connection is good
            self.wait = BACKOFF[0]
        return done

    def _attempt(self, step):
        """Do a step of the protocol before its deadline. When it fails, let go of the connection and wait longer than last time."""
        now = time.ticks_ms()
        self.client.deadline = time.ticks_add(now, int(SECONDS * 1000))
        try:
            step()
        except ERRORS:
            self.connected = False
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
        except OSError:  # it is at it
            pass
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
