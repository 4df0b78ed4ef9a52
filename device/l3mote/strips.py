"""Which rows and columns a network's convolutions compute, and when: the plan counts them, the model runs them."""

from array import array

from l3mote.format import CONV
from l3mote.memory import Zeros


def used_rows(layer):
    """Return the rows of the convolution that survive its (floored) pool."""
    return layer.out_rows * layer.pool_rows


def used_cols(layer):
    """Return the columns of the convolution that survive its (floored) pool."""
    return layer.out_cols * layer.pool_cols


def schedule(convs, heights):
    """Yield (i, first, stop) of each strip of a window: convolution i computes rows first..stop-1, when a later one needs them."""
    last = now = len(convs) - 1
    made, wanted = [0] * len(convs), [0] * len(convs)
    wanted[last] = used_rows(convs[last])
    while made[last] < wanted[last]:
        while now < last and made[now] >= wanted[now]:
            now += 1
        while True:
            stop = min(made[now] + heights[now], wanted[now])
            needed = min(stop + 1, convs[now].rows) * convs[now - 1].pool_rows
            if not now or made[now - 1] >= needed:
                break
            now -= 1
            wanted[now] = needed
        yield now, made[now], stop
        made[now] = stop


def in_order(convs, heights, strips):
    """Return the numbers of schedule(), which yields so many strips, in one array: reading it costs a window no garbage."""
    order, at = array("H", Zeros(3 * strips)), 0
    for strip in schedule(convs, heights):
        order[at], order[at + 1], order[at + 2] = strip
        at += 3
    return order


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
