"""The one module that knows that the catalogue is SQLite: connections, transactions, its faults in our words."""

from __future__ import annotations

import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext

from indexers import errors

FILE = "catalogue.sqlite"
PAGE_SIZE = 16384  # pages of 4 KB double the file for vectors of 2 KB: each would fill one and spill into the next
NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "9p",
    "ncpfs",
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.s3fs",
    "ceph",
}


def connect(path: Path, wait: float) -> Engine:
    """An engine over the file. `wait`: seconds until a lock of SQLite's own counts as busy."""
    refuse_network(path.parent)
    engine = sa.create_engine(
        sa.URL.create("sqlite+pysqlite", database=str(path)),  # not a text: a folder may be called "what?"
        connect_args={"timeout": wait, "check_same_thread": False, "cached_statements": 256},
        pool_size=8,
        max_overflow=64,
        pool_reset_on_return=None,  # every transaction is ended where it was begun
    )
    event.listen(engine, "connect", lambda connection, _: _configure(connection, path))
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", lambda context: _translate(context, path))
    return engine


def _configure(connection: Any, path: Path) -> None:
    try:
        _pragmas(connection)
    except sqlite3.Error as error:
        found = translate(error, path)
        if found is None:
            raise
        connection.close()
        raise found from error


def _pragmas(connection: Any) -> None:
    connection.isolation_level = None  # the driver's own idea of when to begin would split our transactions
    connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows the letters of ASCII only
    for pragma in (
        f"page_size={PAGE_SIZE}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-32000",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _translate(context: ExceptionContext, path: Path) -> BaseException | None:
    """What SQLAlchemy raises instead of its own error; None: that one."""
    return translate(context.original_exception, path)


def translate(error: BaseException, path: Path) -> errors.CatalogueError | None:
    """SQLite's faults that a user can do something about, as errors of ours."""
    name = getattr(error, "sqlite_errorname", "") if isinstance(error, sqlite3.Error) else ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return damaged(path, str(error))
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return errors.WriteFailed(
            f"{path} can't be written ({error}). Nothing of this batch was kept, everything before it was. "
            "Free disk space or mend the permissions of its folder, then run the same again"
        )
    if name.startswith("SQLITE_BUSY"):
        return errors.WriterBusy(f"{path} is locked by another program ({error}); try again when it is done")
    return None


def damaged(path: Path, what: str) -> errors.CatalogueDamaged:
    """The error that says how a damaged database is rescued."""
    return errors.CatalogueDamaged(
        f"the catalogue {path} is damaged: {what}. Put back a copy if you have one. Else rescue what can be read, and "
        f"add what was lost again: nearkin rescue -c {shlex.quote(str(path.parent))}"
    )


def check(connection: Connection) -> list[str]:
    """What SQLite itself finds wrong with the file; empty when it is sound."""
    found: list[str] = []
    try:
        rows = connection.exec_driver_sql("PRAGMA integrity_check(20)")
        found += [str(row[0]) for row in rows if row[0] != "ok"]
        strays = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20)
        found += [f"row {row[1]} of {row[0]} refers to a missing {row[2]}" for row in strays]
    except errors.CatalogueDamaged as error:  # so damaged that the check itself gives up
        found.append(str(error))
    return found


def copy(engine: Engine, to: Path) -> None:
    """A copy of the whole database, with what still lies in its log. Raises what SQLite or the disk raises."""
    to.unlink(missing_ok=True)
    with closing(sqlite3.connect(to)) as target, closing(engine.raw_connection()) as source:
        source.driver_connection.backup(target)  # type: ignore[union-attr]


def refuse_network(folder: Path) -> None:
    """SQLite's write-ahead log needs memory shared between processes, which network file systems don't give."""
    kind = file_system(folder)
    if kind in NETWORK:
        raise errors.UnsafeFileSystem(
            f"{folder} lies on a network file system ({kind}), where a catalogue would be damaged sooner or later; "
            "keep the collection on a local disk (the pictures may stay where they are)"
        )


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The kind of file system that holds the folder, or "" where the system doesn't tell."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place = str(folder.resolve())
    best, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1])  # blanks and the like
        if (place == point or place.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind
