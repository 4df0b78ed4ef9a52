"""A whole model on this interpreter: the same answers whatever the heap, twice in a row, and the file's own self-test."""

import io
from array import array

from helpers import Damaged, contents, kernels, raises
from where import SMALL

from l3mote import FormatError, HeapError, KernelError, Model, Reader
from l3mote.format import CHUNK_BYTES, PALETTE_BYTES
from l3mote.kernels import FIXED, candidates, choose, first_that_fits
from l3mote.model import test_signal as fill_signal
from l3mote.plan import plan


def smallest(kernel):
    """Bytes of the smallest plan."""
    reader = Reader(SMALL)
    try:
        plan(reader, 0, choose(kernel))
    except HeapError as e:
        return e.missing
    finally:
        reader.close()


def run(heap, kernel):
    model = Model(SMALL, heap=heap, kernel=kernel)
    fill_signal(model.pcm, 777)
    model.reader.bytes_read = 0
    out = list(model.run())
    assert model.reader.bytes_read == model.plan.flash_bytes
    model.close()
    return out, model.plan.passes


def close(a, b, tolerance):
    return max([abs(x - y) for x, y in zip(a, b)]) <= tolerance


def test_selftest_passes_with_each_kernel():
    for kernel in kernels():
        model = Model(SMALL, kernel=kernel)
        passed, error = model.selftest()
        assert passed, (kernel, error)
        model.close()


def test_strips_do_not_change_the_answer():
    for kernel in kernels():
        least = smallest(kernel)
        whole, passes = run(4 * least, kernel)
        strips, more = run(least, kernel)
        assert sum(more) > sum(passes)
        assert close(whole, strips, 0 if kernel in FIXED else 1e-6), (kernel, whole, strips)


def test_the_first_kernel_whose_plan_fits_is_taken():
    names = [module.name for module in candidates(calibrated=True)]
    least = [smallest(name) for name in names]
    for heap in least:
        fits = [name for name, bytes in zip(names, least) if bytes <= heap]
        model = Model(SMALL, heap=heap)
        assert model.kernel_name == fits[0], (heap, names, least)
        assert model.selftest()[0]
        model.close()
    assert raises(HeapError, lambda: Model(SMALL, heap=min(least) - 10)).endswith(": 10 bytes are missing")


def lacking(missing):
    error = HeapError("%d bytes are missing" % missing)
    error.missing = missing
    return error


def test_what_the_nearest_kernel_lacks_is_said_whatever_the_others_raise():
    many = lacking(1 << 40)

    def loaded(*errors):
        for error in errors:
            yield error
        raise MemoryError("while the next kernel was loaded")

    def attempt(error):
        raise error

    for errors, said in (((lacking(9), lacking(7), MemoryError("x")), "7"), ((MemoryError("x"), many), "%d" % (1 << 40))):
        for sequence in (errors, loaded(*errors)):
            assert raises(HeapError, first_that_fits, sequence, attempt) == said + " bytes are missing"


def test_listening_takes_python_only_where_no_other_kernel_loads():
    names = [module.name for module in candidates(calibrated=True, listening=True)]
    assert ("python" in names) == (kernels() == ["python"]), names


def test_kernels_agree():
    exact = run(None, "python")[0]
    for kernel in kernels():
        assert close(exact, run(None, kernel)[0], 0.02 if kernel in FIXED else 1e-5), kernel


def test_nothing_stays_between_windows():
    for kernel in kernels():
        model = Model(SMALL, heap=smallest(kernel), kernel=kernel)
        fill_signal(model.pcm, 777)
        first = list(model.run())
        fill_signal(model.pcm, 1)
        assert not close(first, list(model.run()), 1e-6)
        fill_signal(model.pcm, 777)
        assert list(model.run()) == first
        model.close()


