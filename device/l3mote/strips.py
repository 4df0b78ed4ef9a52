"""Which rows and columns a network's convolutions compute, and when: the plan counts them, the model runs them."""

from l3mote.format import CONV


def used_rows(layer):
    """Return the rows of the convolution that survive its (floored) pool."""
    return layer.out_rows * layer.pool_rows


def used_cols(layer):
    """Return the columns of the convolution that survive its (floored) pool."""
    return layer.out_cols * layer.pool_cols


class Strips:
    """Strip after strip of a window: once next() was true, convolution `now` computes its rows first..stop-1.

    Each strip is made when a later one needs it. next() allocates nothing.
    """

    def __init__(self, convs, heights):
        self.heights = heights
        self.rows, self.pools = [layer.rows for layer in convs], [layer.pool_rows for layer in convs]
        self.last, self.used = len(convs) - 1, used_rows(convs[-1])
        self.made, self.wanted = [0] * len(convs), [0] * len(convs)
        self.restart()

    def restart(self):
        """Go back to the first strip."""
        for i in range(self.last):
            self.made[i] = self.wanted[i] = 0
        self.made[self.last], self.wanted[self.last] = 0, self.used
        self.now, self.first, self.stop = self.last, 0, 0

    def next(self):
        """Go on to the next strip; False after the last."""
        now, made, wanted = self.now, self.made, self.wanted
        made[now] = self.stop
        while now < self.last and made[now] >= wanted[now]:
            now += 1
        if made[now] >= wanted[now]:
            return False
        while True:
            stop = made[now] + self.heights[now]
            if stop > wanted[now]:
                stop = wanted[now]
            needed = (stop + 1 if stop < self.rows[now] else stop) * self.pools[now - 1]
            if not now or made[now - 1] >= needed:
                break
            now -= 1
            wanted[now] = needed
        self.now, self.first, self.stop = now, made[now], stop
        return True


def spans(convs, tile, width):
    """Return the columns, (first, stop), of each convolution in a tile: those the next one reads, and a neighbour on each side."""
    first = tile * width
    stop = min(first + width, used_cols(convs[-1]))
    columns = [(first, stop)]
    for i in range(len(convs) - 1, 0, -1):
        pool = convs[i - 1].pool_cols
        first, stop = max(first - 1, 0) * pool, min(stop + 1, convs[i].cols) * pool
        columns.append((first, stop))
    columns.reverse()
    return columns


def vector_sizes(model):
    """Return the lengths of the embedding and of each dense layer's output."""
    convs = [layer for layer in model.layers if layer.kind == CONV]
    return [convs[-1].out_size] + [layer.outputs for layer in model.layers[len(convs) :]]
