"""Runs in MicroPython: a log on a real LittleFS or FAT in memory, whose power is cut before, amid and after every single write.

usage: cut_log.py FOLDER (job.json: {"work": "power", "fs": "VfsLfs2", "limit": 4096, "records": 60}). Prints a line of JSON.
"""

import json
import os
import sys

import vfs
from flash import BLOCK, BLOCKS, Flash, on

from l3mote.log import Log, seal
from l3mote.teach import Taught

PATH = "/flash/events"


def lines():
    log = Log(PATH, LIMIT)
    result = [line for line, _ in log.lines()]
    return result, log.corrupt


def write(count):
    """(trace, acknowledged): the changes of `count` appends, and for each line how many changes there were when append returned."""
    flash = Flash(bytearray(BLOCK * BLOCKS))
    FS.mkfs(flash)
    blank = bytearray(flash.image)
    flash.trace = []
    vfs.mount(FS(flash), "/flash")
    log = Log(PATH, LIMIT)
    acknowledged = []
    for i in range(count):
        line = seal({"event": "start", "label": "dog" * (i % 7), "n": i})
        log.append(line)
        acknowledged.append((len(flash.trace), line, log.current))
    vfs.umount("/flash")
    return blank, flash, acknowledged


def check(image, made, acknowledged):
    """Power went after `made` changes: what must be there is, and the log goes on."""
    safe = [entry for entry in acknowledged if entry[0] <= made]
    tail = len(safe)  # of these, the lines in the file that was being written cannot have been rotated away
    while tail and safe[tail - 1][2] == safe[-1][2]:
        tail -= 1
    every = [entry[1] for entry in acknowledged]
    result, corrupt = on(FS, image, lines)
    first = every.index(result[0]) if result else 0
    assert result == every[first : first + len(result)], "lines are missing in the middle"
    assert first <= tail or not safe, "lines of the current file are gone"
    assert first + len(result) in (len(safe), len(safe) + 1), (len(safe), first, len(result))
    assert corrupt <= 1  # the last one
    after = seal({"event": "after"})
    on(FS, image, lambda: Log(PATH, LIMIT).append(after))
    again, corrupt = on(FS, image, lines)
    assert again[-1] == after and again[:-1] == result[len(result) - len(again) + 1 :] and corrupt <= 1


