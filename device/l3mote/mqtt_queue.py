"""Lines that wait on flash for a broker."""

from l3mote.log import Log


class Queue(Log):
    """A log from which the oldest line can be taken. What was taken of a file that still has others comes again after a restart."""

    def __init__(self, path, limit):
        Log.__init__(self, path, limit)
        self.taken = [0, 0]  # bytes of each file
        self.left = [0, 0]  # lines of each file
        self.dropped = 0
        for i in (0, 1):
            for _ in self._read(i, 0):
                self.left[i] += 1
        self.older = list(self.left)  # of them, those from before this start

    @property
    def waiting(self):
        return self.left[0] + self.left[1]

    def append(self, line):
        Log.append(self, line)
        self.left[self.current] += 1

    def oldest(self):
        """Return the line that waits longest, or None. Files with no line left are removed. .ours: this start has written it."""
        if self.current is None:
            self._scan()
        for i in (1 - self.current, self.current):
            line = self._first(i)
            if line:
                self.ours = not self.older[i]
                return line
            self.left[i] = 0
            self._drop(i)
        return None

    def _first(self, i):
        reader = self._read(i, self.taken[i])
        try:
            for line, _, end in reader:
                self.place = i, end
                return line
        finally:
            reader.close()  # the file
        return None

    def take(self):
        """Remove the line that oldest() returned."""
        i, end = self.place
        self.taken[i] = end
        self.left[i] -= 1
        self.older[i] = max(0, self.older[i] - 1)
        if not self.waiting:
            self.oldest()

    def _drop(self, i):
        self.dropped += self.left[i]
        self.left[i] = self.taken[i] = self.older[i] = 0
        Log._drop(self, i)
