"""Files of arrays (.npz): one whose first array grows block by block, never more than a block in memory; and damaged ones."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from l3host.errors import L3Error, reading
from l3host.files import replace

Others = Callable[[int], dict[str, np.ndarray]]  # rows of the first array -> the other arrays


@contextmanager
def opened(path: Path, hint: str = "; delete it to make it again") -> Iterator[np.lib.npyio.NpzFile]:
    """Open a file that an earlier run wrote. Whatever the block raises for its contents is an L3Error, with the hint."""
    with reading(path, hint), np.load(path) as saved:
        yield saved


def write(path: Path, name: str, blocks: Iterable[np.ndarray], others: Others) -> tuple[int, ...]:
    """Write the blocks, one after the other, as the array `name`, and the others. Returns its shape.

    Whatever happens, path is the old file or the complete new one. Raises L3Error (disk full, no permission).
    """
    try:
        with replace(path) as temporary, tempfile.TemporaryFile(dir=path.parent) as values:
            shape, dtype = append(values, blocks)
            with zipfile.ZipFile(temporary, "w") as archive:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(member, head)
                    values.seek(0)
                    shutil.copyfileobj(values, member, 1 << 20)
                for other, array in others(shape[0]).items():
                    with archive.open(f"{other}.npy", "w") as member:
                        np.lib.format.write_array(member, array)
    except OSError as e:
        raise L3Error(f"cannot write {path}: {e.strerror or e}; nothing was written") from None
    return shape


def append(file: BinaryIO, blocks: Iterable[np.ndarray]) -> tuple[tuple[int, ...], np.dtype]:
    """Write the blocks' bytes; the shape and type of them all."""
    rows, block = 0, np.empty(0)
    for block in blocks:
        file.write(np.ascontiguousarray(block).data)
        rows += len(block)
    return (rows, *block.shape[1:]), block.dtype
