"""The database of a collection as a file of SQLite in its folder, which may be replaced, forked with, or read only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy.engine import Connection

from indexers.catalogue import read_only, soundness, sqlite
from indexers.catalogue.database import Database
from indexers.catalogue.forks import ForkGuard
from indexers.catalogue.links import check_folder
from indexers.catalogue.replacement import READY, FileMark, finish_swap, identify_file, set_log_aside
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


class SqliteDatabase(Database):
    """A file in the folder of the collection, and the lock that its writers take."""

    def __init__(self, folder: Path, wait: float) -> None:
        self.folder, self.address = folder, str(folder)
        self.path = folder / sqlite.FILE
        self._path, self._ready = str(self.path), str(folder / READY)  # text: they are looked at before every answer
        self.name = self._path
        self.lock = WriterLock(folder, wait)
        self._wait = wait
        self._access = read_only.choose_access(self.path) if self.path.exists() else read_only.Access(self.path)
        self._marks = read_only.mark_files(self.path) if self._access.is_fixed else ()
        self.engine = sqlite.connect(self.path, wait, self._access)
        self._writing = self.engine.execution_options(writing=True)
        self.suspicion = soundness.Suspicion(self.engine, self.path)
        self._process = os.getpid()
        self._file: FileMark | None = None
        self._log: FileMark | None = None
        self.forks = ForkGuard(self.engine)

    @classmethod
    def create(cls, folder: Path, wait: float) -> SqliteDatabase:
        """Open the database in a folder, where neither has to exist."""
        check_folder(folder)
        try:
            make_folder(folder)
        except OSError as error:
            raise WriteFailed(f"cannot create the folder {folder}: {error.strerror or error}") from error
        return cls(folder, wait)

    @classmethod
    def open(cls, folder: Path, wait: float) -> SqliteDatabase:
        """Open an existing database. Raises CollectionNotFound, UnsafeFileSystem, LeadsOutside."""
        check_folder(folder)
        if (folder / READY).is_dir():  # a rescue was killed when its new database was complete
            with WriterLock(folder, wait).hold():
                finish_swap(folder)
        if not (folder / sqlite.FILE).is_file():
            raise CollectionNotFound(f"there is no collection in {folder}; `nearkin add PATH -c {folder}` creates one")
        return cls(folder, wait)

    @property
    def is_read_only(self) -> bool:
        return self._access.is_read_only

    def refuse_writing(self) -> CollectionReadOnly:
        return read_only.refuse_writing(self.folder)

    def is_current(self) -> bool:
        return os.getpid() == self._process and not self.is_closed and self._is_in_place()

    def _is_in_place(self) -> bool:
        return (
            identify_file(self._path) == self._file
            and not os.path.exists(self._ready)
            and (not self._access.is_fixed or read_only.mark_files(self.path) == self._marks)
        )

    def check_current(self) -> None:
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

    def check_unchanged(self) -> None:
        if self._access.is_fixed:  # nothing keeps others from writing over what was read
            self.check_current()

    def hold(self, wait: float | None = None) -> AbstractContextManager[None]:
        return self.lock.hold(wait)

    def connect(
        self, *, writing: bool = False, beside: bool = False, wait: float | None = None
    ) -> AbstractContextManager[Connection]:
        return self.forks.connect(self._writing if writing else self.engine)

    @guarded_context
    def connect_beside(self) -> Iterator[Connection]:
        with self.hold(), self.connect(writing=True) as connection:
            yield connection

    def explain_lack(self, tables: Sequence[str]) -> CatalogueError | CollectionNotFound:
        if not tables and not (self.folder / "spaces").exists():  # killed before its first transaction
            return CollectionNotFound(
                f"the creation of the collection in {self.folder} was interrupted; `nearkin add` starts it again"
            )
        return sqlite.damage_error(self.path, "it holds no nearkin tables")

    def mark(self) -> None:
        self._file = identify_file(self.path)

    def settle(self, identity: str) -> None:
        self._log = identify_file(self.path.with_name(self.path.name + "-wal"))

    def reopen(self) -> SqliteDatabase:
        if os.getpid() == self._process:
            self.close()
            if not self.is_read_only:
                with WriterLock(self.folder, self._wait).hold():
                    if not self._is_in_place():  # else it was away, and the log is its own
                        set_log_aside(self.path, self._log)
        self.forks.check()
        return SqliteDatabase.open(self.folder, self._wait)

    def shorten_log(self) -> None:
        with self.lock.hold(), self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def find_faults(self) -> list[str]:
        with self.engine.connect() as connection:  # not begin(): a commit would fail on a damaged file
            return sqlite.find_faults(connection) or soundness.find_wrong_values(connection)

    def size_on_disk(self) -> int:
        """Return the size of the database on disk in bytes, its log included."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        self.is_closed = True
        self.engine.dispose()
        if self._access.copy is not None:
            self._access.copy.cleanup()
