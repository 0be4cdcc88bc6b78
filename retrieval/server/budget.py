"""Memory that requests share: whoever needs much of it waits for a moment, or is told to come again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from indexers.errors import Unavailable


class TooBusy(Unavailable):
    """So much is being done that no more is accepted."""


class Budget:
    """A number of bytes that requests take for as long as they hold them. Thread-safe.

    `patience`: seconds that a request waits for its share. `activity`: what is being done, for the refusal.
    """

    def __init__(self, size: int, patience: float, activity: str = "pictures are being worked on") -> None:
        self.size, self.patience, self.activity = size, patience, activity
        self._left, self._is_ended = size, False
        self._changed = threading.Condition()

    @contextmanager
    def take(self, amount: int) -> Iterator[None]:
        """Hold so many bytes in this block; more than there are at all counts as all. Raises TooBusy."""
        amount = min(amount, self.size)
        with self._changed:
            self._changed.wait_for(lambda: self._is_ended or self._left >= amount, self.patience)
            if self._left < amount:
                raise TooBusy(f"too many {self.activity}; try again later")
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()

    def end(self) -> None:
        """Let no request wait any more: from now on those that find too little left are refused at once."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()
