"""Runs on the QEMU board before a script: /job is the ROMFS image's job folder to read, and the host's folder to write.

Files are written by ARM semihosting (BKPT 0xAB, the operation in r0, its block of arguments in r1), relative to QEMU's working folder.
"""

import io
import sys
import vfs
from array import array

import micropython
import uctypes

OPEN, CLOSE, WRITE, EXIT_EXTENDED = 0x01, 0x02, 0x05, 0x20
MODES = {"w": 4, "wb": 5}
APPLICATION_EXIT = 0x20026


@micropython.asm_thumb
def _call(r0, r1):
    data(2, 0xBEAB)  # noqa: F821


def semihost(operation, *words):
    return _call(operation, array("I", words))


class HostFile(io.IOBase):
    """A file of the host, open for writing."""

    def __init__(self, path, mode):
        name = path.encode() + b"\0"
        self.handle = semihost(OPEN, uctypes.addressof(name), MODES[mode], len(name) - 1)
        if self.handle < 0:
            raise OSError("the host does not open " + path)

    def write(self, data):
        data = memoryview(data if not isinstance(data, str) else data.encode())
        n = len(data) * len(bytes(data[:1]))
        if n and semihost(WRITE, self.handle, uctypes.addressof(data), n):
            raise OSError("the host did not write it all")
        return n

    def close(self):
        semihost(CLOSE, self.handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class JobFolder:
    """A file system: reads come from a folder of the image, writes go to the host."""

    def __init__(self, rom, folder):
        self.rom = rom
        self.folder = folder

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def open(self, path, mode):
        if mode in MODES:
            return HostFile(path.lstrip("/"), mode)
        return self.rom.open(self.folder + path, mode)

    def stat(self, path):
        return self.rom.stat(self.folder + path)


def run(rom, script):
    """Execute a script of the image on /job; leave QEMU with its status."""
    vfs.mount(JobFolder(rom, "/job"), "/job")
    status = 0
    try:
        space = {"__name__": "job"}
        with open(script) as f:
            code = compile(f.read(), script, "exec")
        exec(code, space)
        for _ in space["work"]("/job"):
            pass
    except SystemExit as e:
        status = int(e.args[0])
    except Exception as e:
        sys.print_exception(e)
        status = 1
    semihost(EXIT_EXTENDED, APPLICATION_EXIT, status)
