"""Databases that may only be read: another user's, on a read-only mount or a full disk, in a snapshot of a file system.

SQLite's write-ahead log wants to write even where a program only reads. So where the folder or a file in it can't be
written, the database is opened in one of three ways that write nothing beside it:

    mode=ro        the log has its memory (`-shm`) beside it: perhaps somebody is writing at the moment
    immutable=1    there is no log, so that the file alone is the database
    a copy         a log without its memory, as a copied or killed collection has it: database and log are copied to a
                   temporary folder, and what the log holds is replayed there

The last two don't notice what is written later; `mark_files` tells.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import quote

from indexers.errors import CollectionReadOnly, ReadFailed

ATTEMPTS = 3
"""How often to try to copy a database that another process writes to meanwhile."""
CANT_WRITE = "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR_SHM"
"""The errors of SQLite's of which one means that it can't write what it needs to read."""

ROOM = 2**20
"""Bytes. The log's memory takes 32 KB at first, and grows with the log."""

FileMarks = tuple[tuple[int, ...] | None, ...]


class Access(NamedTuple):
    """How a database is opened.

    path: of the file that SQLite opens, which may be a copy. parameters: of SQLite's URI; "" to read and write.
    is_fixed: later changes of the database are not seen. copy: the folder of the copy, which goes with this object.
    """

    path: Path
    parameters: str = ""
    is_fixed: bool = False
    copy: TemporaryDirectory[str] | None = None

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be written."""
        return bool(self.parameters)

    @property
    def uri(self) -> str:
        """SQLite's URI of the file."""
        return f"file:{quote(os.fsencode(self.path))}?{self.parameters}"


def choose_access(path: Path) -> Access:
    """Return how to open the database at the path. Raises ReadFailed if it has to be copied and can't be."""
    if can_write(path) and (has_room(path.parent) or _can_open(Access(path))):
        return Access(path)
    log, memory = list_files(path)[1:]
    has_log = log.exists() and log.stat().st_size > 0
    if memory.exists() and _can_open(Access(path, "mode=ro")):
        return Access(path, "mode=ro")
    if not has_log:
        return Access(path, "immutable=1&mode=ro", is_fixed=True)
    return _copy(path, log)


def can_write(path: Path) -> bool:
    """Return True if this process may write the database, its log and the folder that they lie in."""
    files = [file for file in list_files(path) if file.exists()]
    return _is_allowed(path.parent, os.W_OK | os.X_OK) and all(_is_allowed(file, os.W_OK) for file in files)


def has_room(folder: Path) -> bool:
    """Return False if the disk is so full that SQLite may not find room for its log and the log's memory."""
    try:
        return shutil.disk_usage(folder).free >= ROOM
    except (OSError, AttributeError):  # the system does not tell
        return True


def _is_allowed(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def list_files(path: Path) -> tuple[Path, Path, Path]:
    """Return the paths of a database, of its log and of the log's memory."""
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def mark_files(path: Path) -> FileMarks:
    """Return what differs once a database or its log has been written."""
    return tuple(_mark(file) for file in list_files(path)[:2])


def _mark(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _can_open(access: Access) -> bool:
    """Return True if SQLite can read the database in this way; True as well if it is damaged, which is told later."""
    try:
        with closing(sqlite3.connect(access.uri, uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        return not str(getattr(error, "sqlite_errorname", "")).startswith(CANT_WRITE)
    return True


def _copy(path: Path, log: Path) -> Access:
    folder = None
    try:
        folder = TemporaryDirectory(prefix="nearkin-", ignore_cleanup_errors=True)
        copy = Path(folder.name) / path.name
        for _ in range(ATTEMPTS):
            before = mark_files(path)
            shutil.copyfile(path, copy)
            shutil.copyfile(log, list_files(copy)[1])
            if mark_files(path) == before:
                break
    except OSError as error:
        if folder is not None:
            folder.cleanup()
        raise ReadFailed(
            f"{path.parent} may only be read, and its log can only be read in a copy, which can't be made: "
            f"{error.strerror or error}; make room for {path.stat().st_size:,} bytes in the temporary folder (TMPDIR)"
        ) from error
    return Access(copy, "mode=rw", is_fixed=True, copy=folder)


def refuse_writing(folder: Path) -> CollectionReadOnly:
    """Return the error of a call that writes."""
    if can_write(folder / "catalogue.sqlite"):
        return CollectionReadOnly(
            f"the collection in {folder} was opened to be read only, since its disk is full: free disk space, and open "
            "it again; nothing was changed"
        )
    return CollectionReadOnly(
        f"the collection in {folder} may only be read: its folder, or a file in it, can't be written; nothing was "
        "changed"
    )
