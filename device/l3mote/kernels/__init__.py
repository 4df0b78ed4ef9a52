"""Kernels: the arithmetic, one module each. Board and host use the first of preferred() that loads and whose plan fits the heap.

A kernel module offers what follows; tests/device/test_contract.py checks every one. A plane is a model.Plane.

Of the module itself::

    name                         as choose() calls it
    arithmetic                   "float", or "fixed": integers, for files with scales (calibrated())
    itemsize                     bytes of an activation; planes of 2-byte items may stand in the memory of the window's samples
    locates                      whether conv() and dense() find a chunk's parts by its number, so that Weights need not

Bytes that plan.Plan asks for before anything is allocated::

    plane_bytes(channels, size)  of a plane's data: size elements a channel
    block_bytes(channels, size)  of the largest single allocation of it
    workspace(plan)              of a Kernel
    frontend_bytes(fe)           of a FrontEnd, without the file's tables

Model opens with::

    Kernel(plan, reader)         allocates its workspace
    chunk                        of a Kernel: a buffer of plan.chunk_bytes, or None: the Model has one
    work                         of a Kernel of itemsize 2: its workspace, plan.kernel_bytes which are free between steps, and its
                                 chunk behind them
    FrontEnd(reader, work=None)  work: frontend_bytes to work in, given only where itemsize is 2; None: its own
    plane(channels, size), vector(n)             of a Kernel: the data of a plane, an embedding or a dense layer, all zero
    flat(plane)                                  of a Kernel: a plane of one channel as a buffer of elements

For each window it calls, of the FrontEnd first, then of the Kernel::

    frame(pcm, start, levels, at)                the levels of the frame whose first sample is `start` (outside pcm: zeros), into
                                                 a buffer of elements, from `at` on; returns the largest
    normalise(levels, at, pitch, plane, first, rows, loudest)
                                                 rows of levels, the first at element `at`, into the log-mel plane's rows from
                                                 `first` on, relative to the window's loudest; they may stand there already
    clear(plane, first, rows=1)                  zero stored rows first to first + rows - 1
    strip(layer, src, dst, first, stop)          rows first to stop - 1 of a convolution of src come next, into dst
    conv(chunk, buffer)                          the chunk's filters of that strip, through ReLU and pool
    slide(plane, rows)                           the two stored rows from `rows` on become the first
    flatten(plane, embedding, rows, at, opening) copy a plane into the embedding: see flatten_rows()
    dense(chunk, buffer, x, y)                   the chunk's outputs of a dense layer
    floats(vector, index)                        layer index's output as numbers

and Weights, of the Reader, for each chunk, once a window::

    check(data, n, crcs, i)                      is crcs[i] the CRC-32 of data's first n bytes?

MicroPython takes a function's state from the heap, and looks all through it, where arguments, variables and operands together are
more than eleven: 50 to 300 thousand cycles in a full heap. So what is called for each chunk has few of them.

An observer and tests may call row(plane, c, index): the elements of channel c's stored row that a layer filled.

capture.py says what a form of the capture offers.
"""

import sys


class KernelError(RuntimeError):
    """The kernel asked for does not run here; the message says why, and which one does."""


KERNELS = ("native", "viper", "ulab", "python")  # the one to prefer first, on boards without an FPU
KERNELS_WITH_FPU = ("native", "ulab", "viper", "python")
FIXED = ("native", "viper")  # only for files with fixed-point scales

# Architectures of .mpy files by number; whose native module runs on architectures that have none of their own.
ARCHITECTURES = (
    None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin", "rv32imc"
)  # fmt: skip
STAND_INS = {"armv7em": "armv7m", "armv7emdp": "armv7emsp"}
WITH_FPU = ("x86", "x64", "armv7emsp", "armv7emdp", "xtensawin")


def architecture(mpy):
    """Return the architecture's name for a sys.implementation._mpy, or None where no native code loads."""
    number = mpy >> 10 & 15
    return ARCHITECTURES[number] if number < len(ARCHITECTURES) else None


def order(mpy):
    """Return the names of the kernels, the preferred one first. mpy: the board's sys.implementation._mpy."""
    return preferred(architecture(mpy))


