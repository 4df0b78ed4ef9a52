"""Every kernel that loads here offers and does what kernels/__init__.py says; forms of the capture have the same names."""

import struct
from array import array

from helpers import kernels as loading
from where import SMALL

from l3mote import KernelError, Model, kernels
from l3mote.kernels import FIXED, choose, forms
from l3mote.model import Plane
from l3mote.model import test_signal as fill_signal

NAMES = ("name", "arithmetic", "itemsize", "locates")
SIZES = ("plane_bytes", "block_bytes", "workspace", "frontend_bytes")
FUNCTIONS = ("check", "Kernel", "FrontEnd")
FRONTEND = ("frame", "normalise")
ATTRIBUTES = ("chunk",)
METHODS = ("plane", "vector", "flat", "clear", "strip", "conv", "slide", "flatten", "dense", "floats", "row")


def loaded():
    return [choose(name) for name in loading()]


def opened():
    """A model for each of them."""
    for module in loaded():
        yield module, Model(SMALL, kernel=module.name)


def numbered(model):
    """A plane of 2 channels, 5 stored rows and 4 stored columns; elements count from 0. A layer fills its columns 1 and 2."""
    plane = Plane(model.kernel, 2, 5, 4)
    plane.place(-1, 0, 2)
    for i in range(40):
        if model.arithmetic == "fixed":
            struct.pack_into("<h", plane.data, 2 * i, i)
        else:
            plane.data[i // 20][i % 20] = i
    return plane


def rows(model, plane, channel):
    return [[int(v) for v in model.kernel.row(plane, channel, i)] for i in range(plane.rows)]


def test_modules_have_what_is_asked_of_them():
    for module in loaded():
        for name in NAMES + SIZES + FUNCTIONS:
            assert hasattr(module, name), (module.name, name)
        assert module.arithmetic == ("fixed" if module.name in FIXED else "float")
        assert module.itemsize in (2, 4, 8)
        for method in METHODS:
            assert hasattr(module.Kernel, method), (module.name, method)
        for method in FRONTEND:
            assert hasattr(module.FrontEnd, method), (module.name, method)


def test_the_contract_is_what_is_tested():
    if not getattr(kernels, "__doc__", None):  # MicroPython keeps none
        return
    import re

    named, python = [], choose("python")
    for line in kernels.__doc__.split("\n"):
        for part in re.sub(r"\(.*?\)", " ", line[4:]).split(", ") if line.startswith("    ") else ():
            word = part.split(" ")[0]
            if any([hasattr(owner, word) for owner in (python, python.Kernel, python.FrontEnd)]):
                named.append(word)
    assert sorted(named + ["row"]) == sorted(NAMES + SIZES + FUNCTIONS + METHODS + FRONTEND + ATTRIBUTES), named


def test_bytes_asked_for_are_of_what_is_allocated():
    for module, model in opened():
        fe = model.reader.frontend
        for channels, size in ((1, 20), (3, 100)):
            whole, block = module.plane_bytes(channels, size), module.block_bytes(channels, size)
            assert channels * size * module.itemsize <= whole and size * module.itemsize <= block <= whole, module.name
        assert module.workspace(model.plan) > 0 and module.frontend_bytes(fe) >= module.itemsize * fe.n_fft
        model.close()


def test_a_kernel_brings_the_buffer_of_chunks_with_its_workspace_before_it_or_leaves_it_to_the_model():
    for module, model in opened():
        chunk, plan = model.kernel.chunk, model.plan
        assert chunk is None or model.chunk is chunk, module.name
        assert len(model.chunk) == plan.chunk_bytes and plan.kernel_bytes >= module.workspace(plan), module.name
        if module.itemsize == 2:
            work = model.kernel.work
            assert len(work) == plan.kernel_bytes + plan.chunk_bytes >= module.frontend_bytes(model.reader.frontend), module.name
            work[plan.kernel_bytes] = 170
            assert chunk[0] == 170, module.name
        model.close()


def test_planes_and_vectors_begin_as_zeros():
    for module, model in opened():
        assert rows(model, numbered(model), 1)[0] == [21, 22], module.name
        plane = Plane(model.kernel, 2, 5, 4)
        plane.place(-1, 0, 2)
        assert rows(model, plane, 0) == rows(model, plane, 1) == [[0, 0]] * 5, module.name
        vector = model.kernel.vector(7)
        assert len(vector) == 7 and not any(vector), module.name
        model.close()


def test_clear_zeroes_its_rows_alone():
    for module, model in opened():
        plane = numbered(model)
        model.kernel.clear(plane, 1, 2)
        model.kernel.clear(plane, 4)
        assert rows(model, plane, 0) == [[1, 2], [0, 0], [0, 0], [13, 14], [0, 0]], module.name
        assert rows(model, plane, 1) == [[21, 22], [0, 0], [0, 0], [33, 34], [0, 0]], module.name
        model.close()


def test_slide_moves_two_rows_to_the_top():
    for module, model in opened():
        plane = numbered(model)
        model.kernel.slide(plane, 3)
        assert rows(model, plane, 0)[:2] == [[13, 14], [17, 18]], module.name
        assert rows(model, plane, 1)[:2] == [[33, 34], [37, 38]], module.name
        model.close()


def test_flatten_goes_by_columns_then_rows_then_channels():
    for module, model in opened():
        plane, embedding = numbered(model), model.kernel.vector(10)
        for i in range(10):
            embedding[i] = 22
        model.kernel.flatten(plane, embedding, 2, 1, False)  # what is greater stays
        assert [int(v) for v in embedding] == [22, 22, 22, 22, 25, 22, 22, 22, 26, 22], module.name
        model.kernel.flatten(plane, embedding, 2, 1, True)  # nothing does
        assert [int(v) for v in embedding] == [22, 1, 21, 5, 25, 2, 22, 6, 26, 22], module.name
        model.close()


def test_outputs_are_numbers():
    for module, model in opened():
        vector = model.kernel.vector(2)
        vector[0], vector[1] = -3, 8
        unit = 2.0 ** -model.reader.fixed().exponents[0] if module.name in FIXED else 1
        assert list(model.kernel.floats(vector, 0)) == [-3 * unit, 8 * unit], module.name
        model.close()


def test_check_compares_with_one_of_the_checksums():
    crcs = array("I", [0, 0xCBF43926])  # of the nine digits, as every catalogue of CRCs has it
    for module in loaded():
        data = memoryview(b"01234567890")[1:]
        assert module.check(data, 9, crcs, 1) and not module.check(data, 9, crcs, 0), module.name
        assert not module.check(data, 8, crcs, 1) and not module.check(data, 10, crcs, 1), module.name


def test_the_front_end_yields_after_each_frame_and_works_in_what_it_is_given():
    for module, model in opened():
        reader, plane = model.reader, model.planes[0]
        fe = reader.frontend
        planes = []
        works = [None] + ([bytearray(module.frontend_bytes(fe))] if module.itemsize == 2 else [])
        for work in works:
            fill_signal(model.pcm, 777)
            model.kernel.clear(plane, 0, plane.rows)
            frontend = module.FrontEnd(reader, work)
            assert len(list(kernels.window_steps(frontend, model.pcm, plane))) == fe.frames + 1, module.name
            planes.append(rows_of(model, plane))
            assert any(planes[0][1]) and not any(planes[0][0]), module.name  # row 0 is the border
        assert planes == [planes[0]] * len(works) and (work is None or any(work)), module.name
        model.close()


def test_a_frame_needs_no_samples_but_its_own_and_rows_may_stand_elsewhere():
    """Frames one by one, each from a buffer of nothing but its samples, the last first, their levels apart from the plane."""
    for module, model in opened():
        fe, plane = model.reader.frontend, model.planes[0]
        fill_signal(model.pcm, 777)
        for _ in kernels.window_steps(model.logmel, model.pcm, plane):
            pass
        wanted = rows_of(model, plane)
        fill_signal(model.pcm, 777)
        samples = array("h", model.pcm)  # the front-end may work in the window's memory
        model.kernel.clear(plane, 0, plane.rows)
        store = Plane(model.kernel, 1, fe.frames, fe.bands + 3)
        levels, loudest = model.kernel.flat(store), [None] * fe.frames
        frontend = module.FrontEnd(model.reader)
        for t in reversed(range(fe.frames)):
            start = t * fe.hop_length - fe.pad_before
            first, stop = max(start, 0), min(start + fe.n_fft, fe.window)
            loudest[t] = frontend.frame(samples[first:stop], start - first, levels, t * store.pitch + 2)
        for first, rows in ((0, 4), (4, fe.frames - 4)):
            frontend.normalise(levels, first * store.pitch + 2, store.pitch, plane, first, rows, max(loudest))
        assert rows_of(model, plane) == wanted, module.name
        model.close()


def rows_of(model, plane):
    return [list(model.kernel.row(plane, 0, i)) for i in range(plane.rows)]


def test_forms_of_the_capture_have_the_same_names():
    there = []
    for name in forms.FORMS:
        try:
            there.append(forms.choose(name))
        except KernelError as e:
            assert "python" in str(e)
    names = ["take", "remove_offset", "measure", "decimate", "offset_memory", "state", "measured"]
    for _, form in there:
        names += getattr(form, "__all__", ())
    for name, form in there:
        for what in names:
            assert hasattr(form, what), (name, what)
    assert "python" in [name for name, _ in there]
