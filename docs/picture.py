"""Draws _static/monitor.svg: what `l3mote monitor` shows of a recording that the emulated app heard, after so many seconds.

l3mote listen esc10 street.wav --runtime unix --set level_every=0.5 --json > heard.json
python docs/picture.py heard.json 29
"""

import json
import re
import sys
import time
from pathlib import Path

from rich.console import Console

from l3host.deploy.screen import Screen

WIDTH = 84
PORT = "/dev/ttyACM0"


def draw(events: list[dict], seconds: float) -> str:
    """SVG. Takes as long as the recording, because the screen shows the time of day."""
    screen, began = Screen(PORT), time.monotonic()
    for event in events:
        if event["event"] != "status" and event["t"] <= seconds:
            time.sleep(max(0, event["t"] - (time.monotonic() - began)))
            screen.add(event)
    with open("/dev/null", "w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(screen)
    svg = console.export_svg(title=f"l3mote monitor --port {PORT}")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # no font from elsewhere
    return svg.replace("Fira Code", "DejaVu Sans Mono")


if __name__ == "__main__":
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    svg = draw(report["events"], float(sys.argv[2]))
    Path(__file__).with_name("_static").joinpath("monitor.svg").write_text(svg, encoding="utf-8")
