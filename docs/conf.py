"""Sphinx: Markdown by MyST, the reference from docstrings, from the argument parser and from tables in the code. `make docs`."""

import os
import sys
from pathlib import Path

import l3host

sys.path.insert(0, str(Path(__file__).parent))  # generated.py

project = "l3mote"
version = release = l3host.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_argparse_cli", "sphinxcontrib.programoutput", "generated"]

html_theme = "furo"
html_title = "l3mote"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sphinx = html_show_copyright = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# what is imported when it runs, not when it is documented
autodoc_mock_imports = ["av", "distributed", "keras", "sklearn", "tensorflow"]
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}

# pages that show a command's output run the l3mote beside this Python, in the width that the page has
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
