"""Open a model, allocate once, run it window by window, strip by strip, chunk by chunk."""

import gc
import math
from array import array
from binascii import crc32

from l3mote.format import CONV, SIGMOID, SOFTMAX
from l3mote.kernels import calibrated, candidates, first_that_fits, window_steps
from l3mote.limits import ring_samples, stored_rows
from l3mote.memory import GARBAGE, HeapError, Plain, Zeros, buffer_heap, collect_after, forget, no_room
from l3mote.reader import Reader, Weights
from l3mote.strips import in_order, spans, vector_sizes
from l3mote.tolerances import SELFTEST_RELATIVE


class Plane:
    """Channel planes, of which rows and columns are stored in part: stored row 0 is row `top`, stored column 0 column `left`.

    place() says which columns a tile fills. A column beside them that is stored is the plane's zero border.
    data: memory to stand in, of any contents; None: its own, zero.
    """

    def __init__(self, kernel, channels, rows, pitch, data=None):
        self.channels = channels
        self.rows = rows  # stored rows; pitch: stored columns
        self.pitch = pitch
        self.size = rows * pitch
        self.data = kernel.plane(channels, self.size) if data is None else data
        self.top = 0

    def place(self, left, first, cols, step=1):
        """Fill columns first..first+cols-1 from now on, each with the maximum of `step` columns of the convolution before."""
        self.left, self.first, self.cols, self.step = left, first, cols, step
        self.inset = first - left


