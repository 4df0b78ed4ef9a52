"""Runs the device tests without pytest: prints a line a test and a closing line; status 1 if one failed.

work() yields after each test, because MicroPython in WebAssembly collects garbage only then.
"""

import sys

MODULES = (
    "test_values", "test_running", "test_contract", "test_mishaps", "test_capture", "test_rows", "test_listening", "test_lines",
    "test_wraps",
)  # fmt: skip


def tests(folder):
    sys.path.insert(0, folder)
    for module in MODULES:
        space = __import__(module).__dict__
        for name in sorted(space):
            if name.startswith("test_"):
                yield module + "." + name, space[name]


def show(error):
    """Its traceback. CircuitPython has no sys.print_exception."""
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error)


def work(folder):
    passed = failed = 0
    for name, function in tests(folder):
        try:
            function()
            passed += 1
            print("ok", name)
        except Exception as e:
            failed += 1
            print("FAILED", name)
            show(e)
        yield
    print("%d passed, %d failed on %s" % (passed, failed, sys.implementation.name))
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
