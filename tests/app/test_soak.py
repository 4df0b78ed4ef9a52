"""An hour of the app with the shipped model, in simulated time (ten days: `make soak`): nothing is lost, nothing grows.

Real are the app, the model, the log's files, MQTT and its broker; simulated are the microphone and the time that the network takes.
"""

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import soundfile
from broker import Broker, free_port, require_mosquitto, wait
from support import ROOT, SCRIPTS, require
from ten import TEN, WINDOW_SECONDS, sounds

from l3host.l3m.load import load_graph
from l3host.programs import venv_tool
from l3host.reference import listening
from l3mote.log import Log

HOURS = int(os.environ.get("L3_SOAK_HOURS", 1))
SHARE = 3 if HOURS == 1 else 17  # the network runs on one window in so many, see soak.py
RATE, PERIOD = 16000, 16  # Hz; seconds until the sound comes again, and windows, one of two seconds every second
THRESHOLD = 0.6


def period():
    """Sixteen seconds of four of the model's classes, and silence at their end: nothing is heard across it."""
    pcm = sounds(RATE)
    return np.pad(pcm, (0, RATE * PERIOD - len(pcm)))


def text(ms):
    return f"{ms // 1000}.{ms % 1000:03}"


def expected(pcm, periods):
    """(event, label, t as text) of every event, in order: those of the first period, then those of the second again and again.

    They differ because a window reaches from each period into the next one.
    """

    def events(periods):
        once = listening.listen(load_graph(TEN), np.tile(pcm, periods), RATE, {"threshold": THRESHOLD})
        return [(e["event"], e["label"], round(1000 * e["t"])) for e in once]

    def later(events, periods):
        return [(kind, label, ms + 1000 * PERIOD * periods) for kind, label, ms in events]

    first, two = events(1), events(2)
    second = two[len(first) :]
    assert two[: len(first)] == first and len(second) == len(first) > 0, "a period's events are all its own"
    assert events(3) == two + later(second, 1)
    result = first + [event for k in range(periods - 1) for event in later(second, k)]
    return [(kind, label, text(ms)) for kind, label, ms in result]


def run(folder, port):
    """Run it; returns its lines, the last of which has the heap."""
    given = {"mic": "callback", "log": str(folder / "events"), "mqtt_host": "127.0.0.1", "mqtt_port": port, "threshold": THRESHOLD}
    job = {"hours": HOURS, "share": SHARE, "period": PERIOD, "seconds": WINDOW_SECONDS, "steps": 200}
    (folder / "job.json").write_text(json.dumps(job | {"settings": given | {"mqtt_topic": "yard", "name": "noise"}}))
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'device'}:.frozen"}
    command = [venv_tool("micropython"), "-X", "heapsize=1m", SCRIPTS / "soak.py", folder]
    with (folder / "printed").open("w") as f:
        done = subprocess.run(command, cwd=folder, env=environment, stdout=f, stderr=subprocess.STDOUT)
    assert done.returncode == 0, (folder / "printed").read_text()[-2000:]
    return (folder / "printed").read_text().splitlines()


def test_the_app_for_a_long_time(tmp_path):
    require(venv_tool("micropython"), "MicroPython is not installed: run make setup")
    require_mosquitto()
    pcm, port = period(), free_port()
    soundfile.write(tmp_path / "sound.wav", pcm, RATE, subtype="PCM_16")
    (tmp_path / "model.l3m").write_bytes(Path(TEN).read_bytes())
    with Broker(tmp_path, port, "allow_anonymous true\nmax_queued_messages 0") as broker:
        begun = time.monotonic()
        *lines, last = run(tmp_path, port)
        print(f"{HOURS} h in {time.monotonic() - begun:.0f} s: {last}")
        wait(lambda: broker.text().count("yard/noise {") >= len(lines), "every line")
        assert broker.payloads() == lines, "MQTT has what was printed, once each"
    records = [json.loads(line) for line in lines]
    assert not [r for r in records if r["event"] == "warning"]
    times = [line.partition('"t": ')[2].partition(",")[0] for line in lines]  # the text, not what a float makes of it
    report = [(r["event"], r["label"], t) for r, t in zip(records, times, strict=True) if r["event"] in ("start", "end")]
    assert report == expected(pcm, 3600 * HOURS // PERIOD)
    levels = [t for r, t in zip(records, times, strict=True) if r["event"] == "level"]
    assert levels == [text(10_000 * (k + 1)) for k in range(360 * HOURS)]
    assert records[-1]["label"] == "end of the recording" and times[-1] == f"{3600 * HOURS}.000"
    assert records[-1]["lost"] == records[-1]["skipped"] == records[-1]["overruns"] == 0
    assert records[-1]["windows"] == 3600 * HOURS - 1  # the last one begins two seconds before the end
    logged = [line for line, _ in Log(str(tmp_path / "events"), 65536).lines()]
    events = [line for line, record in zip(lines, records, strict=True) if record["event"] != "level"]
    assert len(logged) > 200 and logged == events[-len(logged) :]
    messages = json.loads(last)
    assert messages["wrong"] == 0 and messages["ran"] * SHARE >= messages["loud"] > 0.8 * records[-1]["windows"]
    assert len(messages["heap"]) == 6 * HOURS and max(messages["heap"]) - messages["heap"][0] <= 1024, messages["heap"]
