"""Tiles, strips, buffers, bytes and operations for a model in a given heap. Device and host call the same function.

Layers run in strips of rows (time). Convolution i computes `heights[i]` rows in one pass over its weights; the plane it
reads holds those rows and one more above and below. A higher strip costs heap and saves passes over the flash.

Where full-width strips do not fit, the columns (bands) are cut into tiles of `width` columns of the last convolution, and all
rows run once for each tile. A tile's planes hold only the columns that its later layers read: neighbours overlap.

Once the log-mel plane is filled nobody needs the window's samples, so planes of the same type as they stand in their memory;
before, nobody needs the other planes, so the front-end works in one of them.

A model that listens has no window of samples. The front-end makes rows of the log-mel while the network runs, so it works in
memory that is free between two steps of that: a chunk's, and what the kernel has for one filter.
"""

from l3mote.format import CHUNK_BYTES, CONV, PALETTE_BYTES, align
from l3mote.limits import ring_samples, stored_rows
from l3mote.memory import heap_error
from l3mote.strips import schedule, spans, used_cols, used_rows, vector_sizes

SAMPLE_BYTES = 2  # of the window, array('h')
CAPTURE = 4096  # what a Listener has besides, measured on the emulated RP2040: filters, a block of samples, levels, scores
RUN_OBJECTS = 4096  # generators, chunks and numbers that a run itself allocates, measured on the unix port


def payload_bytes(layer):
    """Return the bytes read in one pass over the weights: headers of chunks are read when the file is opened."""
    return layer.length - CHUNK_BYTES * layer.chunks


def tile_widths(layer):
    """Yield widths of tiles, in columns of the last convolution, widest first: whole groups of its pool, or equal parts of one."""
    for width in range(used_cols(layer), 0, -1):
        if width % layer.pool_cols == 0 or layer.pool_cols % width == 0:
            yield width


def shared_planes(sizes, room):
    """Return the indices of the planes that are stored in the window's memory of `room` bytes, the largest that fit first.

    sizes: bytes of all planes. The first is the log-mel plane, which is filled from the window.
    """
    shared = []
    for size, i in sorted([(size, i) for i, size in enumerate(sizes) if i], reverse=True):
        if size <= room:
            shared.append(i)
            room -= size
    return shared


