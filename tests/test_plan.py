"""The schedule and the plan: every row once, in order, never before what it reads; buffers within the heap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_small import PATH

from l3mote.format import CONV, Layer
from l3mote.kernels import python as kernel
from l3mote.plan import HeapError, Plan, candidate_heights, plan, schedule, smallest_height, used_rows
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
        assert all(smallest_height(layer) < h <= used_rows(layer) for h in heights)


def needed(reader):
    with pytest.raises(HeapError) as e:
        plan(reader, 0, kernel)
    return e.value.missing


def test_plan_keeps_to_its_heap_and_reads_less_with_more():
    reader = Reader(str(PATH))
    least = needed(reader)
    flash = None
    for heap in range(least, 3 * least, 997):
        found = plan(reader, heap, kernel)
        assert found.heap_bytes == sum(n for _, n in found.buffers) <= heap
        assert flash is None or found.flash_bytes <= flash * 1.5  # a greedy choice may lose a little, never much
        flash = found.flash_bytes
    whole = plan(reader, None, kernel)
    assert whole.passes == [1] * 6 and whole.flash_bytes == sum(layer.length for layer in reader.layers)


def test_one_byte_less_than_the_smallest_plan_is_one_byte_missing():
    reader = Reader(str(PATH))
    least = needed(reader)
    assert plan(reader, least, kernel).heap_bytes == least
    with pytest.raises(HeapError, match="1 bytes are missing"):
        plan(reader, least - 1, kernel)


def test_operations_counted_by_hand():
    reader = Reader(str(PATH))
    heights = [used_rows(layer) for layer in reader.layers[:6]]
    found = Plan(reader, kernel, heights).count()
    # rows computed x 25, 12 or 6 bands x filters x 9 taps x inputs: a row that a floored pool drops is not computed
    convs = 15 * 25 * 4 * 9 + 14 * 25 * 5 * 36 + 7 * 12 * 6 * 45 + 6 * 12 * 8 * 54 + 3 * 6 * 8 * 72 + 3 * 6 * 12 * 72
    assert found.macs_dense == convs + 12 * 10 + 10 * 3
    assert found.macs < found.macs_dense
