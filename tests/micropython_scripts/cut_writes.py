"""Runs in MicroPython: the queue for MQTT, or the slots of a deployment, on a real LittleFS or FAT whose power is cut.

It goes at every change, and within each at a random byte.

usage: cut_writes.py FOLDER (job.json: {"work": "queue" or "slots", "fs": "VfsLfs2", "cuts": 1000, "seed": 1, "files": folder of
file_operations.py}). Prints a line of JSON.
"""

import json
import os
import random
import sys
from binascii import crc32

import vfs
from flash import BLOCK, BLOCKS, Flash, on

from l3mote.log import seal
from l3mote.mqtt import Queue
from l3mote.start import running, slot_line, slot_path

PATH, LIMIT, ROOT = "/flash/q", 4096, "/flash/l3"


class Cuts:
    """Do what step() does, as often as cuts are asked for; check() every state in which the power may go.

    work: a class with prepare(), step() -> what there is to know of the state after it, and check(image, before, after).
    """

    def __init__(self, work, cuts):
        self.work, self.left, self.done = work, cuts, 0

    def run(self):
        flash = Flash(bytearray(BLOCK * BLOCKS))
        FS.mkfs(flash)
        vfs.mount(FS(flash), "/flash")
        before = self.work.prepare()
        image = bytearray(flash.image)
        while self.left > 0:
            flash.trace = []
            after = self.work.step()
            trace, flash.trace = flash.trace, None
            vfs.umount("/flash")
            for at, data in trace:
                self.cut(image, before, after)
                torn = bytearray(image)
                part = random.randrange(len(data))
                torn[at : at + part] = data[:part]
                self.cut(torn, before, after, FS is vfs.VfsLfs2)  # FAT cannot promise anything for a table that is torn
                image[at : at + len(data)] = data
            assert image == flash.image
            before = after
            self.cut(bytearray(image), before, after)
            vfs.mount(FS(flash), "/flash")
        vfs.umount("/flash")
        return {"cuts": self.done}

    def cut(self, image, before, after, whole=True):
        self.work.check(bytearray(image), before, after, whole)
        self.left -= 1
        self.done += 1


class Lines:
    """Lines go into a queue, and are taken out of it. A state: (lines so far, the first that waits)."""

    def prepare(self):
        self.queue = Queue(PATH, LIMIT)
        self.lines = []
        return self.state()

    def state(self):
        return len(self.lines), len(self.lines) - self.queue.waiting

    def step(self):
        if self.queue.waiting and random.random() < 0.45:
            line = self.queue.oldest()
            assert line == self.lines[self.state()[1]]
            self.queue.take()
        else:
            line = seal({"n": len(self.lines), "label": "dog" * random.randrange(30)})
            self.queue.append(line)
            self.lines.append(line)
        return self.state()

    def check(self, image, before, after, whole):
        """All that waited is there, in order; what was taken may be there again. Not whole: nothing stops the app."""
        there = on(FS, image, self.waiting)
        if not whole:
            assert all(line in self.lines for line in there)
        elif there:
            first = self.lines.index(there[0])
            assert there == self.lines[first : first + len(there)], "lines are missing in the middle"
            assert first + len(there) in (before[0], after[0]), (before, after, first, len(there))
            assert first <= max(before[1], after[1]), ("lines are gone", before, after, first)
        else:
            assert before[0] == before[1] or after[0] == after[1], ("lines are gone", before, after)
        again = seal({"event": "after"})
        try:
            on(FS, image, lambda: Queue(PATH, LIMIT).append(again))
        except OSError:  # which the app says, and goes on
            assert not whole
            return
        assert on(FS, image, self.waiting)[-1] == again or not whole

    def waiting(self):
        return [line for line, _ in Queue(PATH, LIMIT).lines()]


class Versions:
    """Two versions take turns, as a deployment and --rollback have it: the slot that does not run is written."""

    def prepare(self):
        os.mkdir(ROOT)
        self.sequence, self.names = 0, []
        for word in ("one", "two"):
            data = word.encode() * 100
            manifest = b"none\n%08x %d model.l3m\n" % (crc32(data), len(data))
            self.names.append("0.1.0-%08x" % crc32(manifest))
            for name, contents in (("manifest", manifest), ("model.l3m", data)):
                files.begin("%s/%s/%s" % (ROOT, self.names[-1], name))
                files.out.write(contents)
                files.end()
        return self.step()

    def step(self):
        slot, version, _ = running(ROOT)
        self.sequence += 1
        new = self.names[version == self.names[0]]
        files.begin(slot_path(ROOT, 1 - slot if slot is not None else 0))
        files.out.write(slot_line(self.sequence, new))
        files.end()
        files.sync()
        return new

    def check(self, image, before, after, whole):
        version = on(FS, image, lambda: running(ROOT)[1])
        assert version in (before, after, None)[: 2 + (not whole)], (version, before, after)


with open(sys.argv[1] + "/job.json") as f:
    job = json.load(f)
sys.path.append(job["files"])
import file_operations as files

FS = getattr(os, job["fs"])
random.seed(job["seed"])
print(json.dumps(Cuts({"queue": Lines, "slots": Versions}[job["work"]](), job["cuts"]).run()))
