"""Rescue of a damaged database: every row that SQLite can still read, in a new one.

SQLite's own `.recover` is missing from many builds of its shell (Debian's, for one), and knows nothing of our tables.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from indexers.catalogue import schema
from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CatalogueDamaged, CollectionNotFound, WriteFailed

TABLES = (
    "item",
    "location",
    "space",
    "vector",
    "failure",
    "setting",
    "cluster",
    "clustering",
    "member",
    "event",
    "partitioning",
    "grouping",
    "placed",
    "decision",
)
"""In order of reference. What filters read is made anew; changes and followers begin anew."""
NEAR = 4096
"""Rows tried one by one behind a page that can't be read; beyond that, in growing steps."""
LAST = 2**63 - 1
LARGEST = 2**40
"""Bytes that a file's own word for its length is believed for."""


def rescue(folder: Path, wait: float = 5.0) -> dict[str, int]:
    """Put a new database with all that can be read in the place of a damaged one; rows kept, by table.

    The damaged one stays beside it, under another name. Derived files are rebuilt by the next opening. Raises
    CollectionNotFound, WriterBusy, WriteFailed, CatalogueDamaged (nothing can be read).
    """
    path, place = folder / database.FILE, folder / "rescued"
    if not path.is_file():
        raise CollectionNotFound(f"there is no collection in {folder}")
    with WriterLock(folder, wait).held():
        shutil.rmtree(place, ignore_errors=True)
        try:
            kept = _copy(path, place)
            _swap(path, place / database.FILE)
        except OSError as error:
            raise WriteFailed(f"{folder} can't be written: {error.strerror or error}; free disk space") from error
        finally:
            shutil.rmtree(place, ignore_errors=True)
    return kept


def _copy(path: Path, place: Path) -> dict[str, int]:
    fresh = Catalogue.create(place)
    try:
        with closing(sqlite3.connect(_whole(path, place / "damaged"))) as source, fresh.transaction() as writing:
            connection = writing._connection
            kept = {name: _table(source, connection, name) for name in TABLES}
            if not kept["item"] and not kept["setting"]:
                raise CatalogueDamaged(f"nothing can be read of {path}; put back a copy, or add the pictures again")
            _number(source, connection)
            writing.reindex(writing.ids().tolist())
    finally:
        fresh.close()
    return kept


def _whole(path: Path, copy: Path) -> Path:
    """A copy of the damaged file, as long as it says it is: SQLite reads nothing of one that was cut."""
    shutil.copyfile(path, copy)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
    with copy.open("r+b") as file:
        head = file.read(100)
        size, count = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
        if head.startswith(b"SQLite format 3") and copy.stat().st_size < size * count <= LARGEST:
            file.truncate(size * count)
    return copy


def _table(source: sqlite3.Connection, target: sa.Connection, name: str) -> int:
    """Rows that were read and fit: those that refer to lost ones are left out."""
    columns = [column.name for column in schema.metadata.tables[name].columns]
    slots = ", ".join("?" * len(columns))
    kept = 0
    for row in _rows(source, name, columns):
        try:
            target.exec_driver_sql(f"INSERT OR REPLACE INTO {name} ({', '.join(columns)}) VALUES ({slots})", row)
            kept += 1
        except sa.exc.IntegrityError:
            continue
    return kept


def _rows(source: sqlite3.Connection, name: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """By their numbers, around what can't be read."""
    query = f"SELECT rowid, {', '.join(columns)} FROM {name} WHERE rowid > ? ORDER BY rowid"
    last: int | None = 0
    while last is not None:
        try:
            for row in source.execute(query, (last,)):
                last = row[0]
                yield row[1:]
            return
        except sqlite3.DatabaseError:
            last = _beyond(source, name, last or 0)


def _beyond(source: sqlite3.Connection, name: str, last: int) -> int | None:
    """The number before the next row that can be read; None: there is none."""
    step = 1
    while last + step < LAST:
        with suppress(sqlite3.DatabaseError):
            query = f"SELECT rowid, * FROM {name} WHERE rowid > ? ORDER BY rowid LIMIT 1"
            found = source.execute(query, (last + step,)).fetchone()
            return found[0] - 1 if found else None
        step = step + 1 if step < NEAR else 2 * step
    return None


def _number(source: sqlite3.Connection, target: sa.Connection) -> None:
    """Change numbers go on above all there were, ids of items too; whoever followed the old ones starts anew."""
    queries = (
        "SELECT max(number) FROM counter",
        "SELECT max(number) FROM change",
        "SELECT max(position) FROM follower",
    )
    number = max(_value(source, query) for query in queries) + 1
    target.exec_driver_sql("UPDATE counter SET number = ?, oldest = ?", (number, number))
    last = _value(source, "SELECT seq FROM sqlite_sequence WHERE name = 'item'")
    target.exec_driver_sql("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'item'", (last,))


def _value(source: sqlite3.Connection, query: str) -> int:
    with suppress(sqlite3.DatabaseError):
        return int((source.execute(query).fetchone() or (0,))[0] or 0)
    return 0


def _swap(path: Path, fresh: Path) -> None:
    for suffix in ("-wal", "-shm", ""):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(path.with_name(f"{path.name}.damaged{suffix}"))
    fresh.rename(path)
