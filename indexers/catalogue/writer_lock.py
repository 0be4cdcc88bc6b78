"""The lock that makes one writer at a time over all processes and threads, and names its holder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from indexers.errors import WriteFailed, WriterBusy


class WriterLock:
    """A lock on a folder. The operating system frees it when its holder dies; a holder may take it again."""

    def __init__(self, folder: Path, wait: float) -> None:
        self._lock = FileLock(folder / "writer.lock", poll_interval=0.005)
        self._holder = folder / "writer.json"
        self.wait = wait

    @contextmanager
    def hold(self, wait: float | None = None) -> Iterator[None]:
        """Hold the lock within a block. Raises WriterBusy, naming the holder, after `wait` seconds.

        An interrupt at any moment, while the lock is being taken too, leaves it as it was before.
        """
        before = self._lock.lock_counter
        try:
            self._acquire(self.wait if wait is None else wait)
            self._sign()
            yield
        finally:
            self._release_to(before)

    def _acquire(self, wait: float) -> None:
        try:
            self._lock.acquire(timeout=wait)
        except Timeout as error:
            raise WriterBusy(
                f"another writer is at work: {self.describe_holder()}; try again when it is done"
            ) from error
        except OSError as error:
            raise WriteFailed(
                f"cannot open {self._lock.lock_file} ({error.strerror}); correct its permissions"
            ) from error

    def _release_to(self, count: int) -> None:
        """Release the lock until this thread holds it `count` times, whatever an interrupt has cut short."""
        while self._lock.lock_counter > count:
            self._lock.release()
        if count == 0 and self._lock.is_locked:  # interrupted between the system's lock and the count
            self._lock.release(force=True)

    def _sign(self) -> None:
        since = datetime.now().isoformat(sep=" ", timespec="seconds")
        signature = {"pid": os.getpid(), "command": " ".join(sys.argv)[:200], "since": since}
        try:
            self._holder.write_text(json.dumps(signature))
        except OSError:  # on a full disk the write itself will raise the error that counts
            return

    def describe_holder(self) -> str:
        """Return which process holds the lock, or held it last."""
        try:
            signature = json.loads(self._holder.read_text())
            return f"process {signature['pid']} ({signature['command']}), since {signature['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "an unknown process"
