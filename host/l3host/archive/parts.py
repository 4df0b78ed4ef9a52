"""Parts of a store: files with the results of some recordings each, written by whichever process computed them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from l3host.errors import L3Error

HELD = 1 << 24  # bytes of results kept in memory before they are written


class Writer(Protocol):
    """Writes a part's file."""

    def write(self, file: str, blocks: list) -> None: ...  # what the task added of a file
    def close(self) -> None: ...


class Part:
    """A part while it is written. A file's results are in it whole; torn: those of one are not, so the part must be dropped."""

    def __init__(self, path: Path, writer: Callable[[Path], Writer]):
        self.path, self.make = path, writer
        self.writer: Writer | None = None
        self.torn = False
        self.due: list[tuple[str, list]] = []  # of whole files
        self.held = 0
        self.begin("")

    def begin(self, file: str) -> None:
        self.file, self.size = file, 0
        self.blocks: list = []
        self.begun = False  # some of it is written

    def add(self, block: Any, size: int) -> None:
        """Add results of the file; size: their bytes."""
        self.blocks.append(block)
        self.size += size
        if self.size > HELD:
            self.end()
            self.begun, self.blocks, self.size = True, [], 0
            self._write()

    def end(self) -> None:
        """The file is whole."""
        if self.blocks:
            self.due.append((self.file, self.blocks))
            self.held += self.size
        if self.held > HELD:
            self._write()

    def drop(self) -> None:
        """The file failed."""
        self.torn = self.torn or self.begun

    def _write(self) -> None:
        self.writer = self.writer or self.make(self.path)
        for file, blocks in self.due:
            self.writer.write(file, blocks)
        self.due, self.held = [], 0

    def close(self) -> bool:
        """Write everything to the disk; a part that is torn or empty is removed."""
        wanted = not self.torn and (self.writer or self.due)
        if wanted:
            self._write()
        if self.writer:
            self.writer.close()
        if not wanted:
            self.path.unlink(missing_ok=True)
            return False
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())
        return True


class CsvWriter:
    """Rows of text."""

    def __init__(self, path: Path, head: list[str]):
        self.file = open(path, "w", encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115  close() closes it
        self.rows = csv.writer(self.file)
        self.rows.writerow(head)

    def write(self, file: str, blocks: list) -> None:
        for block in blocks:
            self.rows.writerows([file, *row] for row in block)

    def close(self) -> None:
        self.file.close()


class ParquetWriter:
    """file, seconds (of the recording), embedding: a row a window, which pandas.read_parquet reads from the whole folder."""

    def __init__(self, path: Path, size: int):
        pyarrow, parquet = arrow()
        self.pyarrow, self.size = pyarrow, size
        embedding = pyarrow.list_(pyarrow.float32(), size)
        fields = [("file", pyarrow.string()), ("seconds", pyarrow.float64()), ("embedding", embedding)]
        self.schema = pyarrow.schema(fields)
        self.file = parquet.ParquetWriter(path, self.schema, use_dictionary=["file"], compression="zstd")

    def write(self, file: str, blocks: list) -> None:
        """blocks: (seconds (n,), embeddings (n, D))."""
        seconds, values = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
        name = file.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        flat = self.pyarrow.array(np.ascontiguousarray(values, np.float32).reshape(-1))
        embedding = self.pyarrow.FixedSizeListArray.from_arrays(flat, self.size)
        columns = [self.pyarrow.array([name] * len(seconds)), self.pyarrow.array(seconds), embedding]
        self.file.write_batch(self.pyarrow.record_batch(columns, schema=self.schema))

    def close(self) -> None:
        self.file.close()


def arrow():
    """pyarrow and its Parquet. Raises L3Error where it is not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise L3Error("a store of embeddings is Parquet: pip install 'l3mote[archive]'") from None
    return pyarrow, parquet
