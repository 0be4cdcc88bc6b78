"""The operating system's lock on an open file, in one step that no interrupt can split.

The packages for this take and count locks in Python, and an interrupt (Ctrl+C) between two of their steps can leave a
file locked, or a lock of their own, for as long as the process lives.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, BinaryIO

BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt as _windows

    windows: Any = _windows

    def _lock(file: BinaryIO) -> None:
        file.seek(0)
        windows.locking(file.fileno(), windows.LK_NBLCK, 1)

    def _unlock(file: BinaryIO) -> None:
        file.seek(0)
        windows.locking(file.fileno(), windows.LK_UNLCK, 1)
else:

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


def try_lock(file: BinaryIO) -> bool:
    """Lock an open file; return False if another open file holds the lock. Raises OSError."""
    try:
        _lock(file)
    except OSError as error:
        if error.errno in BUSY:
            return False
        raise
    return True


def unlock(file: BinaryIO) -> None:
    """Let go of the lock, also in forked processes that have inherited the file, and close it."""
    try:
        _unlock(file)
    except (OSError, ValueError):  # it was not locked, or is closed
        return
    finally:
        file.close()


def is_at(file: BinaryIO, path: Path) -> bool:
    """Return True if the open file is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except OSError:
        return False
