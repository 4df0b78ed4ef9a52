"""Which rows and columns a network's convolutions compute, and when: the plan counts them, the model runs them."""

from l3mote.format import CONV


def used_rows(layer):
    """Return the rows of the convolution that survive its (floored) pool."""
    return layer.out_rows * layer.pool_rows


def used_cols(layer):
    """Return the columns of the convolution that survive its (floored) pool."""
    return layer.out_cols * layer.pool_cols


def schedule(convs, heights):
    """Yield (i, first, stop): convolution i computes its rows first..stop-1 now. Each strip is made when a later one needs it."""
    rows, pools = [layer.rows for layer in convs], [layer.pool_rows for layer in convs]
    now = last = len(convs) - 1
    made, wanted = [0] * len(convs), [0] * len(convs)
    wanted[last] = used_rows(convs[last])
    while made[last] < wanted[last]:
        stop = made[now] + heights[now]
        if stop > wanted[now]:
            stop = wanted[now]
        if now:
            needed = (stop + 1 if stop < rows[now] else stop) * pools[now - 1]
            if made[now - 1] < needed:
                now -= 1
                wanted[now] = needed
                continue
        yield now, made[now], stop
        made[now] = stop
        while now < last and made[now] >= wanted[now]:
            now += 1


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
