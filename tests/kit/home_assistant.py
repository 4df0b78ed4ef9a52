"""What Home Assistant makes of a broker's messages: its rules for MQTT discovery, from its documentation, without our code.

It reads what mosquitto_sub prints of every topic, and renders value templates with Jinja2, as Home Assistant does.
"""

import json
import re
import subprocess

import jinja2
from broker import wait

CONFIG = re.compile(r"homeassistant/([a-z_]+)/([A-Za-z0-9_-]+)/([A-Za-z0-9_-]+)/config")
EVERY = {
    "name", "unique_id", "device", "origin", "availability_topic", "payload_available", "payload_not_available", "icon",
    "entity_category", "json_attributes_topic",
}  # fmt: skip
KEYS = {  # of a component: those that it must have, those that it may have
    "binary_sensor": (
        {"state_topic"},
        {"device_class", "payload_on", "payload_off", "value_template", "off_delay", "expire_after"},
    ),
    "sensor": ({"state_topic"}, {"device_class", "state_class", "unit_of_measurement", "value_template", "expire_after"}),
    "number": ({"command_topic"}, {"state_topic", "min", "max", "step", "mode", "retain", "unit_of_measurement", "value_template"}),
    "switch": ({"command_topic"}, {"state_topic", "retain", "payload_on", "payload_off", "value_template"}),
    "button": ({"command_topic"}, {"payload_press", "retain"}),
}
CATEGORIES = {"sensor": {"diagnostic"}, "binary_sensor": {"diagnostic"}, "button": {"config", "diagnostic"}}
UNITS = {"sound_pressure": {"dB", "dBA"}, "data_size": {"B", "kB", "MB"}, None: {None}}
STATE_CLASSES = {None, "measurement", "total", "total_increasing"}


def refuse(condition, why):
    assert not condition, f"Home Assistant refuses: {why}"


def check(component, config):
    """Would Home Assistant take this entity?"""
    must, may = KEYS[component]
    refuse(missing := (must | {"unique_id", "device", "name"}) - config.keys(), f"lacks {missing}")
    refuse(unknown := config.keys() - must - may - EVERY, f"does not know {unknown}")
    refuse(not isinstance(config["name"], str) or not config["name"], "no name")
    device = config["device"]
    refuse(device.keys() - {"identifiers", "name", "manufacturer", "model", "sw_version"}, "device's keys")
    refuse(not device["identifiers"] or not all(isinstance(i, str) for i in device["identifiers"]), "no identifiers")
    refuse(not config["origin"]["name"], "no origin")
    for key, value in config.items():
        if key.endswith("_topic"):
            refuse(not value or set(value) & set("+#\0") or len(value.encode()) > 65535, f"{key} {value!r}")
        if key.endswith("_template"):
            jinja2.Environment().parse(value)
    allowed = CATEGORIES.get(component, {"config", "diagnostic"}) | {None}
    refuse(config.get("entity_category") not in allowed, "entity_category")
    if component == "sensor":
        refuse(config.get("unit_of_measurement") not in UNITS[config.get("device_class")], "the unit does not suit the class")
        refuse(config.get("state_class") not in STATE_CLASSES, "state_class")
    if component == "number":
        refuse(not config["min"] < config["max"] or not config["step"] >= 0.001, "range")
        refuse(config.get("mode", "auto") not in ("auto", "box", "slider"), "mode")


class HomeAssistant:
    """Entities by unique_id, and the last payload of each topic, from a subscriber's lines "RETAINED TOPIC\\tPAYLOAD"."""

    def __init__(self, lines):
        self.entities, self.topics, self.kept = {}, {}, {}
        for line in lines:
            self.hear(line)

    def hear(self, line):
        flag, rest = line.split(" ", 1)
        topic, payload = rest.split("\t", 1)
        self.topics[topic] = payload
        self.kept[topic] = flag == "1"
        if not topic.startswith("homeassistant/") or topic == "homeassistant/status":
            return
        result = CONFIG.fullmatch(topic)
        refuse(not result, f"topic {topic}")
        component, node, ident = result.groups()
        same = [key for key, entity in self.entities.items() if (entity["component"], entity["id"]) == (component, ident)]
        if not payload:
            for key in same:
                del self.entities[key]
            return
        config = json.loads(payload)
        check(component, config)
        key = config["unique_id"]
        refuse(key in self.entities and key not in same, f"{key} is there twice")
        self.entities[key] = {"component": component, "node": node, "id": ident, **config}

    def named(self, name):
        (result,) = (entity for entity in self.entities.values() if entity["name"] == name)
        return result

    def state(self, name):
        """What Home Assistant shows of the entity with this name."""
        entity = self.named(name)
        if self.topics.get(entity["availability_topic"]) != entity.get("payload_available", "online"):
            return "unavailable"
        payload = self.topics.get(entity["state_topic"])
        if payload is None:
            return "unknown"
        if template := entity.get("value_template"):
            return jinja2.Template(template).render(value=payload, value_json=json.loads(payload))
        if entity["component"] in ("binary_sensor", "switch"):
            return {"ON": "on", "OFF": "off"}.get(payload, "unknown")
        return payload

    def attributes(self, name):
        return json.loads(self.topics[self.named(name)["json_attributes_topic"]])


class House:
    """A subscriber of everything, read as Home Assistant reads it."""

    def __init__(self, folder, port):
        self.received = folder / f"house{len(list(folder.glob('house*')))}"
        command = ["mosquitto_sub", "-p", str(port), "-t", "#", "-F", "%r %t\\t%p"]
        self.process = subprocess.Popen(["stdbuf", "-oL", *command], stdout=self.received.open("ab"))

    def now(self):
        return HomeAssistant(
            [line for line in self.received.read_text().split("\n")[:-1] if not line.split(" ", 1)[1].startswith("$")]
        )

    def shows(self, name, state):
        def shown():
            house = self.now()
            return name in [entity["name"] for entity in house.entities.values()] and house.state(name) == state

        wait(shown, f"{name} {state}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def publish(port, topic, payload, *more):
    subprocess.run(["mosquitto_pub", "-p", str(port), "-t", topic, "-m", payload, *more], check=True)
