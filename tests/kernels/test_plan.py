"""Tiles, schedule and plan: every row and column once, in order, never before what it reads; buffers within the heap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_small import PATH

from l3mote.format import CONV, Layer
from l3mote.kernels import integer
from l3mote.kernels import python as kernel
from l3mote.memory import HeapError
from l3mote.plan import (
    Plan,
    candidate_heights,
    plan,
    schedule,
    shared_planes,
    smallest_height,
    spans,
    tile_widths,
    used_rows,
)
from l3mote.reader import Reader


def conv(rows, cols, inputs, outputs, pool):
    record = (b"conv", CONV, 1, 0, 0, inputs, outputs, pool[0], pool[1], 1, 0, 100 * outputs, 9 * inputs * outputs, 0)
    return Layer(record, rows, cols)


def chain(rows, cols, pools):
    layers, channels = [], 1
    for pool in pools:
        pool = min(pool, rows), min(pool, cols)
        layers.append(conv(rows, cols, channels, 2, pool))
        rows, cols, channels = rows // pool[0], cols // pool[1], 2
    return layers


def test_schedule_written_by_hand():
    # two convolutions on 4 rows, the first pooled by 2: rows 0-3 -> 2 rows -> 2 rows, one at a time
    layers = chain(4, 4, [2, 1])
    assert list(schedule(layers, [2, 1])) == [(0, 0, 2), (0, 2, 4), (1, 0, 1), (1, 1, 2)]
    # no pool: the second needs one row below each of its own
    layers = chain(4, 4, [1, 1])
    assert list(schedule(layers, [4, 1])) == [(0, 0, 2), (1, 0, 1), (0, 2, 3), (1, 1, 2), (0, 3, 4), (1, 2, 3), (1, 3, 4)]


pools = st.lists(st.sampled_from([1, 1, 2, 3, 99]), min_size=1, max_size=6)
chains = st.builds(chain, st.integers(4, 60), st.integers(4, 20), pools)


@given(chains, st.data())
def test_schedule_makes_each_row_once_in_order_and_in_time(layers, data):
    heights = [data.draw(st.integers(1, layer.rows)) for layer in layers]
    made = [0] * len(layers)
    for now, first, stop in schedule(layers, heights):
        assert first == made[now] and first < stop <= first + heights[now]
        if now:
            below = min(stop + 1, layers[now].rows)
            assert made[now - 1] // layers[now - 1].pool_rows == below  # exactly what it reads exists: the buffer cannot overflow
        made[now] = stop
    assert made[-1] == used_rows(layers[-1])
    for layer, rows in zip(layers, made, strict=True):
        assert rows <= layer.rows


@given(chains)
def test_candidate_heights_fall_from_the_whole_plane(layers):
    for layer in layers:
        heights = list(candidate_heights(layer))
        assert heights == sorted(set(heights), reverse=True)
        assert all(smallest_height(layer) <= h <= used_rows(layer) for h in heights)


def test_tiles_written_by_hand():
    # 16 columns, 16, pooled to 8, 8 and all pooled to 1: two tiles, each read with one column of the other by every layer
    layers = chain(16, 16, [1, 2, 1, 8])
    assert spans(layers, 0, 4) == [(0, 13), (0, 12), (0, 5), (0, 4)]
    assert spans(layers, 1, 4) == [(3, 16), (4, 16), (3, 8), (4, 8)]
    # EdgeL3: the second of four tiles; of two tiles, the first reads 158 columns, 30 more than its half
    layers = chain(199, 256, [1, 2, 1, 2, 1, 2, 1, 32])
    assert spans(layers, 1, 8) == [(35, 157), (36, 156), (19, 77), (20, 76), (11, 37), (12, 36), (7, 17), (8, 16)]
    assert spans(layers, 0, 16)[0] == (0, 157)


def test_tiles_are_whole_groups_of_the_last_pool_or_equal_parts_of_one():
    assert list(tile_widths(conv(8, 8, 1, 2, (8, 8)))) == [8, 4, 2, 1]
    assert list(tile_widths(conv(8, 12, 1, 2, (1, 3)))) == [12, 9, 6, 3, 1]
    assert list(tile_widths(conv(8, 25, 1, 2, (1, 12)))) == [24, 12, 6, 4, 3, 2, 1]  # the 25th column is not used


@given(chains, st.data())
def test_tiles_make_what_the_next_layer_reads_and_no_more(layers, data):
    last = layers[-1]
    width = data.draw(st.sampled_from(list(tile_widths(last))))
    made = []
    for tile in range(-(-last.out_cols * last.pool_cols // width)):
        result = spans(layers, tile, width)
        made += range(*result[-1])
        for layer, (first, stop), span in zip(layers[1:], result[1:], result, strict=False):
            read = {column for x in range(first, stop) for column in (x - 1, x, x + 1) if 0 <= column < layer.cols}
            pool = layers[layers.index(layer) - 1].pool_cols
            assert {column // pool for column in range(*span)} == read and (span[1] - span[0]) == pool * len(read)
    assert made == list(range(last.out_cols * last.pool_cols))


def needed(reader):
    with pytest.raises(HeapError) as e:
        plan(reader, 0, kernel)
    return e.value.missing


def test_plan_keeps_to_its_heap_and_reads_less_with_more():
    reader = Reader(str(PATH))
    least = needed(reader)
    flash = None
    for heap in range(least, 3 * least, 997):
        result = plan(reader, heap, kernel)
        assert result.heap_bytes == sum(n for _, n in result.buffers) <= heap
        assert flash is None or result.flash_bytes <= flash * 1.5  # a greedy choice may lose a little, never much
        flash = result.flash_bytes
    whole = plan(reader, None, kernel)
    assert whole.passes == [1] * 6 and whole.flash_bytes == sum(layer.length - 12 * layer.chunks for layer in reader.layers)


def test_planes_in_the_windows_memory_written_by_hand():
    # bytes; the first is the log-mel plane. 60 and 30 of 100 find a place, 45 does not after 60
    assert shared_planes([99, 45, 60, 30, 200], 100) == [2, 3]
    assert shared_planes([99, 101], 100) == [] and shared_planes([1, 1], 0) == []


def test_what_stands_in_the_windows_memory_costs_no_heap():
    reader = Reader(str(PATH))
    heights = [used_rows(layer) for layer in reader.layers[:6]]
    alone, sharing = (Plan(reader, module, heights, 6) for module in (kernel, integer))
    assert alone.shared == [] and all(n > 0 for _, n in alone.buffers)
    # int16; used rows and columns with their borders: 15 x 25 (log-mel), 14 x 24, 7 x 12, 6 x 12, 3 x 6 twice; the window has 1,900
    assert sharing.sizes == [2 * n for n in (17 * 27, 4 * 16 * 26, 5 * 9 * 14, 6 * 8 * 14, 8 * 5 * 8, 8 * 5 * 8, 12 * 1 * 3)]
    assert sharing.shared == [1, 6]
    assert [n for _, n in sharing.buffers[:8]] == [3800, 918, 0, 1260, 1344, 640, 640, 0]
    # the front-end's work, 256 + 129 + 33 words, finds no room in any of these planes, but in the chunk's buffer; half of it does
    assert sharing.workplace is None and sharing.in_chunk and dict(sharing.buffers)["chunk"] == 2288 > 1672
    model = Reader(str(PATH))
    model.frontend.n_fft = 128
    working = Plan(model, integer, heights, 6)
    assert working.workplace == 3 and ("front-end", 0) in working.buffers
    assert not working.in_chunk and sharing.heap_bytes == working.heap_bytes


def test_less_heap_means_more_tiles_and_more_work():
    reader = Reader(str(PATH))
    last = reader.layers[5]
    tiles, macs, heap = [], [], plan(reader, None, kernel).heap_bytes
    while heap > needed(reader):
        result = plan(reader, heap, kernel)
        tiles.append(result.tiles)
        macs.append(result.macs)
        heap = result.heap_bytes - 1
    assert tiles == sorted(tiles) and macs == sorted(macs)
    assert tiles[0] == 1 and set(tiles) <= {-(-last.cols // width) for width in tile_widths(last)} and len(set(tiles)) > 1


def test_one_byte_less_than_the_smallest_plan_is_one_byte_missing():
    reader = Reader(str(PATH))
    least = needed(reader)
    assert plan(reader, least, kernel).heap_bytes == least
    with pytest.raises(HeapError, match="1 bytes are missing"):
        plan(reader, least - 1, kernel)


def test_operations_counted_by_hand():
    reader = Reader(str(PATH))
    heights = [used_rows(layer) for layer in reader.layers[:6]]
    result = Plan(reader, kernel, heights, 6).count()
    # rows computed x 25, 12 or 6 bands x filters x 9 taps x inputs: a row or band that a floored pool drops is not computed
    convs = 15 * 25 * 4 * 9 + 14 * 24 * 5 * 36 + 7 * 12 * 6 * 45 + 6 * 12 * 8 * 54 + 3 * 6 * 8 * 72 + 3 * 6 * 12 * 72
    assert result.macs_dense == convs + 12 * 10 + 10 * 3
    assert result.macs < result.macs_dense
    tiled = Plan(reader, kernel, heights, 3).count()
    # bands 0-2 and 3-5 of conv6 come from 0-3 and 2-5 of conv5, those from 0-9 and 2-11 of conv4, from 0-10 and 1-11 of conv3
    convs = 15 * 50 * 4 * 9 + 14 * 48 * 5 * 36 + 7 * 22 * 6 * 45 + 6 * 20 * 8 * 54 + 3 * 8 * 8 * 72 + 3 * 6 * 12 * 72
    assert tiled.macs_dense == convs + 12 * 10 + 10 * 3
    assert tiled.tiles == 2 and tiled.passes == [2] * 6
    convolutions = sum(layer.length - 12 * layer.chunks for layer in reader.layers[:6])
    assert tiled.flash_bytes == result.flash_bytes + convolutions  # each of them once more, the dense layers not
