"""Foreign HDF5 files: one that leads to other files, or unpacks to more than a network has, is refused before it is read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import h5py

from l3host import costs
from l3host.errors import L3Error, malformed, reason

MOST_NAMES = 10_000
WEIGHTS = "model.weights.h5"  # in a .keras


def unpacked(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a file of a zip. Raises L3Error for one of more bytes, before it is read, and what zipfile raises."""
    costs.check_size(name, archive.getinfo(name).file_size, most)
    return archive.read(name)


def look(data: bytes) -> None:
    """Read all of a .keras or .h5 that Keras will read itself. Raises L3Error for what it must not, and for what is damaged."""
    try:
        if data.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                others = set(archive.namelist()) - {"config.json", "metadata.json", WEIGHTS}
                if others:
                    raise L3Error(f"it holds {min(others)}: Keras writes no such file for an L3 network")
                unpacked(archive, "config.json", costs.TEXT_BYTES)
                data = unpacked(archive, WEIGHTS, costs.FILE_BYTES)
        with opened(data) as file:
            file.visititems(lambda _, item: item[()] if isinstance(item, h5py.Dataset) else None)
    except malformed() as e:
        raise L3Error(f"damaged or no Keras file: {reason(e)}") from None


@contextmanager
def opened(data: bytes) -> Iterator[h5py.File]:
    """Open a file after checking every object in it. Raises L3Error, and what h5py raises."""
    with h5py.File(io.BytesIO(data), "r") as file:
        check(file)
        yield file


def check(file: h5py.File) -> None:
    """Raise L3Error for links that are not hard, arrays whose bytes stand in other files, and contents that are too large."""
    count, size, waiting, seen = 0, 0, [file["/"]], set()
    while waiting:
        group = waiting.pop()
        for name in group:
            count += 1
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise L3Error(f"{group.name}/{name} is a link to elsewhere, which is not followed: Keras writes no links")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                size += _bytes(item)
            costs.check_size("all arrays together", size, costs.ARRAY_BYTES)
            if count > MOST_NAMES:
                raise L3Error(f"more than {MOST_NAMES} names: not a network for a microcontroller")


def _bytes(item: h5py.Dataset) -> int:
    """Return the bytes of an array, unpacked. Raises L3Error for one that stands in another file or has no numbers."""
    if item.external or item.is_virtual:
        raise L3Error(f"{item.name} has its values in another file, which is not read: Keras does not write that")
    if item.dtype.hasobject:
        raise L3Error(f"{item.name} has values of {item.dtype}, not numbers: Keras does not write that")
    return item.size * item.dtype.itemsize if item.size else 0
