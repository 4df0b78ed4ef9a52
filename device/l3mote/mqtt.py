"""Events to an MQTT broker, with a queue on flash for the time when it cannot be reached. Topics:

- `TOPIC/NAME`: every line, with QoS 1: it leaves the queue when the broker has acknowledged it. So nothing is lost while the queue
  has room, and a line whose acknowledgement was lost comes twice. When the queue is full its oldest lines are dropped, and counted.
- `TOPIC/NAME/availability`: online; offline comes from the broker when it has lost us (a last will).
- `TOPIC/NAME/state/LABEL`: ON or OFF. `level`, `event`, `status`, `warning`: the newest line of each. More are in mqtt_home.py.

All but the first are retained and sent again after each connection: QoS 0 is enough for them.

Listening goes on between calls: each takes at most SECONDS for all that it does with its socket, whatever the broker sends. That is
half of what the ring of samples holds, and between() keeps the ring filled meanwhile. Once calls of send() have taken as much since
the last service(), lines are queued. The rest continues in the next call, until PATIENCE has passed. Only resolving a name has no
limit: give the host as an address.
"""

import errno
import sys
import time
from binascii import hexlify

from l3mote import ticks
from l3mote.log import CRC_BYTES, seal, sealed
from l3mote.memory import forget
from l3mote.mqtt_queue import Queue
from l3mote.utc import Clock

SECONDS = 0.5
SLICE = 5  # ms between two calls of between()
PATIENCE = 10  # seconds for a connection, or an answer
KEEPALIVE = 120  # seconds; Mosquitto refuses clients without one
BACKOFF = (1, 300)  # seconds between attempts to connect: doubled from the first to the second
AGAIN = 5000  # ms: when Home Assistant has started, all is sent again after a random part of them
COMMANDS = 16  # that wait at once; more are dropped
KNOWN, LONGEST = 128, 160  # topics of Home Assistant's that are remembered, and bytes of each, at most
PORTS = (1883, 8883)  # plain, with TLS


