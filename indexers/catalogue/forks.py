"""What keeps SQLite's connections out of forked processes (multiprocessing's "fork", gunicorn's `--preload`).

A child that opened the database beside inherited connections would share SQLite's bookkeeping of locks with them, and
hold none that other processes see: the last of these to close removes the log under it. So a fork waits until no
connection is in use, and the child closes the idle ones at once, while its parent still holds the locks.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.engine import Connection, Engine

from indexers.catalogue.connections import IdlePool
from indexers.errors import CatalogueError
from indexers.interrupts import guarded_context

WAIT_SECONDS = 2.0
"""How long a fork waits for the transactions of other threads."""


class ForkGuard:
    """The connections of one engine, kept out of forks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._gate: threading.Lock | None = None
        """The gate of the pool, held for the length of a fork."""
        self.was_in_use = False
        _guards.add(self)

    @guarded_context
    def connect(self, engine: Engine) -> Iterator[Connection]:
        """Take a connection out of the pool for the length of a block; what is not committed by then is undone."""
        connection = engine.connect()
        driver: Any = connection.connection.driver_connection
        try:
            yield connection
        finally:  # SQLAlchemy's own end of a transaction, once interrupted, may never reach the database
            try:
                driver.end()
            except BaseException:  # interrupted once more
                driver.end()
                raise
            finally:
                connection.close()

    def check(self) -> None:
        """Raise CatalogueError in a child that has inherited a connection in the middle of its work."""
        if self.was_in_use:
            raise CatalogueError(
                f"this process was forked while {self._engine.url.database} was being read or written; fork before "
                "that, or start processes with multiprocessing.get_context('spawn')"
            )

    def before_fork(self) -> None:
        """Let no transaction begin any more, and wait for those under way."""
        pool = self._engine.pool
        if isinstance(pool, IdlePool):
            self._gate = pool.gate if pool.gate.acquire(timeout=WAIT_SECONDS) else None
            late = time.monotonic() + WAIT_SECONDS
            while pool.count_in_use() and time.monotonic() < late:
                time.sleep(0.001)

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        if self._gate is not None:
            self._gate.release()
            self._gate = None

    def after_fork_in_child(self) -> None:
        """Close the inherited connections, unless one was in use."""
        pool = self._engine.pool
        if isinstance(pool, IdlePool):
            self.was_in_use = self.was_in_use or self._gate is None or pool.count_in_use() > 0
            self._gate, pool.gate = None, threading.Lock()
        if not self.was_in_use:
            self._engine.dispose()


_guards: weakref.WeakSet[ForkGuard] = weakref.WeakSet()


def _tell_guards(step: Callable[[ForkGuard], None]) -> None:
    for guard in list(_guards):
        step(guard)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _tell_guards(ForkGuard.before_fork),
        after_in_parent=lambda: _tell_guards(ForkGuard.after_fork_in_parent),
        after_in_child=lambda: _tell_guards(ForkGuard.after_fork_in_child),
    )
