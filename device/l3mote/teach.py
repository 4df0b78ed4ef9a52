"""Sounds taught by a few examples on the board itself: an embedding model, and the nearest mean embedding.

    from l3mote.model import Model
    from l3mote.teach import Taught, Teacher

    teacher = Teacher(Model("l3-64.l3m", listening=True), source, Taught("sounds"))  # source: mic.open_source(settings)
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
from l3mote.listener import Listener
from l3mote.log import Log, seal, size

EXAMPLES = 5
FARTHEST = 1.0
LEAST_SPREAD = 0.01  # a tone's examples are all the same
FIRST_LINE = 64  # bytes of a log's own line, at most
LOUD = -45.0  # dB(A) of full scale: a window below is neither an example nor named


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
        `limit`), OSError (flash full, read-only): then nothing changes.
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
        self._keep({"label": label, "mean": str(b2a_base64(mean), "ascii").strip(), "spread": spread})

    def forget(self, label):
        """Raises KeyError for a sound that was not taught, OSError."""
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
        if "mean" in record:
            self.sounds[record["label"]] = array("f", a2b_base64(record["mean"])), record["spread"]
        else:
            self.sounds.pop(record["label"], None)

    def _line(self, label):
        mean, spread = self.sounds[label]
        return seal({"label": label, "mean": str(b2a_base64(mean), "ascii").strip(), "spread": spread})

    def _keep(self, record):
        before, log, line = dict(self.sounds), self.log, seal(record)
        self._take(record)
        try:
            if log.current is None:  # after an error
                log._scan()
            if size(log.paths[log.current]) + len(line.encode()) < log.most:
                log.append(line)
            else:
                everything = "".join([self._line(label) + "\n" for label in self.sounds]).encode()
                if len(everything) > log.most - FIRST_LINE:
                    raise ValueError("%d sounds are too many for %d bytes of flash: forget one" % (len(self.sounds), 2 * log.most))
                log._begin(everything)
        except Exception:
            self.sounds = before
            raise


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

    def loud_window(self):
        """Return (embedding, level) of the next window that is loud enough. Raises EOFError at the end of a recording."""
        while True:
            while not self.capture():
                if self.ring.ended:
                    raise EOFError
                self.idle()
            level = self.window_levels()[1]
            if level < self.loud:
                self.pass_over()
                continue
            for _ in self.infer():
                pass
            return array("f", self.model.output), level

    def teach(self, label, examples=EXAMPLES, tell=print):
        """Keep what the next loud windows have in common. Raises what Taught.teach raises; EOFError."""
        embeddings = []  # type: list
        while len(embeddings) < examples:
            embedding, level = self.loud_window()
            embeddings.append(embedding)
            tell("%s: example %d of %d, %.1f dB(A)" % (label, len(embeddings), examples, level))
        self.taught.teach(label, embeddings)

    def listen(self, tell=print):
        """Tell of every loud window (label or None, distance, level), to the end of a recording."""
        while True:
            try:
                embedding, level = self.loud_window()
            except EOFError:
                return
            label, away = self.taught.nearest(embedding)
            tell(label, away, level)


def unit(embedding):
    """Return an embedding at unit length. Raises ValueError for one without a direction."""
    length = math.sqrt(sum([v * v for v in embedding]))
    if not (length > 0 and finite(length)):
        raise ValueError("an embedding of zeros, or of no numbers, has no direction")
    return array("f", [v / length for v in embedding])


def distance(a, b):
    return math.sqrt(sum([(a[i] - b[i]) ** 2 for i in range(len(a))]))
