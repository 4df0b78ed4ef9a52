"""Kernels: the arithmetic. choose() is the one place where one is picked, and the name of what was picked is kept."""


class KernelError(RuntimeError):
    """The kernel asked for does not run here; the message says why and what does."""


def _ulab():
    from l3mote.kernels import ulab

    return ulab


def _python():
    from l3mote.kernels import python

    return python


KERNELS = {"ulab": _ulab, "python": _python}
ORDER = ("ulab", "python")


def choose(name=None):
    """The kernel module called `name`, or the first of ORDER that loads. Raises KernelError."""
    if name is not None and name not in KERNELS:
        raise KernelError("no kernel is called %s: choose from %s" % (name, ", ".join(ORDER)))
    for candidate in ORDER if name is None else (name,):
        try:
            return KERNELS[candidate]()
        except ImportError as e:
            reason = e
    raise KernelError("kernel %s does not load here (%s): the kernel 'python' runs everywhere" % (name, reason))
