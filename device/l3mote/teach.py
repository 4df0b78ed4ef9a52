"""Sounds taught by a few examples on the board itself: an embedding model, and the nearest mean embedding.

    import l3start

    folder = l3start.enable()
    from l3mote.teach import open_teacher

    teacher = open_teacher(folder)  # deployed by `l3mote deploy MODEL --app none`
    teacher.teach("kettle")  # the next five windows that are loud enough
    teacher.listen()  # prints the label of every loud window, None for a sound that is like none of them

Embeddings are taken at unit length. A sound's spread is how far its examples lie from their mean. The distance of a new sound from
a mean is counted in spreads (half the sound's own, half the mean of all), and beyond FARTHEST it is none of them.
"""

import math
from array import array
from binascii import a2b_base64, b2a_base64

from l3mote.format import finite
from l3mote.limits import SoundError
from l3mote.listener import STILL, Listener
from l3mote.log import Log, seal, size
from l3mote.memory import forget
from l3mote.model import Model

EXAMPLES = 5
FARTHEST = 1.0
LEAST_SPREAD = 0.01  # a tone's examples are all the same
FIRST_LINE = 64  # bytes of a log's own line, at most
LOUD = -45.0  # dB(A) of full scale: a window below is neither an example nor named
WAIT = 10  # windows in a row that are not loud enough: then teach() says what it waits for
SETTLE = 0.5  # seconds from the call to the first window: a microphone's start, and what its driver still holds
LATER = 49152  # bytes of heap for all that comes after the model: driver, modules, what was taught


def open_teacher(folder, sounds="sounds"):
    """Open the model and the microphone of a deployed version's folder, and what was taught before.

    sounds: path of the files with what was taught, which stay when another version is deployed. Raises what opening them raises.
    """
    model = Model(folder + "/model.l3m", listening=True, later=LATER)
    from l3mote.mic import open_source
    from l3mote.settings import load

    settings = load(folder + "/settings.json")
    del load
    forget("settings")
    return Teacher(model, open_source(settings), Taught(sounds), settings)


class Taught:
    """What was taught, in path.0.jsonl and path.1.jsonl: `limit` bytes of flash at most, 450 for a sound of 64 values.

    sounds: label -> (mean, spread). Whenever the power is cut, a sound is as it was before it was taught or as it is after, and
    the others are as they are: the file that is written holds all of them, so the other may be begun anew.
    """

    def __init__(self, path, limit=32768):
        self.log = Log(path, limit)
        self.sounds = {}  # type: dict
        self.log._scan()
        # A cut may have left the file that is written without some sounds.
        own = {}  # type: dict
        for i in (1 - self.log.current, self.log.current):
            own = {}
            for _, record, _ in self.log._read(i, 0):
                self._take(record)
                own[record["label"]] = True
        for label in self.sounds:
            if label not in own:
                self.log.append(self._line(label))

    def teach(self, label, embeddings):
        """Keep the mean and the spread of a sound's examples, in place of what was taught by this label.

        Raises ValueError (fewer than two examples, of another size than before, without a direction, too many sounds for
        `limit`), OSError (flash full, read-only), each with one line of text: then nothing changes.
        """
        if len(embeddings) < 2:
            raise ValueError("%d examples of %s: two are the least" % (len(embeddings), label))
        units = [unit(embedding) for embedding in embeddings]
        size = len(units[0])
        for mean, _ in self.sounds.values():
            if len(mean) != size:
                raise ValueError("embeddings of %d values: the sounds before have %d, of another model" % (size, len(mean)))
        mean = array("f", [sum([u[i] for u in units]) / len(units) for i in range(size)])
        spread = math.sqrt(sum([distance(u, mean) ** 2 for u in units]) / (len(units) - 1))
        self._keep(entry(label, mean, spread))

    def forget(self, label):
        """Forget a sound. Raises KeyError for one that was not taught, OSError."""
        if label not in self.sounds:
            raise KeyError(label)
        self._keep({"label": label})

    def nearest(self, embedding):
        """Return (label, distance in spreads): no label beyond FARTHEST, None for both where nothing was taught."""
        if not self.sounds:
            return None, None
        new, n = unit(embedding), len(self.sounds)
        common = sum([spread for _, spread in self.sounds.values()]) / n
        nearest = [
            (distance(new, mean) / max((spread + common) / 2, LEAST_SPREAD), label) for label, (mean, spread) in self.sounds.items()
        ]
        least, label = min(nearest)
        return label if least <= FARTHEST else None, least

    def _take(self, record):
        if "taught" in record:
            values = array("f", a2b_base64(record["taught"]))
            self.sounds[record["label"]] = values[:-1], values[-1]
        else:
            self.sounds.pop(record["label"], None)

    def _line(self, label):
        return seal(entry(label, *self.sounds[label]))

    def _keep(self, record):
        before = dict(self.sounds)
        self._take(record)
        try:
            self._write(seal(record))
        except OSError as e:
            self.sounds = before
            raise OSError("%s: not kept, the flash is full or read-only (%s): delete files on the board" % (record["label"], e))
        except Exception:
            self.sounds = before
            raise

    def _write(self, line):
        """Append a line, or begin the other file with all sounds where this one has no room for it."""
        log = self.log
        if log.current is None:  # after an error
            log._scan()
        if size(log.paths[log.current]) + len(line.encode()) < log.most:
            return log.append(line)
        everything = "".join([self._line(label) + "\n" for label in self.sounds]).encode()
        if len(everything) > log.most - FIRST_LINE:
            raise ValueError("%d sounds are too many for %d bytes of flash: forget one" % (len(self.sounds), 2 * log.most))
        log._begin(everything)


