"""What a server's process keeps of memory that is free again."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
RETURNED_BYTES = 2**20
"""What is as large goes back to the system when it is freed."""
MAX_ARENAS = 2
"""Places from which threads get memory: each keeps what it needed at most. Python's lock leaves little to share."""


def return_freed_memory() -> bool:
    """Make the allocator of this process give large blocks back to the system; return False where it can't be told so.

    glibc would keep blocks of up to 32 MB, in an arena for every thread: forty threads that have each answered one
    large request held 900 MB of nothing. Call it before threads are started.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and keeps nothing
    if mallopt is None:
        return False
    values = {M_MMAP_THRESHOLD: RETURNED_BYTES, M_TRIM_THRESHOLD: RETURNED_BYTES, M_ARENA_MAX: MAX_ARENAS}
    return all(mallopt(name, value) for name, value in values.items())
