"""The catalogue: the truth that everything else follows.

A `Snapshot` reads one moment of it. A `Transaction`, a snapshot that may write, is stored as a whole or not at all, and
logs one change for each thing it does. Both are opened here. Any number of threads and processes may hold snapshots at
once, beside the one transaction; each belongs to the thread that opened it.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue import connections, full_text, read_only, schema, soundness, sqlite
from indexers.catalogue.forks import ForkGuard
from indexers.catalogue.links import check_folder
from indexers.catalogue.owners import is_own, sign_identity
from indexers.catalogue.replacement import READY, FileMark, finish_swap, identify_file, set_log_aside
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import (
    CollectionClosed,
    CollectionNotFound,
    CollectionReplaced,
    SchemaTooNew,
    SchemaTooOld,
    WriteFailed,
)
from indexers.files import make_folder
from indexers.interrupts import guarded_context
from indexers.types import Json

version = sa.table("alembic_version", sa.column("version_num", sa.String))


class Catalogue:
    """The database of one collection, and the lock that its writers take."""

    def __init__(self, folder: Path, wait: float = 5.0) -> None:
        self.folder = folder
        self.path = folder / sqlite.FILE
        self._path, self._ready = str(self.path), str(folder / READY)  # text: they are looked at before every answer
        self.lock = WriterLock(folder, wait)
        self._wait = wait
        self._access = read_only.choose_access(self.path) if self.path.exists() else read_only.Access(self.path)
        self._marks = read_only.mark_files(self.path) if self._access.is_fixed else ()
        self.engine = sqlite.connect(self.path, wait, self._access)
        self._writing = self.engine.execution_options(writing=True)
        self.suspicion = soundness.Suspicion(self.engine, self.path)
        self.identity, self.is_closed = "", False
        self._process = os.getpid()
        self._file: FileMark | None = None
        self._log: FileMark | None = None
        self.forks = ForkGuard(self.engine)

    @classmethod
    def create(cls, folder: Path, settings: Mapping[str, object] | None = None, wait: float = 5.0) -> Catalogue:
        """Create the database, in a folder that may exist, and open it. Two that do so at once get the same one."""
        check_folder(folder)
        try:
            make_folder(folder)
        except OSError as error:
            raise WriteFailed(f"cannot create the folder {folder}: {error.strerror or error}") from error
        catalogue = cls(folder, wait)
        try:
            with catalogue.lock.hold(), catalogue._writing.begin() as connection:
                if not sa.inspect(connection).get_table_names():
                    _create_tables(connection, settings or {})
        except BaseException:
            catalogue.close()
            raise
        return catalogue._check_schema()

    @classmethod
    def open(cls, folder: Path, wait: float = 5.0) -> Catalogue:
        """Open an existing database.

        Raises CollectionNotFound, SchemaTooOld, SchemaTooNew, CatalogueDamaged, UnsafeFileSystem, LeadsOutside.
        """
        check_folder(folder)
        if (folder / READY).is_dir():  # a rescue was killed when its new database was complete
            with WriterLock(folder, wait).hold():
                finish_swap(folder)
        if not (folder / sqlite.FILE).is_file():
            raise CollectionNotFound(f"there is no collection in {folder}; `nearkin add PATH -c {folder}` creates one")
        return cls(folder, wait)._check_schema()

    def _check_schema(self) -> Catalogue:
        """Raise an error if the schema is of another version; else read the identity."""
        self._file = identify_file(self.path)
        try:
            with self.suspicion, self.engine.begin() as connection:
                self._check_version(connection)
                self.identity = Snapshot(connection).setting("identity") or ""
            self._log = identify_file(self.path.with_name(self.path.name + "-wal"))
        except BaseException:
            self.close()
            raise
        return self

    def _check_version(self, connection: Connection) -> None:
        tables = sa.inspect(connection).get_table_names()
        if not tables and not (self.folder / "spaces").exists():  # killed before its first transaction
            raise CollectionNotFound(
                f"the creation of the collection in {self.folder} was interrupted; `nearkin add` starts it again"
            )
        if "alembic_version" not in tables:
            raise sqlite.damage_error(self.path, "it holds no nearkin tables")
        revision = connection.execute(sa.select(version.c.version_num)).scalar() or "0000"
        if not isinstance(revision, str):
            raise sqlite.damage_error(self.path, f"{revision!r:.40} is no version of a schema")
        if revision > schema.REVISION:
            raise SchemaTooNew(
                f"{self.path} was made by a newer nearkin (schema {revision}; this one knows {schema.REVISION}); "
                "install that version: pip install --upgrade nearkin"
            )
        if revision < schema.REVISION:
            raise SchemaTooOld(
                f"{self.path} was made by an older nearkin (schema {revision}; this one needs {schema.REVISION}); "
                f"run: nearkin upgrade -c {self.folder} (nothing is changed before that)"
            )

    def is_current(self) -> bool:
        """Return True if this is the process that opened the database, and the database, still open, the one at its
        path."""
        return os.getpid() == self._process and not self.is_closed and self._is_in_place()

    def _is_in_place(self) -> bool:
        return (
            identify_file(self._path) == self._file
            and not os.path.exists(self._ready)
            and (not self._access.is_fixed or read_only.mark_files(self.path) == self._marks)
        )

    def is_own(self) -> bool:
        """Return True if this user has created the collection, or trusts it."""
        with self.snapshot() as snapshot:
            return is_own(snapshot, self.identity)

    @property
    def is_read_only(self) -> bool:
        """Whether the folder, or a file in it, can't be written, so that the database may only be read."""
        return self._access.is_read_only

    def check_writable(self) -> None:
        """Raise CollectionReadOnly if the database may only be read."""
        if self.is_read_only:
            raise read_only.refuse_writing(self.folder)

    def _check_current(self) -> None:
        if os.getpid() != self._process:
            raise CollectionReplaced(
                f"{self.path} was opened by process {self._process}, which forked this process, and SQLite's "
                f"connections can't be shared: open the collection here, Collection.open({str(self.folder)!r})"
            )
        if not self._is_in_place():
            if self.is_read_only:
                raise CollectionReplaced(
                    f"{self.path}, which can only be read here, was changed by somebody else while it was open; call "
                    "again: the next call opens it again"
                )
            raise CollectionReplaced(
                f"another database has replaced {self.path} while it was open (a rescue, or a restored copy); nothing "
                "of this call was stored. Call again: the next call opens the new database"
            )
        if self.is_closed:
            raise CollectionClosed(f"the collection in {self.folder} is closed; open it again, then repeat the call")

    def reopen(self) -> Catalogue:
        """Open the database that now lies at the path, in this process. Raises what `open` raises."""
        if os.getpid() == self._process:
            self.close()
            if not self.is_read_only:
                with WriterLock(self.folder, self._wait).hold():
                    if not self._is_in_place():  # else it was away, and the log is its own
                        set_log_aside(self.path, self._log)
        self.forks.check()
        return Catalogue.open(self.folder, self._wait)

    @guarded_context
    def snapshot(self) -> Iterator[Snapshot]:
        """Open one moment for reading: what is written meanwhile is not seen. Raises CollectionReplaced."""
        self._check_current()  # first: SQLite would create a file that is missing
        with self.suspicion, connections.restore_interrupts(), self.forks.connect(self.engine) as connection:
            snapshot = Snapshot(connection)
            self._check_current()
            yield snapshot
            if self._access.is_fixed:  # nothing keeps others from writing over what was read
                self._check_current()

    @guarded_context
    def transaction(self, wait: float | None = None) -> Iterator[Transaction]:
        """Open a transaction: committed when the block ends, undone when it raises.

        wait: seconds to wait for another writer, if other than usual.

        Raises WriterBusy, WriteFailed, CollectionReplaced (nothing of it is stored where it would be found).
        """
        self._check_current()
        self.check_writable()
        with (
            self.suspicion,
            connections.restore_interrupts(),
            self.lock.hold(wait),
            self.forks.connect(self._writing) as connection,
        ):
            writing = Transaction(connection)
            self._check_current()
            yield writing
            writing.finish()
            connection.commit()
            self._check_current()  # else what was committed has lost its name, and must not be acknowledged

    def shorten_log(self) -> None:
        """Empty SQLite's log, which holds what was written lately; as far as nobody is reading."""
        with self.lock.hold(), self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def find_faults(self) -> list[str]:
        """Return what SQLite finds wrong with the file."""
        with self.engine.connect() as connection:  # not begin(): a commit would fail on a damaged file
            return sqlite.find_faults(connection) or soundness.find_wrong_values(connection)

    def size_on_disk(self) -> int:
        """Return the size of the database on disk in bytes, its log included."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Close all connections. What is asked of the catalogue afterwards raises CollectionClosed."""
        self.is_closed = True
        self.engine.dispose()
        if self._access.copy is not None:
            self._access.copy.cleanup()


def _create_tables(connection: Connection, settings: Mapping[str, object]) -> None:
    """Create the tables as they are today, marked with the migration that they correspond to."""
    for statement in sqlite.compile_tables(schema.metadata):
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(full_text.CREATE_TABLE)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute(sa.insert(version).values(version_num=schema.REVISION))
    connection.execute(sa.insert(schema.counter).values(id=1, number=0, oldest=0))
    identity = uuid.uuid4().hex
    values: Json = {"identity": identity, "created_at": int(time.time() * 1e6), **settings, **sign_identity(identity)}
    rows = [{"key": key, "value": value} for key, value in values.items()]
    connection.execute(sa.insert(schema.setting), rows)
