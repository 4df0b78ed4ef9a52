"""Run a folder of clips through the listening app on the emulated RP2040 and compare its events with the reference.

python tools/bench_listen.py FOLDER prints a table; exit status 1 if the events of a clip differ.
"""

import sys
from pathlib import Path

from l3host import show
from l3host.emulate.listen import listen
from l3host.l3m.load import load_graph
from l3host.reference import listening as reference
from l3host.sound import hearing


def expected(clip, model="esc10", **settings):
    graph = load_graph(model)
    pcm = hearing.load_pcm(str(clip), graph.frontend.sample_rate)
    return [(e["event"], e["label"], e["t"]) for e in reference.listen(graph, pcm, graph.frontend.sample_rate, settings)]


def reported(report):
    return [(e["event"], e["label"], e["t"]) for e in report.events if e["event"] in ("start", "end")]


def main(folder: Path) -> int:
    table = show.table("Listening, emulated RP2040", "clip", "events", "as the reference", "windows", "seconds a window")
    same = []
    for clip in sorted(folder.iterdir()):
        with show.waiting(clip.name, False):
            report = listen("esc10", str(clip), "rp2040")
        same.append(reported(report) == expected(clip))
        facts, events = report.facts, len(reported(report))
        row = clip.stem, events, "yes" if same[-1] else "NO", facts["windows"], f"{facts['seconds_per_window']:.3f}"
        table.add_row(*map(str, row))
    show.draw(table)
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
