"""The catalogue: the truth that everything else follows.

A `Snapshot` (in `reads`) reads one moment of it; a `Transaction` (in `writes`, a snapshot that may write) is all there
or not at all, and logs one change for each thing it did. Both are made here. Snapshots may be open beside each other in
any number of threads and processes, and beside the one transaction; each belongs to the thread that opened it. SQL
lives in these three modules, in `where` (conditions) and in `database` (what is SQLite's own), and nowhere else.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue import full_text as words
from indexers.catalogue import schema
from indexers.catalogue import sqlite as database
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CollectionNotFound, SchemaTooNew, SchemaTooOld, WriteFailed
from indexers.types import Json

version = sa.table("alembic_version", sa.column("version_num", sa.String))


class Catalogue:
    """The database of one collection, and the lock that its writers take."""

    def __init__(self, folder: Path, wait: float = 5.0) -> None:
        self.folder = folder
        self.path = folder / database.FILE
        self.lock = WriterLock(folder, wait)
        self._wait = wait
        self.engine = database.connect(self.path, wait)
        self._writing = self.engine.execution_options(writing=True)
        self.identity = ""

    @classmethod
    def create(cls, folder: Path, settings: Mapping[str, object] | None = None, wait: float = 5.0) -> Catalogue:
        """Make the database (in a folder that may exist) and open it; two that try at once get the same one."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteFailed(f"the folder {folder} can't be made: {error.strerror or error}") from error
        catalogue = cls(folder, wait)
        try:
            with catalogue.lock.held(), catalogue._writing.begin() as connection:
                if not sa.inspect(connection).get_table_names():
                    _lay(connection, settings or {})
        except BaseException:
            catalogue.close()
            raise
        return catalogue._checked()

    @classmethod
    def open(cls, folder: Path, wait: float = 5.0) -> Catalogue:
        """Open an existing one.

        Raises CollectionNotFound, SchemaTooOld, SchemaTooNew, CatalogueDamaged, UnsafeFileSystem.
        """
        if not (folder / database.FILE).is_file():
            raise CollectionNotFound(f"there is no collection in {folder}; `nearkin add PATH -c {folder}` makes one")
        return cls(folder, wait)._checked()

    def _checked(self) -> Catalogue:
        try:
            with self.engine.begin() as connection:
                self._check_version(connection)
                self.identity = Snapshot(connection).setting("identity") or ""
        except BaseException:
            self.close()
            raise
        return self

    def _check_version(self, connection: Connection) -> None:
        tables = sa.inspect(connection).get_table_names()
        if not tables and not (self.folder / "spaces").exists():  # killed before the first transaction of all
            raise CollectionNotFound(f"the collection in {self.folder} was never finished; `nearkin add` makes it anew")
        if "alembic_version" not in tables:
            raise database.damaged(self.path, "it holds no nearkin tables")
        found = connection.execute(sa.select(version.c.version_num)).scalar() or "0000"
        if found > schema.REVISION:
            raise SchemaTooNew(
                f"{self.path} was made by a newer nearkin (schema {found}; this one knows {schema.REVISION}); "
                "install that version: pip install --upgrade nearkin"
            )
        if found < schema.REVISION:
            raise SchemaTooOld(
                f"{self.path} was made by an older nearkin (schema {found}; this one needs {schema.REVISION}); "
                f"it is left as it is until you run: nearkin upgrade -c {self.folder}"
            )

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Read one moment: what is written meanwhile is not seen."""
        with self.engine.connect() as connection:
            transaction = connection.begin()
            try:
                yield Snapshot(connection)
            finally:
                transaction.rollback()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write: committed when the block ends, undone when it raises. Raises WriterBusy, WriteFailed."""
        with self.lock.held(), self._writing.connect() as connection, connection.begin():
            writing = Transaction(connection)
            yield writing
            writing.finish()

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file."""
        with self.engine.connect() as connection:  # not begin(): a commit would fail on a damaged file
            return database.check(connection)

    def bytes(self) -> int:
        """Size of the database on disk, its log included."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        self.engine.dispose()


def _lay(connection: Connection, settings: Mapping[str, object]) -> None:
    """The tables as they are today, marked with the migration they correspond to."""
    schema.metadata.create_all(connection)
    connection.exec_driver_sql(words.CREATE_TABLE)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute(sa.insert(version).values(version_num=schema.REVISION))
    connection.execute(sa.insert(schema.counter).values(id=1, number=0, oldest=0))
    remembered: Json = {"identity": uuid.uuid4().hex, "created_at": int(time.time() * 1e6), **settings}
    rows = [{"key": key, "value": value} for key, value in remembered.items()]
    connection.execute(sa.insert(schema.setting), rows)
