"""Home Assistant's MQTT discovery, and the commands that a board takes. Loaded when needed, then forgotten.

- `PREFIX/COMPONENT/NODE/ID/config`: retained, a JSON object for each entity; an empty one removes what is no longer ours.
- `TOPIC/threshold/LABEL`, `TOPIC/mute`: what these settings are now, retained.
- `TOPIC/set/threshold/LABEL`: takes 0 to 1; `TOPIC/set/threshold`: for all labels.
- `TOPIC/set/mute`: takes ON (nothing is classified and no label reported, levels are) or OFF.
- `TOPIC/set/status`: takes anything; a new line on `TOPIC/status` follows.

A command that its sender has retained comes again after each connection, and so outlives a restart.
"""

import sys

from l3mote import __version__
from l3mote.format import silent
from l3mote.log import text
from l3mote.mqtt import slug, slugs

SENSORS = (  # id, name, kind of line, key of its JSON, is it about the board rather than what it hears?, more
    ("level", "Level", "level", "level", False,
     {"device_class": "sound_pressure", "unit_of_measurement": "dB", "state_class": "measurement"}),
    ("event", "Last sound", "event", "label", False, {"icon": "mdi:ear-hearing"}),
    ("warning", "Last warning", "warning", "label", True, {"icon": "mdi:alert"}),
    ("free", "Free memory", "status", "free", True, {"device_class": "data_size", "unit_of_measurement": "B"}),
    ("windows", "Windows heard", "level", "windows", True, {"state_class": "total_increasing"}),
    ("lost", "Samples lost", "level", "lost", True, {"state_class": "total_increasing"}),
)  # fmt: skip


def greeting(publisher):
    """Do what a connection begins with, step by step: a generator."""
    client, base = publisher.client, publisher.topic
    topics = [base + b"/set/#"]
    if publisher.discovery:
        topics.append(publisher.discovery.encode() + b"/status")
    client.subscribe(topics)
    yield
    if publisher.discovery:
        ours = [("%s/+/%s/+/config" % (publisher.discovery, publisher.node)).encode()]
        client.subscribe(ours)  # the broker sends what it has kept...
        yield
        client.unsubscribe(ours)  # ...and has sent all of it once this is acknowledged
        yield
        for topic, config in configs(publisher):
            client.show(topic, text(config).encode())
            if topic in publisher.known:
                publisher.known.remove(topic)
            yield
    while publisher.known:
        client.show(publisher.known.pop(), b"")
        yield
    for topic, payload in now(publisher):
        client.show(topic, payload)
        yield


def now(publisher):
    """Yield (topic, payload) of everything that is shown."""
    labels, numbers = publisher.monitor.model.labels, reported(publisher.monitor)
    for i in numbers:
        yield publisher.state(labels[i])
    for kind in publisher.newest:
        yield publisher.newest_of(kind)
    for i in numbers:
        yield threshold(publisher, i)
    yield muted(publisher)


def reported(monitor):
    """Return the numbers of the labels that are reported: all but the silent ones."""
    labels = monitor.model.labels
    return [i for i in range(len(labels)) if not silent(labels[i])]


def threshold(publisher, i):
    labels, values = publisher.monitor.model.labels, publisher.monitor.listener.detector.thresholds
    return publisher.topic + b"/threshold/" + slugs(labels)[i].encode(), b"%g" % round(values[i], 3)


def muted(publisher):
    return publisher.topic + b"/mute", b"ON" if publisher.monitor.muted else b"OFF"


# -- discovery


def configs(publisher):
    """Yield (topic, config) of each entity."""
    base, labels = str(publisher.topic, "utf-8"), publisher.monitor.model.labels
    names = slugs(labels)
    shown = [(labels[i], names[i]) for i in reported(publisher.monitor)]
    for label, name in shown:
        config = {"name": label, "state_topic": base + "/state/" + name, "device_class": "sound"}
        yield entity(publisher, "binary_sensor", "label_" + name, config)
    for ident, name, kind, key, is_diagnostic, more in SENSORS:
        config = dict(more)
        config["name"], config["state_topic"], config["value_template"] = name, base + "/" + kind, "{{ value_json.%s }}" % key
        if kind == "level" and publisher.monitor.settings["level_offset"] and "unit_of_measurement" in more:
            config["unit_of_measurement"] = "dBA"  # of sound pressure, no more of full scale
        if is_diagnostic:
            config["entity_category"] = "diagnostic"
        else:
            config["json_attributes_topic"] = base + "/" + kind
        yield entity(publisher, "sensor", ident, config)
    for label, name in shown:
        config = {"name": label + " threshold", "min": 0, "max": 1, "step": 0.01, "mode": "box", "entity_category": "config"}
        yield entity(publisher, "number", "threshold_" + name, settable(config, base, "threshold/" + name))
    yield entity(publisher, "switch", "mute", settable({"name": "Mute", "icon": "mdi:ear-hearing-off"}, base, "mute"))
    config = {"name": "Still there?", "command_topic": base + "/set/status", "entity_category": "diagnostic"}
    yield entity(publisher, "button", "status", config)


def settable(config, base, topic):
    """Add the topics of a setting to a config. The broker keeps what it was set to, so a restart does not lose it."""
    config["state_topic"], config["command_topic"], config["retain"] = base + "/" + topic, base + "/set/" + topic, True
    return config


def entity(publisher, component, ident, config):
    """Return (topic, config) with what all entities have in common."""
    node = publisher.node
    config["unique_id"] = node + "_" + ident
    config["availability_topic"] = str(publisher.topic, "utf-8") + "/availability"
    config["device"] = {
        "identifiers": [node], "name": publisher.monitor.settings["name"], "manufacturer": "l3mote", "model": machine(),
        "sw_version": __version__,
    }  # fmt: skip
    config["origin"] = {"name": "l3mote", "sw_version": __version__}
    return ("%s/%s/%s/%s/config" % (publisher.discovery, component, node, ident)).encode(), config


def machine():
    return getattr(sys.implementation, "_machine", sys.platform)


# -- commands


def obey(publisher, topic, payload):
    """Do what a command says, and show what has changed. Raises ValueError, one line."""
    topic, payload = str(topic, "utf-8"), str(payload, "utf-8").strip()
    what, _, name = topic.partition("/")
    monitor = publisher.monitor
    if what == "status" and not name:
        monitor.status("here", publisher.answer)
    elif what == "mute" and not name:
        mute(monitor, payload)
        publisher.client.show(*muted(publisher))
    elif what == "threshold":
        for i in numbers(monitor, topic, name):
            monitor.listener.detector.thresholds[i] = share(topic, payload)
            publisher.client.show(*threshold(publisher, i))
    else:
        raise ValueError("set/%s is not a command: threshold/LABEL, threshold, mute and status are" % topic[:40])


def numbers(monitor, topic, name):
    """Return the numbers of the labels that a threshold is for: all, where none is named."""
    names, known = slugs(monitor.model.labels), reported(monitor)
    if not name:
        return known
    for i in known:
        if names[i] == slug(name):
            return [i]
    raise ValueError("set/%s: no such label, but %s" % (topic[:40], ", ".join([names[i] for i in known])))


def share(topic, payload):
    try:
        value = float(payload)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError("set/%s takes a number from 0 to 1, not %s" % (topic[:40], payload[:20]))
    return value


def mute(monitor, payload):
    if payload not in ("ON", "OFF"):
        raise ValueError("set/mute takes ON or OFF, not %s" % payload[:20])
    if payload == "ON":
        monitor.emit(monitor.listener.finish())
    monitor.muted = payload == "ON"
