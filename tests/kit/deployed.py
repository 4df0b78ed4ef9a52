"""The command line against a board, and what a board's app says."""

import json
import time

from l3host.cli import main
from l3host.deploy import monitor


def l3mote(capsys, *arguments):
    """(status, what it printed: JSON if it is, else stderr)."""
    status = main([*map(str, arguments)])
    out, err = capsys.readouterr()
    return status, json.loads(out) if status == 0 and "--json" in arguments else out + err


def monitored(port):
    """Events from the board, each within a minute."""
    heard = time.monotonic()
    for event in monitor.events(port):
        assert time.monotonic() - heard < 60, "the app says nothing"
        if event:
            heard = time.monotonic()
            yield event
