"""Runs in MicroPython's unix port: recorded deployments on a LittleFS or FAT in memory, its power cut at every write to a block.

micropython deploy_board.py JOB.json FOLDER... (with files.py, start.py). Prints the writes there were, and how often what started.
"""

import json
import sys

import vfs

sys.path[:0] = sys.argv[2:]
import files
import start

BLOCKS, MOUNT = 128, "/b"
SIZES = {"VfsLfs2": 4096, "VfsFat": 512}
UNWRITTEN = ("running", "slots", "tree", "digest", "names", "space", "read", "exists", "damage")


class Cut(Exception):
    pass


class Memory:
    """A block device. After `left` writes and erasures the next one is done by half, and nothing more is."""

    def __init__(self, size, data=None):
        self.size = size
        self.data = bytearray(BLOCKS * size) if data is None else bytearray(data)
        self.left = None
        self.writes = 0

    def readblocks(self, n, buf, offset=0):
        at = n * self.size + offset
        buf[:] = self.data[at : at + len(buf)]

    def put(self, at, data):
        self.writes += 1
        if self.left is not None:
            if not self.left:
                data, self.left = data[: len(data) // 2], -1
                self.data[at : at + len(data)] = data
            if self.left < 0:
                raise Cut
            self.left -= 1
        self.data[at : at + len(data)] = data

    def writeblocks(self, n, buf, offset=0):
        self.put(n * self.size + offset, bytes(buf))

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return self.size
        if op == 6:
            self.put(arg * self.size, b"\xff" * self.size)
        return 0


def mount(kind, memory):
    vfs.mount(getattr(vfs, kind)(memory), MOUNT)


def unmount():
    try:
        vfs.umount(MOUNT)
    except (Cut, OSError):  # it writes, too
        return


def replay(calls):
    for name, arguments in calls:
        if name not in UNWRITTEN:
            getattr(files, name)(*arguments)


def starts(job):
    """'own', or the version that starts; anything else is what went wrong."""
    names = ("code.py", "main.py") if job["circuitpython"] else ("main.py",)
    program = [p for p in (files.read(MOUNT + "/" + name) for name in names) if p is not None]
    if not program:
        return "no program"
    if program[0] in (b"own code", b"own main"):
        return "own"
    if program[0] != job["program"].encode():
        return "half a program"
    starter = files.read(MOUNT + "/l3start.py") or files.read(MOUNT + "/lib/l3start.py")
    if starter is None or starter.decode() not in job["starters"]:
        return "no whole starter"
    return start.running(MOUNT + "/l3")[1]


def sweep(kind, job):
    """{what starts: number of cuts after which it does}, and the number of writes."""
    memory = Memory(SIZES[kind])
    getattr(vfs, kind).mkfs(memory)
    mount(kind, memory)
    replay(job["before"])
    unmount()
    base, found, n = bytes(memory.data), {}, 0
    while True:
        memory = Memory(SIZES[kind], base)
        mount(kind, memory)
        memory.left = n
        try:
            replay(job["calls"])
            done = memory.left >= 0
        except (Cut, OSError):
            done = False
        unmount()
        memory = Memory(SIZES[kind], memory.data)
        mount(kind, memory)
        what = str(starts(job))
        unmount()
        found[what] = found.get(what, 0) + 1
        if done:
            return {"starts": found, "writes": n, "last": what}
        n += 1


with open(sys.argv[1]) as f:
    job = json.load(f)
print(json.dumps(sweep(job["file_system"], job)))
