"""python tests/bench_listen.py FOLDER: a folder of clips through the listening app on the emulated RP2040, against the reference.

Prints a table; exit status 1 if the events of one differ.
"""

import sys
from pathlib import Path

from test_emulate_listen import expected, reported

from l3host import show
from l3host.emulate.listen import listen

if __name__ == "__main__":
    table = show.table("Listening, emulated RP2040", "clip", "events", "as the reference", "windows", "seconds a window")
    same = []
    for clip in sorted(Path(sys.argv[1]).iterdir()):
        with show.waiting(clip.name, False):
            heard = listen("esc10", str(clip), "rp2040")
        same.append(reported(heard) == expected(clip))
        facts, events = heard.facts, len(reported(heard))
        row = clip.stem, events, "yes" if same[-1] else "NO", facts["windows"], f"{facts['seconds_per_window']:.3f}"
        table.add_row(*map(str, row))
    show.draw(table)
    sys.exit(0 if all(same) else 1)
