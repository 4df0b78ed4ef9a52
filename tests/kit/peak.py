"""The most memory that a process has had."""

import re
import resource
from pathlib import Path


def own() -> int:
    """Return the most bytes that this process has held; getrusage would also count those of the parent that forked it."""
    return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])


def children() -> int:
    """Return the most bytes that one of the processes that this one started, and that have ended, has held."""
    return 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
