"""Puts MicroPython's `umqtt.simple` from PyPI into a folder, for the tests: its sdist has no setup.py, so pip does not take it.

usage: umqtt.py FOLDER
"""

import sys
import tarfile
import tempfile
from pathlib import Path

from pypi_simple import PyPISimple

NAME, VERSION = "micropython-umqtt.simple", "1.3.4"


def main(folder: Path) -> None:
    to = folder / "umqtt" / "simple.py"
    if to.exists():
        return
    with PyPISimple() as index, tempfile.TemporaryDirectory() as work:
        package = next(p for p in index.get_project_page(NAME).packages if p.version == VERSION)
        sdist = Path(work) / package.filename
        index.download_package(package, sdist)  # checks its digest
        with tarfile.open(sdist) as archive:
            data = archive.extractfile(f"{NAME}-{VERSION}/umqtt/simple.py").read()
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