def preferred(arch):
    """Return the names of the kernels, the fastest on an architecture first: ulab before viper only where it has an FPU."""
    return KERNELS_WITH_FPU if arch in WITH_FPU else KERNELS


def loading(what, names, name=None, file=str):
    """Yield (name, module) of each of `names` that loads here, or of the one called `name`. Raises KernelError if none does.

    what: the kind of module, for messages. file: maps a name to its module's name in this folder.
    """
    if name is not None:
        if name not in names:
            raise KernelError("no %s is called %s: choose from %s" % (what, name, ", ".join(names)))
        names = (name,)
    reason, some = None, False
    for name in names:
        try:
            module = __import__("l3mote.kernels." + file(name), None, None, (file(name),))
        except (ImportError, SyntaxError, TypeError, ValueError) as e:
            reason = e  # a port without native code refuses viper's decorator as a syntax error, an old emitter what it cannot type
            continue
        some = True
        yield name, module
    if not some:
        raise KernelError("%s %s does not load here (%s): the %s 'python' runs everywhere" % (what, name, reason, what))


def candidates(name=None, calibrated=False, listening=False):
    """Yield the kernel modules that load here, the preferred one first (FIXED: for a calibrated file), or the one called `name`.

    listening: leave out python, which is far from real time, unless no other loads.
    """
    names = KERNELS
    if name is None:
        names = [k for k in order(getattr(sys.implementation, "_mpy", 0)) if calibrated or k not in FIXED]
    some = False
    for kernel, module in loading("kernel", names, name):
        if some and listening and kernel == "python":
            return
        some = True
        yield module


def choose(name=None, calibrated=False):
    """Return the first of candidates(). Raises KernelError."""
    return next(candidates(name, calibrated))


def first_that_fits(kernels, attempt):
    """Return attempt(kernel) of the first kernel that raises no MemoryError; else raise the HeapError with the least missing.

    kernels: may raise MemoryError as well, when the next one is loaded: it is then the last.
    """
    kernels = iter(kernels)
    least = None  # type: MemoryError | None
    while True:
        try:
            kernel = next(kernels, None)
            if kernel is None:
                break
            return attempt(kernel)
        except MemoryError as e:
            if least is None or lacks_less(e, least):
                least = e
    raise least


def lacks_less(error, other):
    """Return whether this HeapError has fewer bytes missing; a MemoryError without a number says less than any."""
    return hasattr(error, "missing") and (not hasattr(other, "missing") or error.missing < other.missing)


def calibrated(reader):
    """Return the file's scales, for a fixed-point kernel. Raises KernelError if it has none."""
    fixed = reader.fixed()
    if fixed is None:
        raise KernelError("the model has no fixed-point scales: l3mote convert --calibrate adds them, or use a float kernel")
    return fixed


def window_steps(frontend, pcm, plane):
    """Fill the log-mel plane from a window of int16 samples; yield after each frame."""
    fe, levels, pitch = frontend.fe, plane.flat, plane.pitch
    start, at, loudest = -fe.pad_before, pitch + 1, None
    for _ in range(fe.frames):
        level = frontend.frame(pcm, start, levels, at)
        if loudest is None or level > loudest:
            loudest = level
        start += fe.hop_length
        at += pitch
        yield
    frontend.normalise(levels, pitch + 1, pitch, plane, 0, fe.frames, loudest)
    yield


def flatten_rows(self, plane, embedding, rows, at, opening):
    """Implement flatten() for kernels that have nothing quicker: column after column, row after row, all channels, from `at` on.

    opening: values replace those there, else only smaller ones (tiles that share a group of the pool leave the maximum).
    """
    channels = plane.channels
    for c in range(channels):
        for t in range(rows):
            to = at + t * channels + c
            for value in self.row(plane, c, t):
                if opening or value > embedding[to]:
                    embedding[to] = value
                to += rows * channels


def take_strip(self, layer, src, dst, first, stop):
    """The method strip, for kernels whose conv() does the rest."""
    self.next_strip = src, dst, first, stop
