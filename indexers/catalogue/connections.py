"""Connections to SQLite that an interrupt (Ctrl+C) at any moment leaves without a lock, and the pool that keeps them.

An interrupt may come between any two instructions, in the driver's and SQLAlchemy's own code too. So nothing here rests
on a step being reached: whoever begins to write first ends what earlier writers have left open, and a connection is
never closed with a transaction in it. (SQLite only marks a connection as closed while a statement of it is alive, such
as one that a traceback holds, and keeps its locks until that is gone.)
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, Pool

IDLE = 8
"""Connections that are kept open while nobody uses them."""


class DriverConnection(sqlite3.Connection):
    """A connection that can end what is going on in it, statements that nobody has read to their end among it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()
        self._is_switching = False
        """Whether a transaction is beginning or ending. SQLite has locks before it says that one has begun, and while
        it commits one that it says is over."""
        self.gate = threading.Lock()
        """Held by whoever wants no transaction to begin."""

    @property
    def is_in_use(self) -> bool:
        """Whether this connection may hold a lock."""
        with suppress(sqlite3.ProgrammingError):  # it is closed
            return self._is_switching or self.in_transaction
        return False

    @contextmanager
    def switch(self) -> Iterator[None]:
        """Begin a transaction in this block."""
        try:
            with self.gate:
                self._is_switching = True
            yield
        finally:
            self._is_switching = False

    def commit(self) -> None:
        """Commit the transaction."""
        try:
            self._is_switching = True
            super().commit()
        finally:
            self._is_switching = False

    def rollback(self) -> None:
        """Undo the transaction."""
        try:
            self._is_switching = True
            super().rollback()
        finally:
            self._is_switching = False

    def cursor(self, *arguments: Any) -> Any:
        """Return a new cursor, which `end` finds for as long as anybody holds it."""
        cursor = super().cursor(*arguments)
        self._cursors.add(cursor)
        return cursor

    def end(self) -> None:
        """Undo what is not committed, and let go of every lock; do nothing if the connection is closed."""
        with suppress(sqlite3.ProgrammingError):
            for cursor in list(self._cursors):  # one in the middle of its rows would keep the moment that it reads
                cursor.close()
            if self.in_transaction:
                self.rollback()
        self._is_switching = False  # an interrupt may have left it

    def close(self) -> None:
        """Close the connection. If an interrupt prevents it, the transaction is over or the connection still open."""
        self.end()
        super().close()


@contextmanager
def restore_interrupts() -> Iterator[None]:
    """Raise the interrupt itself where SQLAlchemy, cut short by it, raises that it finds itself in a wrong state."""
    try:
        yield
    except (AssertionError, SQLAlchemyError) as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            cause = cause.__context__
        raise


class Writers:
    """The connections that have begun to write and may not have ended, for whoever holds the writer's lock."""

    def __init__(self) -> None:
        self._connections: list[DriverConnection] = []

    def enter(self, connection: DriverConnection) -> None:
        """End what earlier writers have left open, since nobody else may be writing now, and note this one."""
        for earlier in self._connections:
            earlier.end()
        self._connections[:] = [connection]

    def leave(self, connection: DriverConnection) -> None:
        """Note that the connection has ended its transaction."""
        self._connections[:] = [writer for writer in self._connections if writer is not connection]


class IdlePool(Pool):
    """A pool of as many connections as are needed, without a lock or a count that an interrupt could leave wrong."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle: list[ConnectionPoolEntry] = []  # a list's own steps are never split by an interrupt
        self._entries: weakref.WeakSet[ConnectionPoolEntry] = weakref.WeakSet()
        self._mutex = threading.Lock()
        """Held while `_entries` is changed or walked through, which are several steps."""
        self.gate = threading.Lock()
        """Held by whoever wants no connection to be opened, and no transaction to begin."""

    def _do_get(self) -> ConnectionPoolEntry:
        with suppress(IndexError):
            return self._idle.pop()
        with self.gate:
            entry = self._create_connection()
            entry.dbapi_connection.gate = self.gate  # type: ignore[union-attr]
            with self._mutex:
                self._entries.add(entry)
            return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if len(self._idle) < IDLE:
            self._idle.append(record)
        else:
            record.close()

    def count_in_use(self) -> int:
        """Return the number of connections that may hold a lock."""
        with self._mutex:
            entries = list(self._entries)
        return sum(getattr(entry.dbapi_connection, "is_in_use", False) for entry in entries)

    def dispose(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def recreate(self) -> IdlePool:
        """Return a new pool of the same kind."""
        return type(self)(
            self._creator,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            pre_ping=self._pre_ping,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def status(self) -> str:
        """Describe the pool for SQLAlchemy's log."""
        return f"{len(self._idle)} idle connections, {self.count_in_use()} in use"
