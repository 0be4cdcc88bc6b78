"""The database of a collection in PostgreSQL, which any number of machines may open; what follows it lies with each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import sqlalchemy as sa
from blake3 import blake3
from sqlalchemy.engine import Connection

from indexers import signing
from indexers.catalogue import postgresql
from indexers.catalogue.addresses import DatabaseAddress
from indexers.catalogue.database import Database
from indexers.catalogue.links import check_folder
from indexers.catalogue.soundness import NoSuspicion
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import (
    CatalogueError,
    CollectionClosed,
    CollectionNotFound,
    CollectionReadOnly,
    CollectionReplaced,
    WriteFailed,
)
from indexers.files import make_folder
from indexers.interrupts import guarded_context

_STATE = """
SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'
    OR NOT has_table_privilege('item', 'INSERT')
"""


class PostgresqlDatabase(Database):
    """A database at an address."""

    has_own_folder = writes_beside = True

    lock: WriterLock | None = None  # type: ignore[assignment]  # until the identity, and with it the folder, is known

    def __init__(self, address: DatabaseAddress, wait: float) -> None:
        self._address, self._wait = address, wait
        self.address = self.name = str(address)
        self.engine, self._writing = postgresql.connect(address)
        self.server_url = address.url.render_as_string(hide_password=False)
        self.suspicion = NoSuspicion()
        self._process = os.getpid()
        self._is_read_only = False

    @property
    def is_read_only(self) -> bool:
        return self._is_read_only

    def refuse_writing(self) -> CollectionReadOnly:
        return postgresql.refuse_writing(self.name, "it is a standby, or the user has no right to write")

    def is_current(self) -> bool:
        return os.getpid() == self._process and not self.is_closed

    def check_current(self) -> None:
        if os.getpid() != self._process:
            raise CollectionReplaced(
                f"{self.name} was opened by process {self._process}, which forked this process, and connections can't "
                "be shared: open the collection here"
            )
        if self.is_closed:
            raise CollectionClosed(f"the collection in {self.name} is closed; open it again, then repeat the call")

    def hold(self, wait: float | None = None) -> AbstractContextManager[None]:
        return self.lock.hold(wait) if self.lock else nullcontext()

    @guarded_context
    def connect(
        self, *, writing: bool = False, beside: bool = False, wait: float | None = None
    ) -> Iterator[Connection]:
        with (self._writing if writing else self.engine).connect() as connection:
            if writing:
                postgresql.lock_writers(connection, self._wait if wait is None else wait, beside)
            yield connection

    @guarded_context
    def connect_beside(self) -> Iterator[Connection]:
        with self._writing.connect() as connection:
            yield connection

    def may_create(self, tables: Sequence[str]) -> bool:
        return not self._list_ours(tables)

    def _list_ours(self, tables: Sequence[str]) -> list[str]:
        from indexers.catalogue.schema import metadata

        return [name for name in tables if name in metadata.tables or name in ("alembic_version", "words")]

    def explain_lack(self, tables: Sequence[str]) -> CatalogueError | CollectionNotFound:
        ours = self._list_ours(tables)
        if ours:
            return CatalogueError(
                f"{self.name} holds tables of another program ({', '.join(sorted(ours)[:3])}) under the names that a "
                "catalogue needs; create a database for the collection"
            )
        return CollectionNotFound(
            f"there is no collection in {self.name}; `nearkin add PATH -c {self.address}` creates one"
        )

    def settle(self, identity: str) -> None:
        self.folder = self._address.folder or _choose_folder(self.name, identity)
        check_folder(self.folder)
        try:
            make_folder(self.folder)
        except OSError as error:
            raise WriteFailed(
                f"cannot create the folder {self.folder}, for what follows {self.name}: {error.strerror or error}; "
                "name another one in NEARKIN_FOLDER"
            ) from error
        self.lock = WriterLock(self.folder, self._wait)
        with self._writing.connect() as connection:
            self._is_read_only = bool(connection.exec_driver_sql(_STATE).scalar_one())

    def reopen(self) -> PostgresqlDatabase:
        if os.getpid() == self._process:
            self.close()
        else:  # the connections are the parent's
            self.engine.dispose(close=False)
            self._writing.dispose(close=False)
        return PostgresqlDatabase(self._address, self._wait)

    def find_faults(self) -> list[str]:
        """Return nothing: references and types are the server's to keep, and pg_amcheck looks into its files."""
        return []

    def size_on_disk(self) -> int:
        with self.engine.connect() as connection:
            query = sa.text("SELECT pg_database_size(current_database())")
            return int(connection.execute(query).scalar_one())

    def close(self) -> None:
        self.is_closed = True
        if os.getpid() == self._process:
            self.engine.dispose()
            self._writing.dispose()


def _choose_folder(name: str, identity: str) -> Path:
    """Return the folder in the user's cache for what follows a database."""
    digest = blake3(f"{identity}\0{name}".encode()).hexdigest()[:32]
    return signing.get_private_folder().with_name("collections") / digest
