"""What goes wrong in the middle of a window is one clear exception, and the board can go on."""

from helpers import Damaged, contents, kernels, raises
from where import SMALL

from l3mote import FormatError, Model
from l3mote.kernels import FIXED
from l3mote.model import test_signal as fill_signal

try:
    from micropython import heap_lock, heap_unlock
except ImportError:  # CPython's heap has no lock
    heap_lock = None


def answer(model):
    fill_signal(model.pcm, 777)
    return list(model.run())


def test_a_damaged_chunk_is_named_and_a_good_model_runs_after_it():
    for kernel in kernels():
        file = Damaged(contents())
        model = Model(file, kernel=kernel)
        expected = answer(model)
        file.damage = True
        message = raises(FormatError, model.run)
        at = model.reader.sections["WEIGHTS"][0] + model.layers[-1].offset + 12
        assert message == "layer dense2, chunk at byte %d: crc32 differs: the file is damaged" % at, message
        model.close()
        good = Model(SMALL, kernel=kernel)
        assert answer(good) == expected
        good.close()


def without_memory(model, step):
    """Run a window whose step number `step` finds no heap left; True if it needed some."""
    steps = model.steps()
    for _ in range(step):
        next(steps)
    heap_lock()
    try:
        next(steps)
    except MemoryError:
        return True
    finally:
        heap_unlock()
    return False


def poor(conv):
    """A kernel's conv that finds no heap left."""

    def call(chunk, buffer):
        heap_lock()
        try:
            conv(chunk, buffer)
        finally:
            heap_unlock()

    return call


def test_a_kernel_that_finds_no_memory_leaves_the_model_usable():
    if heap_lock is None:
        return
    for kernel in kernels():
        model = Model(SMALL, kernel=kernel)
        expected = answer(model)
        conv = model.kernel.conv
        model.kernel.conv = poor(conv)
        if kernel == "native":  # which needs none
            assert answer(model) == expected
        else:
            raises(MemoryError, model.run)
        model.kernel.conv = conv
        assert answer(model) == expected, kernel
        model.close()


def test_a_window_that_finds_no_memory_leaves_the_model_usable():
    if heap_lock is None:
        return
    for kernel in kernels():
        model = Model(SMALL, kernel=kernel)
        expected = answer(model)
        steps = len([None for _ in model.steps()])
        failed = 0
        for step in range(0, steps, 4 if kernel in FIXED else steps // 2):  # floats are slow on boards
            fill_signal(model.pcm, 1)
            failed += without_memory(model, step)
            assert answer(model) == expected, (kernel, step)
        assert failed
        model.close()
