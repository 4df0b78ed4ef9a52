"""Runs on a board, right after a soft reset: what it is, as one printed dict. After firmware.py."""

import gc
import os
import sys

gc.collect()
free = gc.mem_free()


def emits(decorator):
    """Return whether this firmware compiles functions with this decorator."""
    try:
        exec("import micropython\n@micropython.%s\ndef f():\n pass" % decorator)
    except (ImportError, SyntaxError, AttributeError, ValueError):
        return False
    return True


def writable():
    try:
        with open("l3probe.tmp", "wb") as f:
            f.write(b"?")
        os.remove("l3probe.tmp")
    except OSError:
        return False
    return True


def float_bits():
    try:
        one, small = eval("1.0"), eval("1e-12")
    except (SyntaxError, ValueError):
        return 0
    return 64 if one + small > one else 32


print(
    repr(
        {
            "implementation": sys.implementation.name,
            "version": tuple(sys.implementation.version[:3]),
            "machine": getattr(sys.implementation, "_machine", sys.platform),
            "mpy": getattr(sys.implementation, "_mpy", 0),
            "float_bits": float_bits(),
            "ulab": importable("ulab"),
            "viper": emits("viper"),
            "hashlib": importable("hashlib"),
            "heap": free,
            "folder": os.getcwd(),
            "flash": os.statvfs(os.getcwd())[1] * os.statvfs(os.getcwd())[3],
            "writable": writable(),
            "names": [name for name in FIRMWARE if importable(name)],
        }
    )
)
