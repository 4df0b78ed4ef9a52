"""Puts MicroPython's `umqtt.simple` from PyPI into a folder: its sdist has no setup.py, so pip does not take it.

usage: umqtt.py FOLDER
"""

import io
import sys
import tarfile
from pathlib import Path

from pypi_simple import PyPISimple

NAME, VERSION = "micropython-umqtt.simple", "1.3.4"


def sdist() -> bytes:
    with PyPISimple() as index:
        page = index.get_project_page(NAME)
        package = next(p for p in page.packages if p.version == VERSION)
        file = Path(package.filename)
        index.download_package(package, file)  # checks its digest
    try:
        return file.read_bytes()
    finally:
        file.unlink()


def main(folder: Path) -> None:
    to = folder / "umqtt" / "simple.py"
    if to.exists():
        return
    with tarfile.open(fileobj=io.BytesIO(sdist())) as archive:
        data = archive.extractfile(f"{NAME}-{VERSION}/umqtt/simple.py").read()
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