def test_silence_gives_a_zero_plane_and_a_score():
    for kernel in kernels():
        model = Model(SMALL, kernel=kernel)
        fe = model.reader.frontend
        out = list(model.run())
        assert abs(sum(out) - 1) < 1e-5
        unit = 2.0**-model.kernel.fixed.input_exponent if kernel in FIXED else 1
        row = [v * unit for v in model.kernel.row(model.planes[0], 0, 7)]
        assert close(row, [fe.norm_shift] * fe.bands, unit if kernel in FIXED else 1e-6)
        model.close()


def test_a_tone_peaks_in_its_band():
    # 1,000 Hz, a whole number of samples a period; HTK: 1,000 Hz is 1,000 mel, 4,000 Hz is 2,146 mel
    fe = Reader(SMALL).frontend
    expected = int(1000 / 2146.06 * (fe.bands + 1) + 0.5) - 1
    for kernel in kernels():
        model = Model(SMALL, kernel=kernel)
        for n in range(len(model.pcm)):
            model.pcm[n] = (0, 11585, 16384, 11585, 0, -11585, -16384, -11585)[n % 8]
        model.run()
        row = list(model.kernel.row(model.planes[0], 0, fe.frames // 2))
        assert abs(row.index(max(row)) - expected) <= 1
        model.close()


def test_heap_too_small_says_how_many_bytes_are_missing():
    message = raises(HeapError, Model, SMALL, 1000, "python")
    assert "bytes are missing" in message and "1000 are free" in message


def test_unknown_kernel_is_refused():
    assert "choose from" in raises(KernelError, Model, SMALL, None, "fast")


def test_a_truncated_file_is_refused():
    data = contents()
    for n in (0, 10, 16, 87, 88, 200, len(data) // 2, len(data) - 1):
        raises(FormatError, Reader, io.BytesIO(data[:n]))


def test_damage_is_found_at_opening_and_while_streaming():
    damaged = bytearray(contents())
    damaged[-5] ^= 64
    assert "crc32" in raises(FormatError, Reader, io.BytesIO(bytes(damaged)))
    file = Damaged(contents())
    model = Model(file, kernel="python")
    file.damage = True
    message = raises(FormatError, model.run)
    assert "layer dense2" in message and "crc32" in message
    file.damage = False
    fill_signal(model.pcm, 777)
    assert close(list(model.run()), run(None, "python")[0], 1e-6)


def test_any_chunk_damaged_between_two_windows_stops_the_next_one():
    """Whichever it is, its layer and place are named and there is no answer; whole again, there is one."""
    for kernel in kernels():
        file = Damaged(contents())
        model = Model(file, kernel=kernel)
        fill_signal(model.pcm, 777)
        expected = list(model.run())
        for layer in model.layers:
            at = model.reader.sections["WEIGHTS"][0] + layer.offset
            for i in range(layer.first_chunk, layer.first_chunk + layer.chunks):
                at += CHUNK_BYTES
                file.end = at + (model.reader.parts[4 * i] or PALETTE_BYTES)
                model.output, file.damage = None, True
                message = raises(FormatError, model.run)
                assert message == "layer %s, chunk at byte %d: crc32 differs: the file is damaged" % (layer.name, at), message
                assert model.output is None
                file.damage, at = False, file.end
        fill_signal(model.pcm, 777)
        assert list(model.run()) == expected, kernel


class Counting:
    """A kernel's check of CRCs that notes their numbers."""

    def __init__(self, check):
        self.original, self.numbers = check, []

    def check(self, data, n, crcs, i):
        self.numbers.append(i)
        return self.original(data, n, crcs, i)


def test_a_chunk_is_checked_once_a_window():
    for kernel in kernels():
        model = Model(SMALL, heap=smallest(kernel), kernel=kernel)
        assert max(model.plan.passes) > 1
        counting = Counting(model.check)
        model.weights.check = counting.check
        for _ in range(2):
            del counting.numbers[:]
            model.run()
            assert sorted(counting.numbers) == list(range(len(model.reader.crcs))), (kernel, counting.numbers)
        model.close()


def test_window_buffer_is_int16():
    model = Model(SMALL)
    assert isinstance(model.pcm, array) and len(model.pcm) == model.reader.frontend.window
    model.close()
