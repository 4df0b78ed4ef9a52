"""Strips, buffers, bytes and operations for a model in a given heap. Device and host call the same function.

Layers run in strips of rows (time). Convolution i computes `heights[i]` rows in one pass over its weights; the plane it
reads holds those rows and one more above and below. A higher strip costs heap and saves passes over the flash.
"""

from l3mote.format import CONV, align

RUN_OBJECTS = 4096  # generators, chunks and numbers that a run itself allocates, measured on the unix port


class HeapError(MemoryError):
    """No plan fits; `missing` is the number of bytes that even the smallest lacks."""


def heap_error(needed, heap):
    error = HeapError(
        "the model needs %d bytes of heap for its buffers, %d are free: %d bytes are missing" % (needed, heap, needed - heap)
    )
    error.missing = needed - heap
    return error


def used_rows(layer):
    """Rows of the convolution that survive its (floored) pool."""
    return layer.out_rows * layer.pool_rows


def schedule(convs, heights):
    """Yield (i, first, stop): convolution i computes its rows first..stop-1 now. Each strip is made when a later one needs it."""
    last = len(convs) - 1
    made = [0] * len(convs)
    wanted = [0] * len(convs)
    wanted[last] = used_rows(convs[last])
    now = last
    while made[last] < wanted[last]:
        stop = min(made[now] + heights[now], wanted[now])
        if now:
            needed = min(stop + 1, convs[now].rows) * convs[now - 1].pool_rows
            if made[now - 1] < needed:
                now -= 1
                wanted[now] = needed
                continue
        yield now, made[now], stop
        made[now] = stop
        while now < last and made[now] >= wanted[now]:
            now += 1


class Plan:
    """What a run will do. buffers: [name, bytes]; heap_bytes their sum.

    count() adds passes over each convolution's weights, flash_bytes, macs (non-zero weights) and macs_dense (all), a window.
    """

    def __init__(self, model, kernel, heights):
        self.heights = heights
        self.layers = model.layers
        self.convs = convs = [layer for layer in model.layers if layer.kind == CONV]
        self.chunk_bytes = align(model.chunk_bytes)  # with the largest palette
        self.chunk_values = model.chunk_values
        self.max_taps = max([layer.taps for layer in model.layers])
        self.max_cols = max([layer.cols for layer in model.layers])
        self.strip = max([rows * (layer.cols + 2) for layer, rows in zip(convs, self._strip_rows())])  # elements, with borders
        self.buffers = list(self._buffers(model, kernel))
        self.heap_bytes = sum([n for _, n in self.buffers])

    def _strip_rows(self):
        """Most rows that each convolution can be asked for at once."""
        for layer, height, after in zip(self.convs, self.heights, self.heights[1:]):
            yield min(height, (after + 1) * layer.pool_rows)
        yield self.heights[-1]

    def _buffers(self, model, kernel):
        names = ["log-mel"] + [layer.name for layer in self.convs[1:]] + ["embedding"]
        yield "window", 2 * model.frontend.window
        for name, shape in zip(names, plane_shapes(self.convs, self.heights)):
            yield name, kernel.plane_bytes(shape[0], shape[1] * (shape[2] + 2))
        yield "vectors", kernel.itemsize * sum(vector_sizes(model))
        yield "chunk", self.chunk_bytes
        yield "kernel", kernel.workspace(self)
        yield "front-end", kernel.frontend_bytes(model.frontend)
        yield "objects", RUN_OBJECTS

    def count(self):
        denses = self.layers[len(self.convs) :]
        self.passes = [0] * len(self.convs)
        self.macs = sum([layer.nonzeros for layer in denses])
        self.macs_dense = sum([layer.outputs * layer.taps for layer in denses])
        self.flash_bytes = sum([layer.length for layer in denses])
        for now, first, stop in schedule(self.convs, self.heights):
            layer = self.convs[now]
            pixels = (stop - first) * layer.cols
            self.passes[now] += 1
            self.flash_bytes += layer.length
            self.macs += pixels * layer.nonzeros
            self.macs_dense += pixels * layer.outputs * layer.taps
        return self


def plane_shapes(convs, heights):
    """(channels, stored rows, columns) of the plane that each convolution reads, and of the last one's output."""
    shapes = [(1, convs[0].rows + 2, convs[0].cols)]
    for layer, height in zip(convs[1:], heights[1:]):
        shapes.append((layer.inputs, height + 2, layer.cols))
    shapes.append((convs[-1].outputs, convs[-1].out_rows, convs[-1].out_cols))
    return shapes


def vector_sizes(model):
    """Lengths of the embedding and of each dense layer's output."""
    convs = [layer for layer in model.layers if layer.kind == CONV]
    return [convs[-1].out_size] + [layer.outputs for layer in model.layers[len(convs) :]]


def smallest_height(layer):
    """One row, or the pair (or so) that a block's pool takes together."""
    return layer.pool_rows if layer.pool_rows * 4 <= layer.rows else 1


def candidate_heights(layer):
    """Heights worth trying, the whole plane first: the lowest for each number of passes, in multiples of the smallest."""
    used, step = used_rows(layer), smallest_height(layer)
    height = used
    while height > step:
        yield height
        passes = -(-used // height) + 1
        height = min(-(-used // passes // step) * step, height - step)


def plan(model, heap, kernel):
    """A plan that fits `heap` bytes (None: without limit) and reads little flash.

    model: anything with frontend, layers and chunk_bytes (a reader.Reader). kernel: its module, which knows what it allocates.
    Starts from the lowest strips, which need the least heap; then, from the last layer back (most weights, smallest planes),
    takes the highest strip that still fits. Raises HeapError.
    """
    convs = [layer for layer in model.layers if layer.kind == CONV]
    heights = [smallest_height(layer) for layer in convs]
    heights[0] = used_rows(convs[0])  # reads the log-mel plane, which stands whole: the layer after it decides
    best = Plan(model, kernel, heights)
    if heap is not None and best.heap_bytes > heap:
        raise heap_error(best.heap_bytes, heap)
    for i in range(len(convs) - 1, 0, -1):
        for height in candidate_heights(convs[i]):
            trial = Plan(model, kernel, best.heights[:i] + [height] + best.heights[i + 1 :])
            if heap is None or trial.heap_bytes <= heap:
                best = trial
                break
    return best.count()
