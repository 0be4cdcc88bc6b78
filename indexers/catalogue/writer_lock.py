"""The lock that makes one writer at a time over all processes and threads, and names its holder."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
import weakref
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from indexers.catalogue import file_lock
from indexers.catalogue.addresses import hide_passwords
from indexers.catalogue.read_only import refuse_writing
from indexers.errors import WriteFailed, WriterBusy
from indexers.files import suggest_remedy
from indexers.interrupts import Block

POLL_SECONDS = 0.005


class WriterLock:
    """A lock on a folder. The operating system frees it when its holder dies; a thread that holds it may take it again.

    What an interrupt (Ctrl+C) has cut short is settled when the block ends, or else when the thread opens the next one
    (see `indexers.interrupts`): the lock is held if a living block has been granted it.
    """

    def __init__(self, folder: Path, wait: float) -> None:
        self.path, self._holder = folder / "writer.lock", folder / "writer.json"
        self.wait = wait
        self._files: dict[int, BinaryIO] = {}
        """By thread the open file that is locked, or is to be."""
        self._holds: weakref.WeakSet[_Hold] = weakref.WeakSet()
        """The blocks that hold the lock. One that an interrupt has dropped before it ended is forgotten with it."""
        _locks.add(self)

    def hold(self, wait: float | None = None) -> AbstractContextManager[None]:
        """Hold the lock within a block. Raises WriterBusy, naming the holder, after `wait` seconds; WriteFailed."""
        return _Hold(self, self.wait if wait is None else wait)

    def enter(self, hold: _Hold, wait: float) -> None:
        """Take the lock for a block."""
        self._settle(hold.thread)
        if hold.thread not in self._files:
            self._acquire(hold.thread, wait)
            self._sign()
        hold.is_granted = True
        self._holds.add(hold)

    def leave(self, hold: _Hold) -> None:
        """Release the lock, if this was the outermost block of its thread. It may be called twice."""
        self._holds.discard(hold)
        self._settle(hold.thread)

    def _settle(self, thread: int) -> None:
        """Release what the thread has locked, unless a block of it is granted the lock."""
        if thread in self._files and not any(hold.thread == thread and hold.is_granted for hold in list(self._holds)):
            file_lock.unlock(self._files[thread])
            del self._files[thread]

    def _acquire(self, thread: int, wait: float) -> None:
        deadline = time.monotonic() + wait
        try:
            while True:
                file = self._files[thread] = self.path.open("ab")
                while not file_lock.try_lock(file):
                    if time.monotonic() >= deadline:
                        raise WriterBusy(
                            f"another writer is at work: {self.describe_holder()}; try again when it is done"
                        )
                    time.sleep(POLL_SECONDS)
                if file_lock.is_at(file, self.path):
                    return
                file_lock.unlock(file)  # somebody has deleted the file, which others have made anew
        except OSError as error:
            if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise refuse_writing(self.path.parent) from error
            if not self.path.parent.exists():
                raise WriteFailed(f"the collection's folder {self.path.parent} was deleted or moved away") from error
            raise WriteFailed(f"cannot open {self.path}: {suggest_remedy(error)}") from error

    def forget(self) -> None:
        """Let go of inherited files in a forked process; its parent keeps the lock."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._holds.clear()

    def _sign(self) -> None:
        since = datetime.now().isoformat(sep=" ", timespec="seconds")
        signature = {"pid": os.getpid(), "command": hide_passwords(" ".join(sys.argv))[:200], "since": since}
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


class _Hold(Block[None]):
    """One block of one thread that holds a lock."""

    def __init__(self, lock: WriterLock, wait: float) -> None:
        self._lock, self._wait = lock, wait
        self.thread, self.is_granted = threading.get_ident(), False

    def __enter__(self) -> None:
        try:
            self.begin(sys._getframe(1))
            self._lock.enter(self, self._wait)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self.end()
        except BaseException:  # interrupted once more
            self.end()
            raise

    def let_go(self) -> None:
        self._lock.leave(self)


_locks: weakref.WeakSet[WriterLock] = weakref.WeakSet()


def _forget_locks() -> None:
    for lock in list(_locks):
        lock.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)