class Publisher:
    """Sends lines, and shows what is so now. online: says whether there is a network, asked before each attempt to connect.

    .error is what went wrong since a line last got through, or None. .between is called while the socket waits.
    .monitor: the app, set once it is there. node: what Home Assistant calls the board; discovery: its prefix, or "".
    """

    def __init__(self, client, topic, queue, online, clock, node="", discovery=""):
        self.client, self.queue, self.online, self.clock = client, queue, online, clock
        self.topic = topic.encode()
        self.node, self.discovery = node, discovery
        self.between = lambda: None
        self.monitor = None
        self.newest = {}  # type: dict  # kind of line -> the last one
        self.changed = []  # type: list  # what of `state/LABEL` and kinds of lines is not shown yet
        self.outbox = None  # generator of what a connection begins with
        self.commands = []  # type: list  # (topic, payload) that came
        self.known = []  # type: list  # topics of Home Assistant's that an earlier start of ours left
        self.again = None  # when to show everything again
        self.line = None  # that is published and not yet acknowledged; if lines are queued, it is the first of them
        self.error = None
        self.wait = BACKOFF[0]
        self.due = self.asked = ticks.ticks_ms()  # when to connect; when we last sent or asked something
        self.left = int(SECONDS * 1000)  # ms that send() may take until the next service()
        client.came = self.came

    @property
    def connected(self):
        return self.client.greeted

    def stamp(self, now, t):
        """Return what a line says of its time, see utc.py. now, t: Seconds of sound; t may be anything where there is no sound."""
        return self.clock.stamp(max(0, now.ms - t.ms) if hasattr(t, "ms") else 0)

    def send(self, line):
        """Publish a line now or, when that fails or others wait, queue it. Raises OSError where the queue cannot be written."""
        sent = False
        try:
            if self.client.ready and not self.queue.waiting and self.left > 0:
                begun = ticks.ticks_ms()
                self._publish(line, True)
                sent = self._answered(self._end())
                self.left -= ticks.ticks_diff(ticks.ticks_ms(), begun)
        finally:  # between() may raise
            if not sent:
                self.queue.append(line)

    def note(self, record, line):
        """Remember what a line changes of that which is shown."""
        kind = record["event"]
        if kind in ("start", "end"):
            self._change("state/" + record["label"])
            kind = "event"
        self.newest[kind] = line
        self._change(kind)

    def _change(self, what):
        if what not in self.changed:
            self.changed.append(what)

    def service(self):
        """One step: connect when it is time, else do what is next in a connection."""
        end = self._end()
        if self.client.greeted:
            self.clock.service()
        if not self.client.sock and ticks.ticks_diff(ticks.ticks_ms(), self.due) >= 0:
            self._ask(self._open)
        more = True
        while more and ticks.ticks_diff(end, ticks.ticks_ms()) > 0:
            more = self.client.ready and self._go_on()
            self._answered(end)
        if self.commands:
            self._obey(end)
        self.left = int(SECONDS * 1000)

    def _go_on(self):
        """Show something, else publish the line that waits longest, else keep the connection alive. True: there is more to show."""
        now, line = ticks.ticks_ms(), self.queue.oldest() if self.queue.waiting else None
        if self.again is not None and ticks.ticks_diff(now, self.again) >= 0:
            self.again, self.outbox = None, self._greeting()
        if self.outbox or self.changed:
            self._ask(self._show)
            return True
        if line:
            self._publish(line, self.queue.ours)
        elif ticks.ticks_diff(now, self.asked) > self.client.keepalive * 500:
            self._ask(self.client.ping)
        else:
            self._try(lambda: self.client.step(0))  # has it hung up, or sent something?
        return False

    def drain(self, seconds):
        """Service until nothing waits, the time is up, or the next attempt to connect lies beyond it."""
        end = ticks.ticks_add(ticks.ticks_ms(), seconds * 1000)
        while (self.queue.waiting or (self.connected and self.busy())) and ticks.ticks_diff(end, ticks.ticks_ms()) > 0:
            if not self.client.sock and ticks.ticks_diff(end, self.due) < 0:
                break
            self.service()
            if not self.client.sock:
                self.between()
                time.sleep(0.05)

    def busy(self):
        """Return whether the broker is to get something yet, lines aside."""
        return self.outbox or self.changed or self.client.due or self.client.out

    def _open(self):
        if not self.online():
            raise OSError(errno.ENOTCONN)
        self.clock.service()  # first, because a certificate is valid for a time
        self.client.open()
        self.outbox = self._greeting()

    def _greeting(self):
        """Do what a connection begins with: a generator that yields after each step."""
        self.changed.clear()
        self.client.show(self.topic + b"/availability", b"online")
        if self.monitor:
            from l3mote.mqtt_home import greeting

            for _ in greeting(self):
                yield
            forget("mqtt_home")

    def _show(self):
        """Show the next thing of those that are to be shown."""
        if self.outbox:
            try:
                return next(self.outbox)
            except StopIteration:
                self.outbox = None
        elif self.changed:
            what = self.changed.pop(0)
            self.client.show(*(self.newest_of(what) if what in self.newest else self.state(what[6:])))

    def newest_of(self, kind):
        """Return (topic, payload) of the last line of a kind."""
        return self.topic + b"/" + kind.encode(), self.newest[kind].encode()

    def state(self, label):
        """Return (topic, payload) of a label: does it sound now?"""
        labels, on = self.monitor.model.labels, self.monitor.listener.detector.on
        i = labels.index(label)
        return self.topic + b"/state/" + slugs(labels)[i].encode(), b"ON" if on[i] else b"OFF"

    def came(self, topic, payload):
        """Take a message from the broker."""
        if topic.endswith(b"/config"):
            if payload and len(self.known) < KNOWN and len(topic) <= LONGEST:
                self.known.append(topic)
        elif not topic.startswith(self.topic):  # Home Assistant's own state
            if payload == b"online" and not self.outbox:
                self.again = ticks.ticks_add(ticks.ticks_ms(), 1000 + ticks.ticks_ms() % AGAIN)
        elif len(self.commands) < COMMANDS:
            self.commands.append((topic[len(self.topic) + 5 :], payload))

    def _obey(self, end):
        """Do what the commands say, until `end`: each once the broker has taken what the last one sent."""
        from l3mote.mqtt_home import obey

        while self.commands and self.client.ready and ticks.ticks_diff(end, ticks.ticks_ms()) > 0:
            self.asked = ticks.ticks_ms()
            try:
                obey(self, *self.commands.pop(0))
            except ValueError as e:
                self.answer({"event": "warning", "label": "MQTT: %s" % e, "t": self.monitor.output.t})
            self._answered(end)
        forget("mqtt_home")

    def answer(self, record):
        """Answer a command: on stdout, and as the newest line of its kind. Whatever a broker sends, nothing is logged or queued."""
        line = seal(record, self.stamp(self.monitor.output.t, record["t"]))
        print(line)
        self.note(record, line)

    def _publish(self, line, ours):
        self.line = line
        if ours:
            line = sealed(self.clock.dated(line[:-CRC_BYTES]))
        self._ask(lambda: self.client.publish(self.topic, line.encode()))

    def _ask(self, step):
        self.asked = ticks.ticks_ms()
        self._try(step)

    def _end(self):
        """Return when a call that begins now has to end."""
        return ticks.ticks_add(ticks.ticks_ms(), int(SECONDS * 1000))

    def _answered(self, end):
        """Serve the socket until nothing is due, or until `end`. True when the line on its way was acknowledged."""
        client = self.client
        while (client.due or client.out) and ticks.ticks_diff(end, ticks.ticks_ms()) > 0:
            self._try(lambda: client.step(SLICE))
            self.between()
        if (client.due or client.out) and ticks.ticks_diff(ticks.ticks_ms(), self.asked) > PATIENCE * 1000:
            self._lose(OSError(errno.ETIMEDOUT))
        return self._acknowledged()

    def _acknowledged(self):
        line = self.line
        if line is None or self.client.due or not self.client.greeted:
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
        self.line, self.error, self.outbox = None, error, None
        self.known.clear()
        self.due = ticks.ticks_add(ticks.ticks_ms(), self.wait * 1000)
        self.wait = min(2 * self.wait, BACKOFF[1])