class Model:
    """A .l3m model ready to run.

    source: path, binary file object or Reader. heap: bytes its buffers may take (None: buffer_heap of what is free now).
    kernel: name of a kernel (None: the first, in kernels.order, that loads and whose plan fits); .kernel_name tells which.
    .pcm is the window's buffer, array('h'): fill all of it, then run(), which overwrites it. .plan says what the run costs.
    listening: for a Listener, which hears windows as sound comes: there is no .pcm, but a .ring of samples and rows of the log-mel.
    later: bytes of heap to leave free for what comes after the model; only the smallest plan may leave less.
    Raises FormatError, HeapError, KernelError, OSError.
    """

    def __init__(self, source, heap=None, kernel=None, listening=False, later=0):
        threshold = collect_after(GARBAGE)
        try:
            self._open(source, heap, kernel, listening, later)
        finally:
            collect_after(threshold)

    def _open(self, source, heap, kernel, listening, later):
        self.reader = source if isinstance(source, Reader) else Reader(source)
        self.pcm = self.ring = None
        self.layers = self.reader.layers
        self.labels = self.reader.labels
        self.output = None  # the last window's scores by label, or its embedding from a network without a head
        self.observer = None  # called as observer(layer index, first row, stop row, plane or vector) when rows are final
        try:
            modules = candidates(kernel, "FIXED" in self.reader.sections, listening)
            first_that_fits(modules, lambda module: self._use(module, heap, listening, later))
        except Exception:
            self.close()
            raise

    def _use(self, module, heap, listening, later):
        """Plan and allocate for a kernel."""
        self.kernel_name, self.arithmetic, self.check = module.name, module.arithmetic, module.check
        if self.arithmetic == "fixed":
            calibrated(self.reader)  # loads its tables into the heap before the plan measures what is free
        self._fit(module, heap, listening, later)

    def _fit(self, module, heap, listening, later):
        """Plan and allocate. Where the free heap is in pieces too small for the plan, plan for less, down to the smallest plan."""
        if heap is not None or not hasattr(gc, "mem_free"):  # CPython's has none
            self.plan = self._plan(module, heap, listening)
            return self._allocate(module)
        gc.collect()
        most, tried = buffer_heap(gc.mem_free()), None
        heap, kept = most - later, later // 2
        while True:
            try:
                self.plan = self._plan(module, heap, listening)
                return self._allocate(module)
            except HeapError as e:
                least = heap + e.missing
                if least > most or least == tried:
                    raise no_room(least)
                if kept and not tried:  # the smallest plan may take several times the work of one that needs a little more
                    heap, kept = most - kept, 0
                    continue
                heap = least if tried else min(least * 65 // 64, most)  # a few bytes may save half of the work
            except MemoryError:
                self.pcm = self.ring = self.store = self.planes = self.chunk = self.vectors = self.logmel = self.kernel = None
                tried = self.plan.heap_bytes
                heap = tried * 15 // 16

    def _plan(self, module, heap, listening):
        from l3mote.plan import plan  # here, because the module is forgotten before its plan is allocated

        chosen = plan(self.reader, heap, module, listening)
        del plan
        chosen = Plain(chosen, ("buffers",))  # a list for people: 1 kB
        forget("plan")
        return chosen

    def close(self):
        self.reader.close()

    def _allocate(self, module):
        """Allocate every buffer, the largest first, so that small ones do not split the heap before the large ones are in."""
        reader = self.reader
        self.convs = [layer for layer in self.layers if layer.kind == CONV]
        self.planes = [None] * (len(self.convs) + 1)  # type: list
        makers = [(module.itemsize * max(vector_sizes(reader)), self._make_vectors)]
        self._make_samples()  # before the kernel, whose small objects would take its place
        self.kernel = module.Kernel(self.plan, reader)
        self.chunk = self.kernel.chunk
        if self.chunk is None:
            makers.append((self.plan.chunk_bytes, self._make_chunk))
        for i, shape in enumerate(self.plan.shapes):
            if i not in self.plan.shared:
                makers.append((module.block_bytes(shape[0], shape[1] * shape[2]), self._plane_maker(i, shape)))
        if self.plan.listening:
            rows, bands = stored_rows(reader.frontend), reader.frontend.bands
            makers.append((module.block_bytes(1, rows * bands), lambda: self._make_store(rows, bands)))
        if self.plan.workplace is None and not self.plan.in_chunk:
            makers.append((module.itemsize * reader.frontend.n_fft, lambda: self._make_frontend(module)))
        makers.sort(key=lambda maker: -maker[0])
        for _, make in makers:
            make()
        self._share_window()
        if self.plan.in_chunk or self.plan.workplace is not None:
            place = memoryview(self.kernel.work if self.plan.in_chunk else self.planes[self.plan.workplace].data)
            self.logmel = module.FrontEnd(reader, place[: self.plan.frontend_bytes])
        self.weights = Weights(reader, self.chunk, self.check, not module.locates)
        self.order = in_order(self.convs, self.plan.heights, sum(self.plan.passes) // self.plan.tiles)
        self.planes[0].flat = self.kernel.flat(self.planes[0])
        self.planes[0].place(-1, 0, reader.frontend.bands)

    def _make_samples(self):
        fe = self.reader.frontend
        samples = array("h", Zeros(ring_samples(fe) if self.plan.listening else fe.window))
        if self.plan.listening:
            self.ring = samples
        else:
            self.pcm = samples

    def _make_store(self, rows, bands):
        self.store = Plane(self.kernel, 1, rows, bands)
        self.store.flat = self.kernel.flat(self.store)

    def _make_chunk(self):
        self.chunk = bytearray(self.plan.chunk_bytes)

    def _make_vectors(self):
        self.vectors = [self.kernel.vector(n) for n in vector_sizes(self.reader)]

    def _make_frontend(self, module):
        self.logmel = module.FrontEnd(self.reader)

    def _plane_maker(self, i, shape):
        def make():
            self.planes[i] = Plane(self.kernel, *shape)

        return make

    def _share_window(self):
        """Place planes in the memory of the samples."""
        at = 0
        for i in self.plan.shared:
            channels, rows, pitch = self.plan.shapes[i]
            stop = at + channels * rows * pitch
            self.planes[i] = Plane(self.kernel, channels, rows, pitch, memoryview(self.pcm)[at:stop])
            at = stop

    @property
    def embedding(self):
        """Return the last window's embedding, in the published order (band, time, channel)."""
        return self.kernel.floats(self.vectors[0], len(self.convs) - 1)

    def rows(self, hop):
        """Return the log-mel's rows for a Listener: of windows at every hop, in samples (limits.possible_hop)."""
        from l3mote.rows import Rows

        return Rows(self.logmel, hop, self.store)

    def run(self):
        """Return the scores (or embedding) of the window in .pcm, which is overwritten. The next run overwrites the result."""
        for _ in self.steps():
            pass
        return self.output

    def steps(self):
        """Do the same as run(), as a generator that yields after every frame and every chunk."""
        if self.pcm is None:
            raise ValueError("the model is open for a Listener: it has no buffer for a window of samples")
        for _ in window_steps(self.logmel, self.pcm, self.planes[0]):
            yield
        for _ in self.network_steps():
            yield

    def network_steps(self):
        """Run the layers on what the log-mel plane holds. One loop without an object for a strip or a chunk: garbage costs time."""
        kernel, planes, weights, order = self.kernel, self.planes, self.weights, self.order
        chunk, buffer, conv, more = weights.chunk, self.chunk, kernel.conv, weights.next
        weights.restart()
        for tile in range(self.plan.tiles):
            self._place(spans(self.convs, tile, self.plan.width))
            for at in range(0, len(order), 3):
                i, first, stop = order[at], order[at + 1], order[at + 2]
                layer, src, dst = self.convs[i], planes[i], planes[i + 1]
                if stop == layer.rows:
                    kernel.clear(src, stop - src.top)  # the border below the plane
                weights.open(layer)
                kernel.strip(layer, src, dst, first, stop)
                while more():
                    conv(chunk, buffer)
                    yield
                if self.observer:
                    self.observer(i, first // layer.pool_rows, stop // layer.pool_rows, dst)
                if i:  # the log-mel plane stands whole, the others slide
                    kernel.slide(src, stop - first)
                    src.top = stop - 1
            self._flatten()
        for _ in self._head():
            yield

    def _place(self, spans):
        """Set the planes to the columns that a tile's convolutions compute; zero their borders."""
        planes, last = self.planes, len(self.convs) - 1
        for i, plane in enumerate(planes[:-1]):
            plane.top = -1
            used = i and (self.plan.tiles > 1 or i in self.plan.shared or i == self.plan.workplace)  # by others, or the tile before
            self.kernel.clear(plane, 0, plane.rows if used else 1)
        for i, span in enumerate(spans):
            step = self.convs[i].pool_cols if i < last else self.plan.step
            first = span[0] // step
            left = (spans[i + 1][0] if i < last else first) - 1
            planes[i + 1].place(left, first, (span[1] - span[0]) // step, step)

    def _flatten(self):
        """Copy the last plane into the embedding. Tiles that share a group of the pool leave the maximum of their values."""
        plane, layer = self.planes[-1], self.convs[-1]
        column = plane.first * plane.step
        at = column // layer.pool_cols * layer.out_rows * plane.channels
        opening = column % layer.pool_cols == 0  # a tile that has the rest of a group has no other column
        self.kernel.flatten(plane, self.vectors[0], layer.out_rows, at, opening)

    def _head(self):
        """Run the dense layers and set .output: the scores by label, or the embedding of a network without a head."""
        n = len(self.convs)
        output = self.embedding if n == len(self.layers) else None
        for i, layer in enumerate(self.layers[n:]):
            x, y = self.vectors[i], self.vectors[i + 1]
            self.weights.open(layer)
            while self.weights.next():
                self.kernel.dense(self.weights.chunk, self.chunk, x, y)
                yield
            output = self.kernel.floats(y, n + i)
            activate(output, layer.activation)
            if self.observer:
                self.observer(n + i, 0, 1, y)  # a float kernel's y is the output itself, an integer kernel's the logits
        self.output = output

    def selftest(self):
        """Run the file's embedded test, which overwrites .pcm; for a Listener, on rows that are made as its sound comes.

        Returns (passed, largest difference relative to the largest expected output). A float kernel passes within
        SELFTEST_RELATIVE; an integer kernel when it gives every bit of the reference's integers.
        """
        expected = self.reader.expected()
        if self.pcm is None:
            from l3mote.signal import hear

            hear(self)
        else:
            test_signal(self.pcm, self.reader.seed)
        for _ in self.network_steps() if self.pcm is None else self.steps():
            pass
        output = self.output
        scale = error = 0.0
        for i in range(len(expected)):
            scale = max(scale, abs(expected[i]))
            error = max(error, abs(output[i] - expected[i]))
        error = error / scale if scale else error
        if self.arithmetic == "fixed":
            return crc32(bytes(self.vectors[-1])) == self.reader.fixed().check, error
        return error <= SELFTEST_RELATIVE, error


def activate(y, activation):
    """Apply softmax, sigmoid or ReLU in place to a short vector."""
    n = len(y)
    if activation == SOFTMAX:
        top = max(y)
        for i in range(n):
            y[i] = math.exp(y[i] - top)
        total = sum(y)
        for i in range(n):
            y[i] = y[i] / total
    elif activation == SIGMOID:
        for i in range(n):
            e = math.exp(-abs(y[i]))
            y[i] = 1 / (1 + e) if y[i] >= 0 else e / (1 + e)
    elif activation:
        for i in range(n):
            y[i] = max(y[i], 0.0)


def test_signal(pcm, seed, first=0):  # noqa: PT028 (not a test)
    """Fill pcm, int16, with FORMAT.md's signal of kind 1 from sample `first` on; returns what goes on from there, as seed."""
    x = seed
    for n in range(len(pcm)):
        x ^= x << 7 & 0xFFFF
        x ^= x >> 9
        x ^= x << 8 & 0xFFFF
        pcm[n] = (x - 32768) >> ((first + n) // 1000 % 4)
    return x
