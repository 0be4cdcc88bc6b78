"""A lock that many readers or one writer hold, between the threads of a process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from indexers.interrupts import guarded_context

RECHECK_SECONDS = 0.5
"""Seconds after which a waiting thread looks again, even if no other thread has woken it."""


class _Hold:
    """One thread's claim to the lock."""

    __slots__ = ("is_exclusive", "thread")

    def __init__(self, is_exclusive: bool) -> None:
        self.is_exclusive, self.thread = is_exclusive, threading.get_ident()


class SharedLock:
    """Held by many readers or by one writer. A waiting writer goes before new readers.

    It is not reentrant. An interrupt (Ctrl+C) at any moment leaves no claim behind that blocks others for ever:
    `finally` takes a claim off, whether it was granted or still waiting; and a thread that would wait for an earlier
    claim of its own, which only an interrupt between two instructions can have left behind, drops that one.
    """

    def __init__(self) -> None:
        # Taken by `with` alone: of a lock that is written in C, no interrupt can split the taking from the block.
        self._mutex = threading.Lock()
        self._held: list[_Hold] = []
        self._waiting: list[_Hold] = []
        """Writers that wait."""
        self._sleepers: list[threading.Lock] = []

    @guarded_context
    def shared(self) -> Iterator[None]:
        """Hold the lock beside other readers for the length of the block."""
        with self._claim(_Hold(False)):
            yield

    @guarded_context
    def exclusive(self) -> Iterator[None]:
        """Hold the lock alone for the length of the block."""
        with self._claim(_Hold(True)):
            yield

    @guarded_context
    def _claim(self, hold: _Hold) -> Iterator[None]:
        try:
            self._acquire(hold)
            yield
        finally:
            try:
                self._release(hold)
            except BaseException:  # interrupted once more
                self._release(hold)
                raise

    def _acquire(self, hold: _Hold) -> None:
        while True:
            with self._mutex:
                if hold.is_exclusive and hold not in self._waiting:
                    self._waiting.append(hold)
                if self._is_blocked(hold):
                    self._drop_left_over(hold)
                if not self._is_blocked(hold):
                    self._held.append(hold)
                    self._waiting = [other for other in self._waiting if other is not hold]
                    return
                sleeper = threading.Lock()
                sleeper.acquire()
                self._sleepers.append(sleeper)
            sleeper.acquire(timeout=RECHECK_SECONDS)

    def _is_blocked(self, hold: _Hold) -> bool:
        if hold.is_exclusive:
            return bool(self._held)
        return bool(self._waiting) or any(other.is_exclusive for other in self._held)

    def _drop_left_over(self, hold: _Hold) -> None:
        """Drop earlier claims of the thread, for which it would wait for ever."""
        self._held = [other for other in self._held if other.thread != hold.thread]
        self._waiting = [other for other in self._waiting if other is hold or other.thread != hold.thread]

    def _release(self, hold: _Hold) -> None:
        with self._mutex:
            self._held = [other for other in self._held if other is not hold]
            self._waiting = [other for other in self._waiting if other is not hold]
            sleepers, self._sleepers = self._sleepers, []
            for sleeper in sleepers:
                sleeper.release()
