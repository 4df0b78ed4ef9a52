"""`l3mote report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from l3host.errors import L3Error
from l3host.files import claim_output, write_bytes
from l3host.show import plural, results, say

HELP = "Write an HTML page and a Markdown table of finished runs, with the papers' figures beside them."
EXAMPLE = "l3mote report runs/sea64-87-kd runs/sea64-95-kd -o report.html"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run", nargs="+", help="a run folder of compress")
    sub.add_argument("-o", "--output", required=True, help=".html file to write; the table is written beside it as .md")
    sub.add_argument("--force", action="store_true", help="overwrite the output")


def run(args: argparse.Namespace) -> int:
    from l3host.pipeline import report as page
    from l3host.pipeline.finished import read_all

    html = claim_output(args.output, args.force)
    markdown = claim_output(str(html.with_suffix(".md")), args.force)
    if html == markdown:
        raise L3Error(f"{html}: the page is HTML, name it .html; the Markdown table goes beside it")
    runs = read_all([Path(run) for run in args.run])
    write_bytes(html, page.html(runs).encode())
    write_bytes(markdown, page.markdown(runs).encode())
    result = {"html": str(html), "markdown": str(markdown), "runs": len(runs)}
    results(args.json, result, lambda: say(f"{html}, {markdown}: {plural(len(runs), 'run')}"))
    return 0
