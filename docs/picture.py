"""Draws _static/monitor.svg: what `l3mote monitor` shows of these events, which come at their time.

    l3mote emulate esc10 street.wav --listen --runtime rp2040 --json > heard.json
    python docs/picture.py heard.json
"""

import json
import re
import sys
import time
from pathlib import Path

from rich.console import Console

from l3host.deploy.monitor import Screen

WIDTH = 84


def draw(events: list[dict], to: Path) -> None:
    screen, began = Screen("/dev/ttyACM0"), time.monotonic()
    for event in events:
        time.sleep(max(0, event["t"] - (time.monotonic() - began)))
        screen.add(event)
    console = Console(record=True, width=WIDTH, file=open("/dev/null", "w"))
    console.print(screen)
    svg = console.export_svg(title="l3mote monitor --port /dev/ttyACM0 --csv events.csv")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # no font from elsewhere
    to.write_text(svg.replace("Fira Code", "DejaVu Sans Mono"), encoding="utf-8")


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text())["events"], Path(__file__).parent / "_static" / "monitor.svg")
