"""Rows of the log-mel, made while sound comes: a window's samples never stand in the heap."""

from l3mote.limits import inner_frames


class Rows:
    """Levels of the frames of windows at every hop, and the windows that are whole.

    Windows that overlap share the rows of frames that lie within both. A frame that reaches beyond its window's ends, where the
    network hears zeros, is a row of that window alone: some `leading` and some `trailing` ones around the inner frames.

    frontend: a kernel's FrontEnd. hop: samples, as limits.possible_hop() allows. store: a Plane of one channel of
    limits.stored_rows() rows, with `flat`. Inner frames, numbered on from window to window, have its first `inner_rows` rows, which
    come round again; behind them stand the other frames of as many windows as can be in the store at once.
    skipped: windows whose rows had to make room, or whose samples were lost, before anybody took them.
    """

    def __init__(self, frontend, hop, store):
        self.frontend, self.fe, self.hop = frontend, frontend.fe, hop
        fe = self.fe
        self.levels, self.loudest = store.flat, [0] * store.rows
        self.leading, self.inner = inner_frames(fe)
        self.trailing = fe.frames - self.inner
        self.step = hop // fe.hop_length if hop < fe.window else fe.frames  # frames a hop
        self.windows = -(-fe.frames // self.step) + 1
        self.inner_rows = store.rows - self.windows * (self.leading + self.trailing)
        self.skipped = 0
        self.begin(0)

    def begin(self, window):
        """Go on with window number `window`, whatever is in the store."""
        self.run = self.whole = window  # the next to be taken, and the first that is not whole
        self.order = self._order(window)
        next(self.order)

    @property
    def samples(self):
        """Back to the first one of the oldest window that may be whole, at most."""
        return len(self.loudest) * self.fe.hop_length + self.fe.n_fft

    @property
    def ready(self):
        """Is the next window whole?"""
        return self.run < self.whole

    @property
    def start(self):
        """The next window's first sample."""
        return self.run * self.hop

    def _first(self, window, t):
        """The first sample of a window's frame t."""
        return window * self.hop + t * self.fe.hop_length - self.fe.pad_before

    def _order(self, first):
        """Name the next row, in the order of their last samples, from this window on: its window, frame, place, and is it inner?"""
        step, leading, inner, self.at = self.step, self.leading, self.inner, first * self.step
        while True:
            if self.at == self.whole * step + inner:
                for t in range(inner, self.fe.frames):
                    yield self._name(self.whole, t, self._edge(self.whole) + t - inner + leading, False)
                self.whole += 1
            window, t = self.at // step, self.at % step
            if t < leading:
                yield self._name(window, t, self._edge(window) + t, False)
                window, t = window - 1, t + step  # for which it is an inner frame
            if window >= first and leading <= t < inner:
                yield self._name(window, t, self.at % self.inner_rows, True)
            self.at += 1

    def _name(self, window, t, place, is_inner):
        self.window, self.t, self.place, self.is_inner = window, t, place, is_inner

    def _edge(self, window):
        """Where the rows of a window's own frames begin."""
        return self.inner_rows + window % self.windows * (self.leading + self.trailing)

    def make(self, ring):
        """Make the next row if the ring has its samples. Returns whether it did."""
        fe = self.fe
        start = self._first(self.window, self.t)
        first, stop = start, start + fe.n_fft
        if not self.is_inner:
            first, stop = max(first, self.window * self.hop), min(stop, self.window * self.hop + fe.window)
        ring.needed = self._first(self.at // self.step, self.at % self.step)
        if stop > ring.total:
            return False
        if first < ring.first:
            self._skip_to(ring.first)
            return True
        self._make_room()
        pcm, at = ring.buffer, start - ring.first
        if not self.is_inner:
            pcm, at = ring.view[first - ring.first : stop - ring.first], start - first
        self.loudest[self.place] = self.frontend.frame(pcm, at, self.levels, self.place * fe.bands)
        next(self.order)
        return True

    def _skip_to(self, sample):
        """Go on with the first window that begins at or after a sample."""
        window = -(-sample // self.hop)
        self.skipped += window - self.run
        self.begin(window)

    def _make_room(self):
        """Give up whole windows that need what stands in the next row's place."""
        while self.ready and self._needs_place(self.run):
            self.drop()
            self.skipped += 1

    def _needs_place(self, window):
        if self.is_inner:
            return self.at - self.inner_rows >= window * self.step + self.leading
        return self.window - self.windows >= window

    def drop(self):
        """Leave the window that is ready out."""
        self.run += 1

    def fill(self, plane):
        """Put the window that is ready into the log-mel plane; the next one is then the next."""
        inner, edge = self.inner - self.leading, self._edge(self.run)
        place = (self.run * self.step + self.leading) % self.inner_rows if inner else 0
        before = min(inner, self.inner_rows - place)  # the end of the rows that come round
        parts = (
            (edge, 0, self.leading),
            (place, self.leading, before),
            (0, self.leading + before, inner - before),
            (edge + self.leading, self.inner, self.trailing),
        )
        loudest = max([max(self.loudest[place : place + n]) for place, _, n in parts if n])
        bands = self.fe.bands
        for place, row, n in parts:
            if n:
                self.frontend.normalise(self.levels, place * bands, bands, plane, row, n, loudest)
        self.run += 1