class Teacher(Listener):
    """Hears windows with an embedding model: examples of a sound, or which of the sounds that were taught it is.

    model: opened with listening=True. source, settings: as Listener has them; a window counts from `loud` dB(A) on.
    """

    needs_labels = False

    def __init__(self, model, source, taught, settings=None, loud=LOUD):
        if model.labels:
            raise SoundError("the model gives scores of its labels: teaching needs one that computes embeddings")
        super().__init__(model, source, settings)
        self.taught, self.loud = taught, loud

    def teach(self, label, examples=EXAMPLES, tell=print):
        """Keep what the next loud windows have in common. Raises what Taught.teach and next_window() raise."""
        self.begin()
        embeddings, quiet = [], 0  # type: list, int
        while len(embeddings) < examples:
            embedding, level = self.next_window()
            if embedding:
                embeddings.append(embedding)
                tell("%s: example %d of %d, %.1f dB(A)" % (label, len(embeddings), examples, level))
            quiet = 0 if embedding else quiet + 1
            if quiet == WAIT:
                tell("%s: waits for sound of %.1f dB(A), hears %.1f" % (label, self.loud, level))
                quiet = 0
        self.taught.teach(label, embeddings)

    def listen(self, tell=print):
        """Tell of every loud window (label or None, distance, level), to the end of a recording. Raises SoundError."""
        self.begin()
        while True:
            try:
                label, away, level = self.next_sound()
            except EOFError:
                return
            if level >= self.loud:
                tell(label, away, level)

    def next_sound(self):
        """Return (label or None, distance, level) of the next window: no distance where it is not loud, or nothing was taught.

        Raises what next_window() raises.
        """
        embedding, level = self.next_window()
        label, away = self.taught.nearest(embedding) if embedding else (None, None)
        return label, away, level

    def begin(self):
        """Leave out the sound before now: a microphone's driver holds old sound, with a gap behind it."""
        if self.source.live:
            self.restart(self.source, SETTLE)

    def next_window(self):
        """Return (embedding, level) of the next window, without an embedding where it is not loud.

        Raises EOFError at the end of a recording, SoundError where a microphone gives one and the same value for STILL seconds.
        """
        while not self.capture():
            if self.ring.ended:
                raise EOFError
            self.idle()
        level, meter = self.window_levels()[1], self.ring.meter
        if meter.unmoved[(meter.slots - 1) % meter.kept] >= STILL * self.source.rate:
            raise SoundError("the microphone has given the same value for %d seconds: check its wires and pins" % STILL)
        if level < self.loud:
            self.pass_over()
            return None, level
        for _ in self.infer():
            pass
        return array("f", self.model.output), level


def entry(label, mean, spread):
    """Return what is written of a sound: bits, because numbers in a line have four decimals."""
    values = array("f", mean)
    values.append(spread)
    return {"label": label, "taught": str(b2a_base64(values), "ascii").strip()}


def unit(embedding):
    """Return an embedding at unit length. Raises ValueError for one without a direction."""
    length = math.sqrt(sum([v * v for v in embedding]))
    if not (length > 0 and finite(length)):
        raise ValueError("an embedding of zeros, or of no numbers, has no direction")
    return array("f", [v / length for v in embedding])


def distance(a, b):
    return math.sqrt(sum([(a[i] - b[i]) ** 2 for i in range(len(a))]))
