"""Tiles of bands change no result: float kernels on random layers of odd shapes, every runtime layer by layer."""

import re
from array import array
from importlib import import_module
from io import BytesIO

import numpy as np
import pytest
from bench import layer_graph
from shapes import SHAPES, graph_of, noise
from support import require

from l3host.emulate import emulate, runtimes
from l3host.errors import L3Error
from l3host.l3m.writer import to_bytes
from l3host.reference import floats
from l3mote import Model, plan
from l3mote.reader import Reader
from l3mote.tolerances import LAYER_RELATIVE


def heap_of_tiles(reader, kernel, width):
    """Bytes of the plan of one-row strips in tiles of `width` columns of the last convolution."""
    convs = [layer for layer in reader.layers if layer.kind == plan.CONV]
    return plan.Plan(reader, kernel, [plan.used_rows(convs[0])] + [1] * (len(convs) - 1), width).heap_bytes


@pytest.mark.parametrize("kernel", ["python", "ulab"])
@pytest.mark.parametrize("shape", SHAPES)
def test_float_kernels_on_random_layers(shape, kernel):
    graph = graph_of(shape)
    module = import_module("l3mote.kernels." + kernel)
    data = to_bytes(graph)
    reader = Reader(BytesIO(data))
    pcm = noise(graph.frontend, 1)
    expected = floats.run(graph, pcm / 32768)
    tiles = set()
    for width in plan.tile_widths(reader.layers[len(graph.convs) - 1]):
        model = Model(BytesIO(data), heap_of_tiles(reader, module, width), kernel)
        for _ in range(2):  # what the last tile of one window leaves must not reach the next
            model.pcm[:] = array("h", pcm[0].tobytes())
            output = np.array(model.run())
        embedding, scale = np.array(model.embedding), np.abs(expected.embedding).max()
        assert np.abs(embedding - expected.embedding[0]).max() <= 3 * LAYER_RELATIVE * scale, width
        assert np.abs(output - expected.output[0]).max() <= 3 * LAYER_RELATIVE * np.abs(expected.output).max(), width
        tiles.add(model.plan.tiles)
    assert len(tiles) > 1 or shape == "one column"


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A model of whose planes not even one row of three fits into the window's memory."""
    path = tmp_path_factory.mktemp("tiles") / "wide.l3m"
    path.write_bytes(to_bytes(layer_graph(16, 32, 25, 0.5)))
    return str(path)


RUNS = [("cpython", "python"), ("cpython", "ulab"), ("unix", "native"), ("unix", "viper"), ("wasm", "ulab")]


def least_heap(model, pcm, runtime, kernel):
    with pytest.raises(L3Error) as error:
        emulate(model, pcm, runtime, kernel=kernel, plan_heap=1)
    return int(re.search(r"needs (\d+) bytes", str(error.value))[1])


@pytest.mark.parametrize("runtime, kernel", RUNS)
def test_every_layer_of_the_smallest_plan(wide, runtime, kernel):
    try:
        runtimes.find(runtime)
    except L3Error as e:
        require(False, str(e))
    pcm = noise(Reader(wide).frontend, 1)
    heap = least_heap(wide, pcm, runtime, kernel)
    emulation = emulate(wide, pcm, runtime, kernel=kernel, plan_heap=heap)
    assert emulation.ok, emulation.first_failure
    assert emulation.facts["selftest"]
    assert emulation.facts["flash_bytes_read"] == emulation.facts["plan_flash_bytes"]
    assert emulation.facts["tiles"] > 1
    if runtime == "unix":
        assert all(layer.max_abs == 0 for layer in emulation.layers)