def power(folder):
    """Cut the power at every change, and in its middle. Leaves the last image in the folder."""
    image, flash, acknowledged = write(job["records"])
    cuts = 0
    for made, (at, data) in enumerate(flash.trace):
        check(bytearray(image), made, acknowledged)
        half = bytearray(image)
        half[at : at + len(data) // 2] = data[: len(data) // 2]
        check(half, made, acknowledged)
        image[at : at + len(data)] = data
        cuts += 2
    assert image == flash.image
    check(bytearray(image), len(flash.trace), acknowledged)
    with open(folder + "/image", "wb") as f:
        f.write(image)
    return {"cuts": cuts, "lines": [entry[1] for entry in acknowledged]}


def mounted():
    """A new file system at /flash."""
    flash = Flash(bytearray(BLOCK * BLOCKS))
    FS.mkfs(flash)
    vfs.mount(FS(flash), "/flash")


def torn(folder):
    """A file that ends at any byte, as some file systems leave it."""
    mounted()
    log = Log(PATH, LIMIT)
    every = [seal({"n": i, "label": "Vögel"}) for i in range(job["records"])]
    for line in every:
        log.append(line)
    with open(log.paths[0], "rb") as f:
        data = f.read()
    ends = [at + 1 for at in range(len(data)) if data[at] == 10]
    for n in range(ends[0], len(data) + 1):
        with open(log.paths[0], "wb") as f:
            f.write(data[:n])
        whole = len([end for end in ends if end - 1 <= n]) - 1  # a last line that lacks only its end is whole
        result, corrupt = lines()
        assert result == every[:whole], (n, result)
        assert corrupt == (n not in ends and n + 1 not in ends), (n, corrupt)
        after = seal({"n": "after"})
        Log(PATH, LIMIT).append(after)
        assert lines() == (every[:whole] + [after], corrupt), n
    return {"cuts": len(data) - ends[0]}


def hog():
    """Fill the flash."""
    with open("/flash/hog", "wb") as f:
        try:
            while True:
                f.write(bytes(BLOCK))
                f.flush()
        except OSError:
            pass


def full(folder):
    """Something else fills the flash: append() fails, what it acknowledged stays, and it works again when there is room."""
    mounted()
    log, kept, failed = Log(PATH, LIMIT), [], 0
    hog()
    for i in range(3 * job["records"]):
        line = seal({"n": i})
        try:
            log.append(line)
            kept.append(line)
        except OSError:
            failed += 1
        result, corrupt = lines()
        assert result == kept[len(kept) - len(result) :] and not corrupt
        if i == job["records"]:
            assert failed
            os.remove("/flash/hog")
    assert len(result) == len(kept) > job["records"]
    return {"failed": failed}


def taught(folder):
    """Teach sounds, some of them anew, and forget some: after any cut all are as before or as after, and teaching goes on."""
    flash = Flash(bytearray(BLOCK * BLOCKS))
    FS.mkfs(flash)
    image = bytearray(flash.image)
    flash.trace = []
    vfs.mount(FS(flash), "/flash")
    sounds, states, changes = Taught(PATH, LIMIT), [{}], [0]  # changes: on flash when each state was reached
    for i in range(job["records"]):
        label = "sound %d" % (i * 5 % 7)
        if i % 6 == 5:
            sounds.forget("sound %d" % ((i - 1) * 5 % 7))
        else:
            sounds.teach(label, [[i, 1, 2, k] for k in range(3)])
        states.append(known(sounds))
        changes.append(len(flash.trace))
    vfs.umount("/flash")
    cuts = 0
    for made in range(len(flash.trace)):
        at, data = flash.trace[made]
        done = len([n for n in changes if n <= made]) - 1
        half = bytearray(image)
        half[at : at + len(data) // 2] = data[: len(data) // 2]
        for cut in (bytearray(image), half):
            found = on(FS, cut, lambda: known(Taught(PATH, LIMIT)))  # which mends what the cut has left
            assert found in states[done : done + 2], (made, done, found)
            assert on(FS, cut, lambda: known(Taught(PATH, LIMIT))) == found
            after = on(FS, cut, teach_more)
            assert {label: after[label] for label in found} == found and len(after) == len(found) + 9
            cuts += 1
        image[at : at + len(data)] = data
    return {"cuts": cuts, "states": len(states)}


def taught_full(folder):
    """A sound that no longer fits on the flash is not taught, the others stay, and there is room again after something went."""
    mounted()
    sounds, failed = Taught(PATH, LIMIT), 0
    sounds.teach("kettle", [[1, 0], [0, 1]])
    hog()
    for i in range(2 * job["records"]):
        before = known(sounds)
        try:
            sounds.teach("sound %d" % (i % 5), [[i, 1], [1, 1]])
        except OSError:
            failed += 1
            assert known(sounds) == before
        assert known(Taught(PATH, LIMIT)) == known(sounds)
        if i == job["records"]:
            assert failed
            os.remove("/flash/hog")
    assert len(sounds.sounds) == 6
    return {"failed": failed}


def known(sounds):
    return {label: (list(mean), spread) for label, (mean, spread) in sounds.sounds.items()}


def teach_more():
    """Enough to begin the other file anew."""
    sounds = Taught(PATH, LIMIT)
    for i in range(9):
        sounds.teach("more %d" % i, [[i, 1, 2, k] for k in range(3)])
    return known(Taught(PATH, LIMIT))


with open(sys.argv[1] + "/job.json") as f:
    job = json.load(f)
FS = getattr(os, job["fs"])
LIMIT = job["limit"]
print(
    json.dumps({"power": power, "torn": torn, "full": full, "taught": taught, "taught_full": taught_full}[job["work"]](sys.argv[1]))
)