def slug(text):
    """Return a text as Home Assistant takes it for an id: letters, digits, "_" and "-"."""
    return "".join([c if "a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c == "-" else "_" for c in text])


def slugs(labels):
    """Return a slug for each label, with its number behind it where another has the same."""
    slugged = [slug(label) for label in labels]
    return [slugged[i] if slugged.count(slugged[i]) == 1 else "%s_%d" % (slugged[i], i) for i in range(len(slugged))]


def publisher(settings, path="mqtt"):
    """Return a Publisher for the app's settings, its queue in files at `path`."""
    if sys.implementation.name == "circuitpython":
        from l3mote.circuitpython_net import Client, wifi
    else:
        from l3mote.mqtt_client import Client, wifi
    name, topic, ssid = settings["name"], settings["mqtt_topic"] + "/" + settings["name"], settings["wifi_ssid"]
    will = topic.encode() + b"/availability", b"offline"
    number, mqtt_tls = chip(), settings["mqtt_tls"]
    client = Client(
        settings["mqtt_host"], settings["mqtt_port"] or PORTS[bool(mqtt_tls)], (name + number).encode(), keepalive(settings),
        settings["mqtt_user"].encode(), settings["mqtt_password"].encode(), will, mqtt_tls,
    )  # fmt: skip
    online = wifi(ssid, settings["wifi_password"]) if ssid else lambda: True
    queue, node = Queue(path, settings["log_bytes"]), "l3mote" + (number or "-" + slug(name))
    return Publisher(client, topic, queue, online, Clock(settings["ntp_host"]), node, settings["mqtt_discovery"])


def keepalive(settings):
    """Return the seconds of silence that a broker bears, and half as many again: what the app sleeps is in them."""
    return min(65535, KEEPALIVE + int(settings["every"] if settings["mode"] == "every" else 0))


def chip():
    """Return the chip's number behind a "-", where it has one: a broker throws out the elder of two clients of one name."""
    try:
        from machine import unique_id
    except ImportError:
        try:
            from microcontroller import cpu
        except ImportError:
            return ""
        return "-" + str(hexlify(cpu.uid), "ascii")
    return "-" + str(hexlify(unique_id()), "ascii")
