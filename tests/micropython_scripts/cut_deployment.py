"""Runs in MicroPython's unix port: a board without a network, its flash a LittleFS or FAT in memory whose power can be cut.

micropython cut_deployment.py FOLDER... (of file_operations.py and start.py). Each line on stdin is an expression; its value or
exception comes back in a line that begins with = or !
"""

import gc
import sys

import vfs

sys.path[:0] = sys.argv[1:]
from file_operations import *
from start import *

BLOCKS, MOUNT = 160, "/b"
sys.path.append(MOUNT + "/lib")
SIZES = {"VfsLfs2": 1024, "VfsFat": 512}  # small blocks are more writes to cut at


class Cut(Exception):
    pass


class Memory:
    """A block device. After `left` writes and erasures the next one is done by half, and nothing more is."""

    def __init__(self, size, data):
        self.size = size
        self.data = memoryview(data)
        self.left = None
        self.writes = 0
        self.dead = False  # then garbage that closes its files changes nothing

    def readblocks(self, n, buf, offset=0):
        at = n * self.size + offset
        buf[:] = self.data[at : at + len(buf)]

    def put(self, at, data):
        if self.dead:
            return
        self.writes += 1
        if self.left is not None:
            if not self.left:
                data, self.dead = data[: len(data) // 2], True
            self.left -= 1
        self.data[at : at + len(data)] = data
        if self.dead:
            raise Cut

    def writeblocks(self, n, buf, offset=0):
        self.put(n * self.size + offset, buf)

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return self.size
        if op == 6:
            self.put(arg * self.size, b"\xff" * self.size)
        return 0


flash = None
images = []


def power_on(kind, image=None):
    """With the file system of images[image], or a new one; mounted at MOUNT."""
    global flash
    if flash:
        power_off()
    flash = Memory(SIZES[kind], bytearray(BLOCKS * SIZES[kind] if image is None else images[image]))
    if image is None:
        getattr(vfs, kind).mkfs(flash)
    vfs.mount(getattr(vfs, kind)(flash), MOUNT)


def power_off():
    flash.dead = True
    vfs.umount(MOUNT)
    sys.modules.pop(CHECKER, None)
    gc.collect()


def keep():
    """Put away the file system as it is; returns its number in images."""
    images.append(bytes(flash.data))
    return len(images) - 1


def cut_after(writes):
    flash.left = writes


def starts(program, circuitpython):
    """'own', or the version that starts; anything else is what went wrong."""
    for name in ("code.py", "main.py")[not circuitpython :]:
        result = read(MOUNT + "/" + name)
        if result is not None:
            break
    if not result:
        return "nothing"  # none or, on FAT, one that is still empty
    if result != program:
        return "own" if result in (b"own code", b"own main") else "a program of %s" % result
    for name in ("l3start", "l3start_next"):  # as the program does
        starter = {}
        try:
            exec(read(MOUNT + "/lib/" + name + ".py") or "", starter)
            starter["WHOLE"]
        except Exception:
            continue
        return str(starter["running"](MOUNT + "/l3")[1])
    return "no starter"


while True:
    line = sys.stdin.readline()
    if not line:
        break
    try:
        answer = "=" + repr(eval(line))
    except Exception as e:
        answer = "!" + repr(e)
    print(answer)
