"""The directive `generated`: a table that is made from the code, so that no page copies what the code says."""

import json
from collections.abc import Iterable, Sequence

from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from l3host.boards.table import BOARDS
from l3mote.settings import PER_LABEL, SETTINGS, SHARE


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def board_table() -> str:
    rows = ([f"`{name}`", f"{b.heap / 1000:.0f} kB", f"{b.hertz / 1e6:.0f} MHz", b.source] for name, b in BOARDS.items())
    return table(["board", "free heap", "clock", "how that is known"], rows)


def settings_table() -> str:
    """A setting without a default is the model file's or the microphone's."""
    rows = []
    for key, (default, (_, must)) in {**SETTINGS, PER_LABEL + "LABEL": (None, SHARE)}.items():
        rows.append([f"`{key}`", "" if default is None else f"`{json.dumps(default)}`", must])
    return table(["setting", "default", "must be"], rows)


TABLES = {"boards": board_table, "settings": settings_table}


class Generated(SphinxDirective):
    """```{generated} NAME```, a name of TABLES."""

    required_arguments = 1

    def run(self):
        return self.parse_text_to_nodes(TABLES[self.arguments[0]]())


def setup(app: Sphinx) -> dict:
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True}
