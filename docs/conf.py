"""Sphinx over the whole checkout: the pages are the Markdown files that a code host shows as well. `make docs`."""

import l3host

project = "l3mote"
version = release = l3host.__version__
extensions = ["myst_parser", "sphinx_external_toc", "sphinx.ext.apidoc", "sphinx.ext.autodoc"]
external_toc_path = "docs/_toc.yml"
include_patterns = ["docs/**.md", "docs/**.rst", "*.md", "host/l3host/models/*.md", "device/native/BUILD.md"]
exclude_patterns = ["README.md", "docs/**/modules.rst"]  # the code host's front page, where this has docs/index.md; apidoc's lists

suppress_warnings = ["etoc.toctree", "ref.python"]  # apidoc writes its own toctrees; packages show a name of their modules again

html_theme = "furo"
html_title = "l3mote"
html_static_path = ["_static"]
html_extra_path = ["_static/index.html"]
html_show_sphinx = html_show_copyright = False
myst_heading_anchors = 3

# What boards alone can import, or compile, is read in its source.
BOARD_ONLY = ("mic_machine", "mic_circuitpython", "circuitpython_net", "kernels/capture_*", "kernels/native", "kernels/viper")
# Scripts for boards, and what derives from the classes of Keras and scikit-learn, which would be imported to be described.
THIN = (
    "deploy/remote", "emulate/guest", "console.py", "*/backend.py", "networks/*.py",
    "compress/prune.py", "compress/palette_tuning.py",
)  # fmt: skip
apidoc_automodule_options = ["members"]
apidoc_modules = [
    {
        "path": "../device/l3mote",
        "destination": "docs/reference/internals/l3mote",
        "exclude_patterns": [f"../device/l3mote/{name}.py" for name in BOARD_ONLY],
    },
    {
        "path": "../host/l3host",
        "destination": "docs/reference/internals/l3host",
        "exclude_patterns": [f"../host/l3host/{name}" for name in THIN],
    },
    {"path": "../converters/l3convert", "destination": "docs/reference/internals/l3convert"},
]
autodoc_mock_imports = ["keras", "tensorflow"]  # slow and noisy to import
autodoc_member_order = "bysource"
