"""Turns for large pictures: those of one process share a bound on their pixels, whatever they are decoded for.

A block `with take_turns():` decodes one picture and makes of it what is needed. The pixels of a large one are counted
until the block ends; where they don't fit beside those of other threads, decoding waits. Elsewhere nothing is counted
and nothing waits. A block must not wait for another thread's: it holds one picture, and nothing of it comes out.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from indexers.devices import count_cores

LARGE = 4_000_000
"""Pixels, each of four bytes, from which on a picture is counted."""
ISOLATED_PIXELS = 2**25
"""The most pixels of pictures from strangers (see `isolation`) at once: 128 MB. One that is larger is alone."""
OWN_PIXELS = max(2**26, 2**24 * count_cores())
"""The most pixels of pictures that this process decodes itself: so many that ordinary ones keep all cores busy."""


class Turns:
    """Counts the pixels that threads hold. Thread-safe."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget what threads hold: a forked process has none of them."""
        self._held = 0
        self._changed, self._first = threading.Condition(), threading.Lock()
        self._own = threading.local()

    @contextmanager
    def take_turns(self) -> Iterator[None]:
        """Count the pixels that this thread decodes in the block; they are given back when it ends."""
        if hasattr(self._own, "pixels"):  # in a block already
            yield
            return
        self._own.pixels = 0
        try:
            yield
        finally:
            self._give_back(self._own.__dict__.pop("pixels", 0))

    def wait_for(self, pixels: int, limit: int) -> None:
        """Wait until so many pixels fit beside those of other threads: all are at most `limit` then, or this
        picture is alone.

        A thread that holds some already does not wait, since two such threads could wait for each other.
        """
        own = getattr(self._own, "pixels", None)
        if own is None or pixels < LARGE:
            return
        if own:
            with self._changed:
                self._held += pixels
        else:
            with self._first, self._changed:  # in order: else many smaller ones would keep a large one waiting
                self._changed.wait_for(lambda: not self._held or self._held + pixels <= limit)
                self._held += pixels
        self._own.pixels = own + pixels

    def _give_back(self, pixels: int) -> None:
        if pixels:
            with self._changed:
                self._held -= pixels
                self._changed.notify_all()


_turns = Turns()
take_turns, wait_for_turn = _turns.take_turns, _turns.wait_for
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_turns.forget)
