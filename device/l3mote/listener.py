"""Listening: windows at every hop of a source, a model's scores of them, and the events that follow.

An event is a dict: event ("start", "end" or "warning"), label, score, level (A-weighted Leq, dB of full scale) and t (Seconds), the
time of sound since the start: samples counted, no clock read.
"""

import time
from array import array

from l3mote.limits import SILENCE, SoundError, kept_rate, possible_hop, thresholds
from l3mote.ring import Ring
from l3mote.seconds import Seconds, samples

SLOTS = 8  # a level for each eighth of a window
STILL = 10  # seconds of one and the same value: the microphone is not there
CLIPPED = 3  # samples at full scale in a slot: enough for a warning
AT_ONCE = 32  # rows and blocks of samples before something else has its turn
QUIET_FOR = 10  # seconds without the fault before the same warning comes again


def hearings(window, hop):
    """Return in how many windows each moment is heard, to the nearest whole number: a label's score is the mean of so many, unless
    `smooth` is set."""
    return max(1, (window + hop // 2) // hop)


class Detector:
    """Scores of windows -> starts and ends of labels.

    A label's score is the mean of its last `smooth` windows; a window votes for it when that reaches its threshold. It starts when
    `votes` of the last `of` windows vote for it, and ends when fewer do. After an end it cannot start before a window that ends
    `refractory` samples later. window: samples.
    """

    def __init__(self, thresholds, window, smooth=1, votes=1, of=1, refractory=0):
        if not 1 <= votes <= of or smooth < 1:
            raise SoundError("votes is %d of %d windows, smooth %d: votes must be 1 to of, smooth at least 1" % (votes, of, smooth))
        self.thresholds, self.window = thresholds, window
        self.smooth, self.votes, self.of, self.refractory = smooth, votes, of, refractory
        self.n = n = len(thresholds)
        self.seen = 0  # windows
        self.scores = array("f", [0.0] * (n * smooth))
        self.starts = [0] * of  # of the last windows
        self.voted = [0] * n  # bit k: the window k before the last voted
        self.on = bytearray(n)
        self.began = [0] * n  # sample of the last start
        self.last = [0] * n  # end of the last window that voted
        self.until = [0] * n  # no start before a window that ends here
        self.best, self.loudest = array("f", [0.0] * n), array("f", [0.0] * n)

    def begin(self):
        """Forget the windows so far: the next one does not follow them. What is on stays on."""
        self.seen = 0
        self.voted = [0] * self.n

    def feed(self, scores, start, level):
        """Take a window's scores, first sample and level. Returns a list of (event, label's index, score, level, sample).

        A start has the score and level of its window, and the first sample of the first window that voted for it. An end has the
        highest score and level in between, and the sample after the last window that voted.
        """
        self.starts[self.seen % self.of] = start
        row = self.seen % self.smooth * self.n
        for i in range(self.n):
            self.scores[row + i] = scores[i]
        self.seen += 1
        events = []
        for i in range(self.n):
            event = self._label(i, start, level)
            if event:
                events.append(event)
        return events

    def _label(self, i, start, level):
        score = self.mean(i)
        vote = score >= self.thresholds[i]
        voted = self.voted[i] = (self.voted[i] << 1 | vote) & ((1 << self.of) - 1)
        if vote:
            self.last[i] = start + self.window
        lacks = self.votes - ones(voted)
        if lacks > 0:  # after a pause it goes on while the windows to come can still vote for it
            return self._end(i) if self.on[i] and lacks > self.of - self.seen else None
        if self.on[i]:
            self.best[i], self.loudest[i] = max(self.best[i], score), max(self.loudest[i], level)
            return None
        if start + self.window < self.until[i]:
            return None
        self.on[i], self.best[i], self.loudest[i] = 1, score, level
        self.began[i] = self._first(voted)
        return "start", i, score, level, self.began[i]

    def mean(self, i):
        """Return a label's score after the last window."""
        n = min(self.seen, self.smooth)
        return sum([self.scores[k * self.n + i] for k in range(n)]) / n

    def _first(self, voted):
        """Return the first sample of the oldest window that voted."""
        back = 0
        while voted >> (back + 1):
            back += 1
        return self.starts[(self.seen - 1 - back) % self.of]

    def _end(self, i):
        self.on[i], self.until[i] = 0, self.last[i] + self.refractory
        return "end", i, self.best[i], self.loudest[i], self.last[i]

    def finish(self):
        """Return the ends of all labels that are still on."""
        return [self._end(i) for i in range(self.n) if self.on[i]]


def ones(n):
    """Return how many bits are set."""
    count = 0
    while n:
        count += n & 1
        n >>= 1
    return count


class Faults:
    """Repeats a warning only after `quiet` samples without its fault."""

    def __init__(self, quiet):
        self.quiet = quiet
        self.last = {}  # type: dict

    def due(self, name, fault, now):
        """Return whether to warn of a fault. now: samples."""
        last = self.last.get(name)
        if fault:
            self.last[name] = now
        return fault and (last is None or now - last >= self.quiet)


class Listener:
    """Listen to a source with a model.

    model: a Model with labels, opened with listening=True. source: see mic.py. settings: a dict (settings.py); hop and thresholds
    that it lacks or has as None come from the model, smooth from window and hop. clock: see steps().
    hop: samples from one window to the next, as limits.possible_hop() allows. slot: samples of the meter's slots. rate: samples a
    second of the ring: the model's, unless the source's is a little off. rows: the windows that come (rows.Rows).
    windows: run. lost: samples that were in no window because the model was too slow. follows: number of the window behind the last
    one that was run.
    Raises SoundError.
    """

    needs_labels = True

    def __init__(self, model, source, settings=None, clock=None):
        self.model, self.source, self.clock = model, source, clock
        get, fe = (settings or {}).get, model.reader.frontend
        self.rate, self.window = kept_rate(source.rate, fe.sample_rate), fe.window
        self.hop = possible_hop(fe, samples(get("hop"), self.rate) if get("hop") else fe.hop)
        if not model.ring:
            raise SoundError("the model is open for buffers of samples: listening needs Model(path, listening=True)")
        if self.needs_labels and not model.labels:
            raise SoundError("the model has no labels: it computes embeddings, and listening needs a classifier")
        least = thresholds(model.labels, model.reader.thresholds, settings or {})
        self.detector = Detector(
            least, self.window, get("smooth") or hearings(self.window, self.hop), get("votes") or 1,
            get("of") or get("votes") or 1,
            samples(get("refractory") or 0, self.rate),
        )  # fmt: skip
        self.silence = (SILENCE if get("silence") is None else get("silence")) + (get("level_offset") or 0)
        self.nothing = array("f", [0.0] * len(model.labels))
        self.rows = model.rows(self.hop)
        self.slot = max(1, self.window // SLOTS)
        known = self.rows.samples + len(model.ring)  # back to the first of the oldest window that may still be run
        self.ring = Ring(source, fe.sample_rate, model.ring, self.slot, known // self.slot + 2)
        self.ring.meter.gain += get("level_offset") or 0
        self.covered = 0  # samples up to here were in a window, or left out on purpose
        self.windows = self.lost = self.follows = 0
        self.slots = self.reported = 0  # slots and losses that warnings have covered
        self.faults = Faults(QUIET_FOR * self.rate)

    # -- sound

    def capture(self):
        """Take sound from the source; return True when a window is ready: then infer() or pass_over() it."""
        for _ in range(AT_ONCE):
            if self.rows.ready or not (self.rows.make(self.ring) or self.ring.service()):
                break
        return self.rows.ready

    def hear(self):
        """Take the sound that waits, between steps of something else, and make rows of it. A file is left waiting."""
        for _ in range(AT_ONCE if self.source.live else 0):
            if not (self.rows.make(self.ring) or self.ring.service()):
                break

    def restart(self, source, settle=0):
        """Continue with a source of the same rate, as after a sleep: windows begin `settle` seconds later at the earliest."""
        self.source = source
        self.ring.restart(source)
        self.rows.begin(max(self.rows.run, -(-(self.ring.total + int(settle * self.rate)) // self.hop)))
        self.covered, self.follows = self.rows.start, -1

    def pass_over(self):
        """Leave out the window that is ready, on purpose: its samples are not lost ones."""
        self._cover()
        self.rows.drop()

    def _cover(self):
        """Count the window that is ready as heard."""
        start = self.rows.start
        self.lost += max(0, start - self.covered)
        self.covered = start + max(self.window, self.hop)

    @property
    def t(self):
        """The time of sound so far, as Seconds."""
        return self.seconds(self.ring.total)

    def seconds(self, sample):
        """Return the time of a sample (at the model's rate)."""
        return Seconds(sample * self.ring.factor, self.source.rate)

    def levels(self):
        """Return (dB of full scale, A-weighted Leq) of the last SLOTS slots, which are as long as a window."""
        return self.ring.meter.level(self.ring.meter.slots - SLOTS, self.ring.meter.slots)

    def window_levels(self):
        """Return the same for the window that is ready, rounded to whole slots."""
        start = self.rows.start
        return self.ring.meter.level(start // self.slot, (start + self.window) // self.slot)

    def status(self):
        """Return counts so far, for a status line."""
        plain, weighted = self.levels()
        return {
            "t": self.t, "level": round(weighted, 1), "dbfs": round(plain, 1), "windows": self.windows,
            "skipped": self.rows.skipped, "lost": self.lost, "overruns": self.source.overruns,
        }  # fmt: skip

    # -- events

    def _event(self, kind, label, score, level, sample):
        return {
            "event": kind, "label": label, "score": None if score is None else round(score, 4), "level": round(level, 1),
            "t": self.seconds(sample),
        }  # fmt: skip

    def infer(self):
        """Run the model on the window that is ready; yields None after each of its steps, then its events. Capture goes on.

        A window below `silence` is of no label, and the model does not run: it takes each window relative to its loudest part,
        so a microphone's own noise would be rain.
        """
        number, start, level = self.rows.run, self.rows.start, self.window_levels()[1]
        scores = self.nothing
        if number != self.follows:  # the last ones were left out: those before them hear other moments
            self.detector.begin()
        self._cover()
        if level < self.silence:
            self.rows.drop()
        else:
            self.rows.fill(self.model.planes[0])
            for _ in self.model.network_steps():
                if self.clock:
                    self.clock.step()
                self.hear()
                yield None
            scores = self.model.output
        self.windows += 1
        self.follows = number + 1
        for event in self._named(self.detector.feed(scores, start, level)):
            yield event

    def _named(self, changes):
        """Return events of a detector's: an end says when its sound began, too."""
        events = []
        for kind, i, score, level, at in changes:
            event = self._event(kind, self.model.labels[i], score, level, at)
            if kind == "end":
                event["began"] = self.seconds(self.detector.began[i])
            events.append(event)
        return events

    def warned(self):
        """Return the warnings that are due, a list of events."""
        meter, warnings = self.ring.meter, []
        while self.slots < meter.slots:
            self.slots = max(self.slots + 1, meter.slots - meter.kept + 1)
            now, level = self.slots * self.slot, meter.level(self.slots - 1, self.slots)[1]
            i = (self.slots - 1) % meter.kept
            if self.faults.due("clipping", meter.clipped[i] >= CLIPPED, now):
                warnings.append(self._event("warning", "clipping", meter.clipped[i], level, now))
            if self.faults.due("silent", meter.unmoved[i] >= STILL * self.source.rate, now):
                warnings.append(self._event("warning", "silent", None, level, now))
            lost = self.lost + self.source.overruns // self.ring.factor
            if self.faults.due("overrun", lost > self.reported, now):
                warnings.append(self._event("warning", "overrun", lost, level, now))
            self.reported = lost
        return warnings

    # -- loops

    def steps(self):
        """Listen to the end of the source, or for ever: yield events, and None after each small piece of work.

        clock: an object whose step() is called after each step of the model and whose idle() when there is nothing to do (None: a
        short sleep).
        """
        while True:
            ready = self.capture()
            for event in self.warned():
                yield event
            if ready:
                for event in self.infer():
                    yield event
            elif self.ring.ended:
                for event in self.finish():
                    yield event
                return
            else:
                self.idle()
                yield None

    def idle(self):
        if self.clock:
            self.clock.idle()
        elif self.source.live:
            time.sleep(0.005)

    def run(self):
        """Yield events."""
        for event in self.steps():
            if event:
                yield event

    def finish(self):
        """Return the ends of the labels that are still on when listening stops."""
        return self._named(self.detector.finish())
