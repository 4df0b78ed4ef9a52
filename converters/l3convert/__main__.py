"""The child process of bounded.py: reads a foreign file from stdin, within limits, and writes what is in it.

python -m l3convert layers|look RESULT.npz SECONDS BYTES LENGTH

LENGTH: bytes of the file itself; what follows on stdin is its NAME.data.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

from l3host import costs


def limit(seconds: int, size: int) -> None:
    """Keep this process from taking more time of a processor, or bytes of memory, as far as the system can."""
    with suppress(ImportError):  # POSIX alone
        import resource

        for name, most in (("RLIMIT_CPU", seconds), ("RLIMIT_DATA", size), ("RLIMIT_CORE", 0)):
            with suppress(AttributeError, ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (most, most))


def main(task: str, result: str, seconds: str, size: str, length: str) -> None:
    if not costs.unlimited():
        limit(int(seconds), int(size))
    import numpy as np

    from l3convert import formats, hdf5
    from l3host.errors import L3Error

    try:
        data, beside = sys.stdin.buffer.read(int(length)), sys.stdin.buffer.read()
        if task == "look":
            hdf5.look(data)
            layers = []
        else:
            layers = formats.read(data, beside)
        arrays: dict[str, Any] = {f"{i}/{name}": array for i, layer in enumerate(layers) for name, array in layer.weights.items()}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype.hasobject:  # HDF5 has datasets without any
                raise L3Error(f"array {name} has no values that are numbers")
        about = json.dumps([(layer.class_name, layer.name, layer.config) for layer in layers])
        np.savez(result, layers=about, **arrays)
    except L3Error as e:
        np.savez(result, error=str(e))
    except MemoryError:
        np.savez(result, error=f"it takes more than {int(size):,} bytes of memory to read: {costs.LIFT}")


if __name__ == "__main__":
    main(*sys.argv[1:])
