"""HDF5 files of strangers: one that leads to other files, or unpacks to more than a network has, is refused before it is read."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import h5py

from l3host.errors import L3Error

MOST_BYTES = 1 << 29  # of all arrays: twice 64 M weights in float32
MOST_NAMES = 10_000


def unpacked(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of a zip. Raises L3Error for one that is too large to be a network's, before it is read; what zipfile raises."""
    size = archive.getinfo(name).file_size
    if size > MOST_BYTES:
        raise L3Error(f"{name} has {size} bytes: more than {MOST_BYTES} are not unpacked")
    return archive.read(name)


def check_model(data: bytes) -> None:
    """Look at a .keras or .h5 that others will read. Raises L3Error; what is damaged is left to them."""
    with suppress(zipfile.BadZipFile, zlib.error, OSError, LookupError, ValueError, RuntimeError):
        if data.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                data = unpacked(archive, "model.weights.h5")
        with opened(data):
            pass


@contextmanager
def opened(data: bytes) -> Iterator[h5py.File]:
    """A file whose every object has been looked at. Raises L3Error, and what h5py raises."""
    with h5py.File(io.BytesIO(data), "r") as file:
        check(file)
        yield file


def check(file: h5py.File) -> None:
    """Raises L3Error for links that are not hard, arrays whose bytes stand in other files, and what is too much."""
    count, size, waiting, seen = 0, 0, [file["/"]], set()
    while waiting:
        group = waiting.pop()
        for name in group:
            count += 1
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise L3Error(f"{group.name}/{name} is a link to elsewhere, which is not followed: Keras writes none")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise L3Error(f"{item.name} has its values in another file, which is not read: Keras writes none such")
                size += item.size * item.dtype.itemsize if item.size else 0
            if size > MOST_BYTES or count > MOST_NAMES:
                raise L3Error(f"more than {MOST_BYTES} bytes of arrays, or {MOST_NAMES} names: not a network for a microcontroller")
