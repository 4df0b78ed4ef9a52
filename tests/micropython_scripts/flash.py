"""Runs in MicroPython: a block device in memory that lists what changes, so that the power can be cut at every change."""

import vfs

BLOCK = 512
BLOCKS = 128


class Flash:
    """A block device in memory. Once trace is a list, it lists every (offset, bytes) that changes, erasures included."""

    def __init__(self, image):
        self.image = image
        self.trace = None

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        buffer[:] = self.image[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        self.change(block * BLOCK + offset, bytes(buffer))

    def ioctl(self, op, argument):
        if op == 6:
            self.change(argument * BLOCK, b"\xff" * BLOCK)
        return {4: BLOCKS, 5: BLOCK}.get(op, 0)

    def change(self, at, data):
        self.image[at : at + len(data)] = data
        if self.trace is not None:
            self.trace.append((at, data))


def on(file_system, image, function):
    """Return what function() does with the file system of an image, which stands at /flash."""
    vfs.mount(file_system(Flash(image)), "/flash")
    try:
        return function()
    finally:
        vfs.umount("/flash")
