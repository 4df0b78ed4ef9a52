"""CircuitPython's connection to a broker, its Wi-Fi and its clock, by libraries of Adafruit's bundle (circup installs them).

adafruit_minimqtt waits for what the broker answers, for WAIT seconds at most where nothing comes; mqtt_client.py does not.
"""

import ssl
import time

import adafruit_minimqtt.adafruit_minimqtt as minimqtt

WAIT = 0.25  # seconds that the library listens to a socket on which nothing comes
PATIENCE = 5  # seconds for an answer
LOOK = 1000  # ms between two looks at what the broker sends


def pool():
    import socketpool
    import wifi as firmware

    return socketpool.SocketPool(firmware.radio)


class Client:
    """What mqtt_client.Client is; nothing is ever due once a call has returned. sockets: instead of the firmware's."""

    due, out = None, b""

    def __init__(self, host, port, identity, keepalive, user, password, will, mqtt_tls="", sockets=None):
        self.keepalive = keepalive
        self.came = lambda topic, payload: None
        self.sock, self.greeted, self.number = None, False, 0
        self.looked = 0
        self.mqtt = minimqtt.MQTT(
            broker=host, port=port, client_id=str(identity, "utf-8"), keep_alive=keepalive, use_binary_mode=True, connect_retries=1,
            username=str(user, "utf-8") if user else None, password=str(password, "utf-8") if user else None,
            is_ssl=bool(mqtt_tls), ssl_context=trusting(mqtt_tls) if mqtt_tls else None, socket_pool=sockets or pool(),
            socket_timeout=WAIT, recv_timeout=PATIENCE,
        )  # fmt: skip
        self.mqtt.will_set(str(will[0], "utf-8"), str(will[1], "utf-8"), 1, True)
        self.mqtt.on_message = lambda client, topic, payload: self.came(topic.encode(), bytes(payload))

    @property
    def ready(self):
        return self.greeted

    def open(self):
        """Connect. Raises OSError."""
        self.sock = self.mqtt
        self._call(self.mqtt.connect)
        self.greeted = True

    def publish(self, topic, payload):
        self.number += 1
        self._call(self.mqtt.publish, str(topic, "utf-8"), payload, False, 1)

    def show(self, topic, payload):
        self._call(self.mqtt.publish, str(topic, "utf-8"), payload, True, 0)

    def subscribe(self, topics):
        for topic in topics:
            self._call(self.mqtt.subscribe, str(topic, "utf-8"))

    def unsubscribe(self, topics):
        end = time.monotonic_ns() // 1000000 + 1000 * PATIENCE
        while self._call(self.mqtt.loop, WAIT):  # it takes no message for an answer
            if time.monotonic_ns() // 1000000 > end:
                raise OSError("the broker's messages do not end")
        for topic in topics:
            self._call(self.mqtt.unsubscribe, str(topic, "utf-8"))

    def ping(self):
        self._call(self.mqtt.ping)

    def step(self, ms):
        """Look at what has come, now and then: a look takes WAIT where nothing has."""
        now = time.monotonic_ns() // 1000000
        if self.greeted and now - self.looked >= LOOK:
            self.looked = now
            self._call(self.mqtt.loop, WAIT)

    def _call(self, function, *arguments):
        try:
            return function(*arguments)
        except (minimqtt.MMQTTException, RuntimeError, AssertionError) as e:
            raise OSError(str(getattr(e, "__cause__", None) or e))

    def close(self):
        if self.greeted:
            try:  # boards have no contextlib
                self.mqtt.disconnect()
            except (OSError, minimqtt.MMQTTException):
                self.greeted = False
        self.sock, self.greeted = None, False


def trusting(mqtt_tls):
    """Return an SSL context that trusts the CA in a file (DER)."""
    from binascii import b2a_base64

    context = ssl.create_default_context()
    with open(mqtt_tls, "rb") as f:
        pem = str(b2a_base64(f.read()), "ascii")
    context.load_verify_locations(cadata="-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % pem)
    return context


def wifi(ssid, password):
    """Return a function that says whether the board is in its Wi-Fi network; where it is not, it tries for some seconds."""
    from wifi import radio

    def online():
        if not radio.connected:
            try:
                radio.connect(ssid, password, timeout=PATIENCE)
            except ConnectionError:
                return False
        return radio.connected

    return online


def set_clock(host):
    """Set the board's clock by that of a host in the network. Raises ImportError, OSError."""
    import rtc
    from adafruit_ntp import NTP

    rtc.RTC().datetime = NTP(pool(), server=host, tz_offset=0, socket_timeout=WAIT).datetime
