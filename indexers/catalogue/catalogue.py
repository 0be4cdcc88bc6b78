"""The catalogue: the truth that everything else follows.

A `Snapshot` reads one moment of it. A `Transaction`, a snapshot that may write, is stored as a whole or not at all, and
logs one change for each thing it does. Both are opened here. Any number of threads and processes may hold snapshots at
once, beside the one transaction; each belongs to the thread that opened it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from indexers import signing
from indexers.catalogue import connections, dialects, schema
from indexers.catalogue.addresses import Address
from indexers.catalogue.database import Database
from indexers.catalogue.owners import is_own, sign_identity
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.soundness import Suspicion
from indexers.catalogue.sqlite_database import SqliteDatabase
from indexers.catalogue.transaction import Transaction
from indexers.catalogue.work import WorkRows
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CatalogueError, SchemaTooNew, SchemaTooOld, WriteConflict
from indexers.interrupts import guarded_context
from indexers.types import Json

T = TypeVar("T")
FIRST = "0000"
"""The version of a schema before the first migration."""
INCOMPLETE = "copying"
"""The table that a database holds while a catalogue is copied to it."""
version = sa.table("alembic_version", sa.column("version_num", sa.String))


class Catalogue:
    """The catalogue of one collection, in a database of whatever kind."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.identity = ""

    @classmethod
    def create(cls, address: Address, settings: Mapping[str, object] | None = None, wait: float = 5.0) -> Catalogue:
        """Create the tables, and the folder if it is one, and open them. Two that do so at once get the same ones."""
        database = open_database(address, wait, create=True)
        try:
            with database.hold(), database.connect(writing=True) as connection:
                if database.may_create(sa.inspect(connection).get_table_names()):
                    create_tables(connection, settings or {})
                    connection.commit()
        except BaseException:
            database.close()
            raise
        return cls(database)._check_schema()

    @classmethod
    def open(cls, address: Address, wait: float = 5.0) -> Catalogue:
        """Open an existing catalogue.

        Raises CollectionNotFound, SchemaTooOld, SchemaTooNew, CatalogueDamaged, UnsafeFileSystem, LeadsOutside.
        """
        return cls(open_database(address, wait))._check_schema()

    def _check_schema(self) -> Catalogue:
        """Raise an error if the schema is of another version; else read the identity."""
        self.database.mark()
        try:
            with self.database.suspicion, self.engine.begin() as connection:
                self._check_version(connection)
                self.identity = Snapshot(connection).setting("identity") or ""
            self.database.settle(self.identity)
        except BaseException:
            self.close()
            raise
        return self

    def _check_version(self, connection: Connection) -> None:
        tables = sa.inspect(connection).get_table_names()
        if version.name not in tables:
            raise self.database.explain_lack(tables)
        if INCOMPLETE in tables:
            raise CatalogueError(
                f"a copy to {self.address} was broken off and is not complete: repeat `nearkin copy`, which goes on"
            )
        revision = read_version(connection)
        if not isinstance(revision, str):
            raise dialects.damage_error(connection, f"{revision!r:.40} is no version of a schema")
        if revision > FIRST and schema.counter.name not in tables:  # it is the version of another program's tables
            raise self.database.explain_lack(tables)
        if revision > schema.REVISION:
            raise SchemaTooNew(
                f"{self.database.name} was made by a newer nearkin (schema {revision}; this one knows "
                f"{schema.REVISION}); install that version: pip install --upgrade nearkin"
            )
        if revision < schema.REVISION:
            raise SchemaTooOld(
                f"{self.database.name} was made by an older nearkin (schema {revision}; this one needs "
                f"{schema.REVISION}); run: nearkin upgrade -c {self.address} (nothing is changed before that)"
            )

    @property
    def folder(self) -> Path:
        """The folder of what follows the catalogue."""
        return self.database.folder

    def find_private_folder(self, space_id: int) -> Path:
        """Return the folder of what is derived of a space for this user alone; where nobody else uses the folder of the
        collection, that is the folder of the space itself."""
        if self.database.has_own_folder:
            return self.folder / "spaces" / str(space_id)
        return signing.choose_private_folder(self.folder, self.identity) / str(space_id)

    @property
    def address(self) -> str:
        """What users open the collection by, without a password."""
        return self.database.address

    @property
    def server_url(self) -> str:
        """The address of the server, with its password; "" for a catalogue in a file. Nothing may show it."""
        return self.database.server_url

    @property
    def engine(self) -> Engine:
        """The connections that read."""
        return self.database.engine

    @property
    def lock(self) -> WriterLock:
        """The lock of the writers with this folder."""
        return self.database.lock

    @property
    def suspicion(self) -> Suspicion:
        """What blames the database for errors that nobody has foreseen, if they may come from it."""
        return self.database.suspicion

    def is_current(self) -> bool:
        """Return True if this is the process that opened the database, and the database, still open, the one at its
        path."""
        return self.database.is_current()

    def is_own(self) -> bool:
        """Return True if this user has created the collection, or trusts it."""
        with self.snapshot() as snapshot:
            return is_own(snapshot, self.identity)

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be written, such as to the folder, or a file in it, of another user."""
        return self.database.is_read_only

    def check_writable(self) -> None:
        """Raise CollectionReadOnly if the database may only be read."""
        if self.is_read_only:
            raise self.database.refuse_writing()

    def reopen(self) -> Catalogue:
        """Open the database that is now in the place of this one, in this process. Raises what `open` raises."""
        return Catalogue(self.database.reopen())._check_schema()

    @guarded_context
    def snapshot(self) -> Iterator[Snapshot]:
        """Open one moment for reading: what is written meanwhile is not seen. Raises CollectionReplaced."""
        database = self.database
        database.check_current()  # first: SQLite would create a file that is missing
        with database.suspicion, connections.restore_interrupts(), database.connect() as connection:
            snapshot = Snapshot(connection)
            database.check_current()
            yield snapshot
            database.check_unchanged()

    @guarded_context
    def transaction(self, wait: float | None = None, *, beside: bool = False) -> Iterator[Transaction]:
        """Open a transaction: committed when the block ends, undone when it raises.

        wait: seconds to wait for another writer, if other than usual.
        beside: other transactions may write at the same time, see `write`.

        Raises WriterBusy, WriteFailed, CollectionReplaced (nothing of it is stored where it would be found).
        """
        database = self.database
        database.check_current()
        self.check_writable()
        with (
            database.suspicion,
            connections.restore_interrupts(),
            nullcontext() if beside else database.hold(wait),
            database.connect(writing=True, beside=beside, wait=wait) as connection,
        ):
            writing = Transaction(connection, is_beside=beside)
            database.check_current()
            yield writing
            writing.finish()
            connection.commit()
            database.check_current()  # else what was committed has lost its name, and must not be acknowledged

    def write(self, put: Callable[[Transaction], T], *, alone: bool = False) -> T:
        """Call `put` with a transaction, and return what it returns.

        Where the database can, other transactions write at the same time; if they have written what this one was about
        to, it is undone, and `put` is called again with one that is alone from its beginning, as with `alone`.
        """
        if self.database.writes_beside and not alone:
            with suppress(WriteConflict), self.transaction(beside=True) as transaction:
                return put(transaction)
        with self.transaction() as transaction:
            return put(transaction)

    @guarded_context
    def work_rows(self, *, writing: bool = True) -> Iterator[WorkRows]:
        """Open the rows of work, for a block that reads them or is a transaction of its own. Raises WriterBusy."""
        database = self.database
        database.check_current()
        if writing:
            self.check_writable()
        with (
            database.suspicion,
            connections.restore_interrupts(),
            database.connect_beside() if writing else database.connect() as connection,
        ):
            yield WorkRows(connection)
            if writing:
                connection.commit()

    def shorten_log(self) -> None:
        """Empty the log of what was written lately; as far as nobody is reading."""
        self.database.shorten_log()

    def find_faults(self) -> list[str]:
        """Return what the database finds wrong with itself."""
        return self.database.find_faults()

    def size_on_disk(self) -> int:
        """Return the size of the database in bytes."""
        return self.database.size_on_disk()

    def close(self) -> None:
        """Close all connections. What is asked of the catalogue afterwards raises CollectionClosed."""
        self.database.close()


def open_database(address: Address, wait: float = 5.0, *, create: bool = False) -> Database:
    """Open the database at an address; create: also where none is yet. Raises CollectionNotFound."""
    if not isinstance(address, Path):
        from indexers.catalogue.postgresql_database import PostgresqlDatabase  # of use to few

        return PostgresqlDatabase(address, wait)
    return SqliteDatabase.create(address, wait) if create else SqliteDatabase.open(address, wait)


def read_version(connection: Connection) -> object:
    """Return the version of the schema, whatever the database holds in its place."""
    return connection.execute(sa.select(version.c.version_num)).scalar() or FIRST


def create_tables(connection: Connection, settings: Mapping[str, object]) -> None:
    """Create the tables as they are today, marked with the migration that they correspond to."""
    dialects.find(connection).create_tables(connection, schema.metadata)
    dialects.find_words(connection).create_index(connection)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute(sa.insert(version).values(version_num=schema.REVISION))
    connection.execute(sa.insert(schema.counter).values(id=1, number=0, oldest=0))
    identity = uuid.uuid4().hex
    values: Json = {"identity": identity, "created_at": int(time.time() * 1e6), **settings, **sign_identity(identity)}
    rows = [{"key": key, "value": value} for key, value in values.items()]
    connection.execute(sa.insert(schema.setting), rows)
