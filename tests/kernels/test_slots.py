"""The parameters that Python packs for C are the C structs': their slots' names, their numbers, and what stands in them."""

import json
import re
import shutil

import pytest
from support import ROOT, SCRIPTS, runtime_of

from l3host.emulate import runtimes
from l3mote.kernels import forms

KERNELS = ROOT / "device" / "l3mote" / "kernels"
HEADER = (ROOT / "device" / "native" / "include" / "l3native.h").read_text()
NATIVE = (KERNELS / "native.py").read_text()
INTEGER = (KERNELS / "integer.py").read_text()
CAPTURES = [path.read_text() for path in sorted(KERNELS.glob("capture*.py"))]


def fields(struct):
    """Names of a C struct's fields in their order, all of them int32_t."""
    body = re.search(rf"typedef struct {{\n([^}}]*)}} {struct};", HEADER)[1]
    code = [re.sub(r"//.*", "", line).strip() for line in body.splitlines()]
    names = [re.fullmatch(r"int32_t (\w+);", line)[1] for line in code if line]
    assert names
    return names


def consts(prefix):
    """Numbered names of native.py that begin so."""
    return {name.lower(): int(value) for name, value in re.findall(rf"^_{prefix}_(\w+) = const\((\d+)\)$", NATIVE, re.MULTILINE)}


def test_slots_of_a_convolution_have_the_names_and_the_order_of_c():
    names = fields("conv_t")
    assert consts("CONV") == {**{name: i for i, name in enumerate(names)}, "slots": len(names)}


def test_slots_that_move_from_frame_to_frame_have_the_numbers_of_c():
    names, slots = fields("frame_t"), consts("FRAME")
    assert slots == {name: names.index(name) for name in ("start", "to")}


@pytest.mark.parametrize("struct", ["planes_t", "columns_t", "rows_t", "frame_t"])
def test_structs_packed_whole_have_the_fields_of_c(struct):
    count, names = re.search(rf'"<(\d+)i"\)?  # {struct}[^:]*: ([\w ]+)$', INTEGER + NATIVE, re.MULTILINE).groups()
    assert names.split() == fields(struct) and int(count) == len(fields(struct))


@pytest.mark.parametrize(("struct", "at_least"), [("take_t", 2), ("decimate_t", 2), ("part_t", 2), ("offset_t", 1)])
def test_slots_of_the_capture_are_named_as_in_c(struct, at_least):
    message = re.findall(rf"# \w+, {struct} in C: ([\w ]+)", "\n".join(CAPTURES))
    assert len(message) >= at_least and all(names.split() == fields(struct) for names in message)


def test_places_in_what_the_capture_remembers_are_those_of_c():
    """A static assert in C compares its numbers with the structs."""
    places = re.search(r"enum { (MEMORY .*) };", HEADER)[1]
    numbers = {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", places)}
    assert set(numbers) == {"MEMORY", "MEASURED", "STATE", "OFFSET_STATS", "OFFSET"}
    assert numbers == {name: getattr(forms, name) for name in numbers}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """What slots.py packed, by the function that it went to."""
    folder = tmp_path_factory.mktemp("slots")
    shutil.copy(ROOT / "tests" / "device" / "small.l3m", folder)
    done = runtimes.execute(runtime_of("unix"), SCRIPTS / "slots.py", ROOT / "device", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


# What slots.py's numbers mean. Rows 7 to 9 of a convolution that pools pairs; the chunk's first filter is the layer's third. C sets
# where the chunk's parts are, and what a layer_t has.
# Row 7's upper left neighbour is in row 6 of a plane whose first stored row is -1; it is the second of its pair, which is row 3.
MEANT = {
    "conv": ("conv_t", {
        "filters": 0, "biases": 0, "counts": 0, "values": 0, "positions": 0, "end": 0, "first_shift": 0,
        "to": 3 * 25 + 1, "palette": 0, "number": 11, "first_filter": 2,
        "code": 0, "taps": 0, "exponent": 0, "out_exponent": 0, "least": 0, "most": 0, "is_signed": 0,
        "pitch": 0, "size": 0, "out_pitch": 0, "out_size": 0, "pool_rows": 0, "pool_columns": 0,
        "first": 7 * 21, "rows": 3, "columns": 96, "within": 1, "out_columns": 24,
    }),
    "clear": ("planes_t", {"channels": 41, "size": 42, "pitch": 43, "first": 46, "rows": 47}),
    "slide": ("planes_t", {"channels": 41, "size": 42, "pitch": 43, "first": 48, "rows": 2}),
    "flatten": ("columns_t", {
        "channels": 41, "size": 42, "pitch": 43, "inset": 44, "rows": 49, "columns": 45, "to": 51, "opening": 1,
    }),
    # the plane's rows from 54 on, behind the one of its border
    "normalise": ("rows_t", {
        "rows": 55, "columns": 64, "from": 52, "from_pitch": 53, "to": 55 * 43 + 1, "to_pitch": 43, "loudest": -67,
    }),
    "frame": ("frame_t", {
        "n_fft": 61, "start": -62, "bits": 65, "to": 63, "offset": -42 * 512, "bands": 64, "silence": -66,
    }),
}  # fmt: skip


@pytest.mark.parametrize("function", MEANT)
def test_each_slot_holds_what_c_calls_it(function, packed):
    struct, meant = MEANT[function]
    names = fields(struct)
    assert dict(zip(names, packed[function][: len(names)], strict=True)) == meant


def test_what_all_strips_of_a_layer_share_is_packed_in_the_order_of_c(packed):
    names = re.findall(r"int32_t ([\w, ]+);", re.search(r"typedef struct {\n([^}]*)} layer_t;", HEADER)[1])
    names = ", ".join(names).split(", ")
    meant = {"code": 3, "taps": 72, "exponent": 13, "out_exponent": 13, "least": 0, "most": 32767, "is_signed": 0}  # of conv5
    meant |= {"palette": 1776, "first_shift": 4 + 5 + 6 + 8}  # behind the largest payload, and the filters before
    # whole planes: 3 rows and 6 bands with their borders before and after, not pooled
    meant |= {"pitch": 8, "size": 5 * 8, "out_pitch": 8, "out_size": 5 * 8, "pool_rows": 1, "pool_columns": 1}
    assert dict(zip(names, packed["layer"], strict=True)) == meant