class Plan:
    """What a run will do. buffers: [name, bytes]; heap_bytes their sum. shared: indices of planes (0: the log-mel) that are stored
    one behind the other in the window's memory, so that they cost nothing. workplace: index of the plane that the front-end works
    in, or None; in_chunk: it works in the kernel's workspace, of kernel_bytes, and the chunk behind it; else in memory of its own.
    listening: for a Listener, which has rows of the log-mel and a ring instead of the window.

    heights: rows of each convolution's strips. width: columns of the last convolution in a tile; tiles: how many there are.
    count() adds passes over each convolution's weights, flash_bytes, macs (non-zero weights) and macs_dense (all), a window.
    """

    def __init__(self, model, kernel, heights, width, listening=False):
        self.listening = listening
        self.heights = heights
        self.width = width
        self.layers = model.layers
        self.convs = convs = [layer for layer in model.layers if layer.kind == CONV]
        self.tiles = -(-used_cols(convs[-1]) // width)
        self.step = min(width, convs[-1].pool_cols)  # columns of the last convolution in one value of its output
        self.chunk_bytes = align(model.chunk_bytes)  # with the largest palette
        self.chunk_values = model.chunk_values
        self.max_values = model.max_values
        self._measure_tiles()
        self.shapes = list(self._shapes())
        self.sizes = [kernel.plane_bytes(shape[0], shape[1] * shape[2]) for shape in self.shapes]
        samples = kernel.itemsize == SAMPLE_BYTES  # are as large as elements
        self.room = SAMPLE_BYTES * model.frontend.window if samples and not listening else 0
        self.shared = shared_planes(self.sizes, self.room)
        self.workplace = None
        self.frontend_bytes = kernel.frontend_bytes(model.frontend)
        for i in range(1, len(self.shapes) if self.room else 0):
            if i not in self.shared and self.sizes[i] >= self.frontend_bytes:
                self.workplace = i
        self.in_chunk = samples and self.workplace is None
        self.strip = max([rows * shape[2] for shape, rows in zip(self.shapes, self._strip_rows())])  # elements, with borders
        self.kernel_bytes = kernel.workspace(self)
        if self.in_chunk:
            palette = PALETTE_BYTES if any([layer.palette for layer in self.layers]) else 0  # stays while a layer's chunks pass
            self.kernel_bytes = max(self.kernel_bytes, align(self.frontend_bytes - self.chunk_bytes + palette))
        self.buffers = list(self._buffers(model, kernel))
        self.heap_bytes = sum([n for _, n in self.buffers])

    def _measure_tiles(self):
        """columns: that each convolution computes, all tiles together; widest: in one tile."""
        self.columns, self.widest = [0] * len(self.convs), [0] * len(self.convs)
        for tile in range(self.tiles):
            for i, span in enumerate(spans(self.convs, tile, self.width)):
                self.columns[i] += span[1] - span[0]
                self.widest[i] = max(self.widest[i], span[1] - span[0])
        self.max_cols = max(self.widest)

    def _shapes(self):
        """(channels, stored rows, stored columns) of the plane that each convolution reads, and of the last one's output."""
        yield 1, self.convs[0].rows + 2, self.convs[0].cols + 2
        for layer, height, columns in zip(self.convs[1:], self.heights[1:], self.widest[1:]):
            yield layer.inputs, height + 2, columns + 2
        last = self.convs[-1]
        yield last.outputs, last.out_rows, self.widest[-1] // self.step + 2

    def _strip_rows(self):
        """Return the most rows that each convolution can be asked for at once."""
        for layer, height, after in zip(self.convs, self.heights, self.heights[1:]):
            yield min(height, (after + 1) * layer.pool_rows)
        yield self.heights[-1]

    def _buffers(self, model, kernel):
        names = ["log-mel"] + [layer.name for layer in self.convs[1:]] + ["embedding"]
        fe = model.frontend
        if self.listening:
            yield "ring", SAMPLE_BYTES * ring_samples(fe)
            yield "rows", kernel.plane_bytes(1, stored_rows(fe) * fe.bands)
            yield "capture", CAPTURE
        else:
            yield "window", SAMPLE_BYTES * fe.window
        for i, name in enumerate(names):
            yield name, 0 if i in self.shared else self.sizes[i]
        yield "vectors", kernel.itemsize * sum(vector_sizes(model))
        yield "chunk", self.chunk_bytes
        yield "kernel", self.kernel_bytes
        yield "front-end", 0 if self.in_chunk or self.workplace is not None else self.frontend_bytes
        yield "objects", RUN_OBJECTS

    def count(self):
        denses = self.layers[len(self.convs) :]
        self.passes = [0] * len(self.convs)
        self.macs = sum([layer.nonzeros for layer in denses])
        self.macs_dense = sum([layer.outputs * layer.taps for layer in denses])
        self.flash_bytes = sum([payload_bytes(layer) for layer in denses])
        for now, first, stop in schedule(self.convs, self.heights):
            layer = self.convs[now]
            pixels = (stop - first) * self.columns[now]
            self.passes[now] += self.tiles
            self.flash_bytes += payload_bytes(layer) * self.tiles
            self.macs += pixels * layer.nonzeros
            self.macs_dense += pixels * layer.outputs * layer.taps
        return self


def smallest_height(layer):
    """Return the rows that a block's pool takes together, mostly 1 or 2."""
    return layer.pool_rows if layer.pool_rows * 4 <= layer.rows else 1


def candidate_heights(layer):
    """Return heights worth trying, the whole plane first: the lowest for each number of passes, in multiples of the smallest."""
    used, step = used_rows(layer), smallest_height(layer)
    height = used
    while height >= step:
        yield height
        passes = -(-used // height) + 1
        height = min(-(-used // passes // step) * step, height - step)


def lowest(model, heap, kernel, convs, listening):
    """Return the first plan that fits, else the one that needs least heap.

    In this order: fewer tiles (least work), strips of the rows that a pool takes together, strips of one row (twice the passes).
    """
    least = None
    for width in tile_widths(convs[-1]):
        for heights in ([smallest_height(layer) for layer in convs], [1] * len(convs)):
            heights[0] = used_rows(convs[0])  # it reads the log-mel plane, which is whole: the layer after it decides
            trial = Plan(model, kernel, heights, width, listening)
            if heap is None or trial.heap_bytes <= heap:
                return trial
            if least is None or trial.heap_bytes < least.heap_bytes:
                least = trial
    return least


def own_bytes(sizes, room):
    """Return the bytes of the planes that are not in the window's memory."""
    return sum(sizes) - sum([sizes[i] for i in shared_planes(sizes, room)])


def estimated_flash(convs, heights):
    """Estimate the bytes that the convolutions read: a strip of one needs at least a strip of the one before."""
    passes = total = 0
    for i in range(len(convs) - 1, 0, -1):
        passes = max(passes, -(-used_rows(convs[i]) // heights[i]))
        total += convs[i].length * passes
    return total + convs[0].length * passes


def best_raise(plan, kernel, tried):
    """Return (i, heights): the convolution whose next strips save most flash for each byte of heap, and all heights then; or None.

    tried: the (i, height) that are known not to fit.
    """
    now, own = estimated_flash(plan.convs, plan.heights), own_bytes(plan.sizes, plan.room)
    best, most = None, 0
    for i in range(1, len(plan.convs)):
        for height in candidate_heights(plan.convs[i]):
            if height <= plan.heights[i]:
                break
            if (i, height) in tried:
                continue
            heights = plan.heights[:i] + [height] + plan.heights[i + 1 :]
            size = kernel.plane_bytes(plan.shapes[i][0], (height + 2) * plan.shapes[i][2])
            sizes = plan.sizes[:i] + [size] + plan.sizes[i + 1 :]
            cost = max(own_bytes(sizes, plan.room) - own, 1)  # it costs nothing where the window has room
            saved = (now - estimated_flash(plan.convs, heights)) / cost
            if saved > most:
                best, most = (i, heights), saved
    return best


def plan(model, heap, kernel, listening=False):
    """Return a plan that fits `heap` bytes (None: without limit) and reads little flash.

    model: anything with frontend, layers, chunk_bytes, chunk_values and max_values (a reader.Reader). kernel: its module, which
    knows what it allocates. listening: for a Listener. Starts from the fewest tiles and lowest strips that fit;
    then raises the strips that save most flash for each byte that they cost, as long as any fit. Raises HeapError.
    """
    convs = [layer for layer in model.layers if layer.kind == CONV]
    best = lowest(model, heap, kernel, convs, listening)
    if heap is not None and best.heap_bytes > heap:
        missing = best.heap_bytes - heap
        raise heap_error(best.heap_bytes, ", %d are free: %d bytes are missing" % (heap, missing), missing)
    tried = set()  # type: set
    while True:
        raised = best_raise(best, kernel, tried)
        if not raised:
            return best.count()
        i, heights = raised
        trial = Plan(model, kernel, heights, best.width, listening)
        if heap is None or trial.heap_bytes <= heap:
            best = trial
        else:
            tried.add((i, heights[i]))
