"""What a catalogue asks of its database, of whatever kind: connections that read one moment or write, and whether it is
still the one that was opened. How its SQL differs is said in `dialects`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy.engine import Connection, Engine

from indexers.catalogue.soundness import Suspicion
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CatalogueError, CollectionNotFound, CollectionReadOnly


class Database(ABC):
    """The database of one collection.

    address: what users open the collection by, without a password. name: what errors call the database.
    folder: what follows the catalogue lies here. lock: that of the writers with this folder.
    """

    address: str
    name: str
    folder: Path
    lock: WriterLock
    engine: Engine
    suspicion: Suspicion
    is_closed = False
    server_url = ""
    """The address of the server with its password, which nothing may show."""
    writes_beside = False
    """Whether several transactions may write at once, if they ask for it."""
    has_own_folder = False
    """Whether other machines open the database with folders of their own, so that it keeps no note of their files."""

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be written."""
        return False

    @abstractmethod
    def refuse_writing(self) -> CollectionReadOnly:
        """Return the error of a call that writes to a database that may only be read."""

    @abstractmethod
    def is_current(self) -> bool:
        """Return True if this is the process that opened the database, and the database, still open, the same."""

    @abstractmethod
    def check_current(self) -> None:
        """Raise CollectionReplaced or CollectionClosed unless this is so."""

    def check_unchanged(self) -> None:  # noqa: B027  most databases hold a moment still while it is read
        """Raise CollectionReplaced if others may have written over what was read in one moment."""

    @abstractmethod
    def hold(self, wait: float | None = None) -> AbstractContextManager[None]:
        """Hold the lock of the writers that share this folder. Raises WriterBusy."""

    @abstractmethod
    def connect(
        self, *, writing: bool = False, beside: bool = False, wait: float | None = None
    ) -> AbstractContextManager[Connection]:
        """Take a connection for a block. It reads one moment, or writes, and then holds whatever keeps other writers
        out; with `beside`, where the database can, only those that don't write beside others. What is not committed
        when the block ends is undone. Raises WriterBusy."""

    @abstractmethod
    def connect_beside(self) -> AbstractContextManager[Connection]:
        """Take a connection for a block that writes rows which log no change; beside other writers, where the database
        can. What is not committed when the block ends is undone. Raises WriterBusy."""

    def may_create(self, tables: Sequence[str]) -> bool:
        """Return True if the tables of a catalogue can be created in the database, which holds these."""
        return not tables

    @abstractmethod
    def explain_lack(self, tables: Sequence[str]) -> CatalogueError | CollectionNotFound:
        """Return the error that says that the database, which holds these tables, is no catalogue."""

    def mark(self) -> None:  # noqa: B027  a server does not give a name to another database
        """Note which database this is, to notice another in its place."""

    @abstractmethod
    def settle(self, identity: str) -> None:
        """Take note of the database's identity, once its tables were found to be those of this version."""

    @abstractmethod
    def reopen(self) -> Database:
        """Open the database that is now in the place of this one, in this process. Raises what opening raises."""

    def shorten_log(self) -> None:  # noqa: B027  only SQLite has one of its own
        """Empty the log, which holds what was written lately; as far as nobody is reading."""

    @abstractmethod
    def find_faults(self) -> list[str]:
        """Return what the database finds wrong with itself."""

    @abstractmethod
    def size_on_disk(self) -> int:
        """Return the size of the database in bytes."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections. What is asked of the database afterwards raises CollectionClosed."""
