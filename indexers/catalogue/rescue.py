"""The rescue of a damaged database: every row that SQLite can still read goes into a new one.

SQLite's own `.recover` is missing from many builds of its shell (Debian's, for one), and knows nothing of our tables.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from indexers.catalogue import owners, schema, soundness, sqlite
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.links import check_folder
from indexers.catalogue.replacement import READY, finish_swap, keep_earlier_rescue
from indexers.catalogue.rows import NUMBER_LIMIT
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CatalogueDamaged, CollectionNotFound, WriteFailed
from indexers.files import sync
from indexers.types import LEVELS

TABLES = (
    "item",
    "location",
    "reading",
    "space",
    "vector",
    "part",
    "part_vector",
    "finding",
    "failure",
    "setting",
    "cluster",
    "clustering",
    "member",
    "event",
    "partitioning",
    "chance",
    "grouping",
    "placed",
    "decision",
    "correction",
    "merging",
    "proposal",
    "lesson",
    "label",
    "trash",
    "trash_vector",
    "trash_part_vector",
)
"""In the order of their references. What filters read is written anew; changes and followers start again."""
_LISTED = "grouping, json_each(iif(json_valid(labels), labels, '[]'))"
REVIVALS = {
    "member": [(level, f"'{level}'", "member") for level in LEVELS],
    "grouping": [("value", "grouping.name", _LISTED)],
    "placed": [("cluster", "grouping.name", "placed JOIN grouping ON grouping.id = placed.grouping")],
}
"""By table where it refers to clusters: an id, its level, and what to select both from. What is lost comes back without
its name."""
SINGLE_STEPS = 4096
"""Row numbers tried one by one after a page that can't be read; beyond that, in growing steps."""
MAX_ROW = 2**63 - 1
MAX_BYTES = 2**40
"""The length in a file's header is believed up to this many bytes."""


def rescue_catalogue(folder: Path, wait: float = 5.0) -> dict[str, int]:
    """Replace a damaged database by a new one with all that can be read, and return the number of rows by table.

    The damaged one stays beside it, under another name. Derived files are rebuilt by the next opening. Raises
    CollectionNotFound, WriterBusy, WriteFailed, CatalogueDamaged (nothing can be read).
    """
    check_folder(folder)
    path, workspace = folder / sqlite.FILE, folder / "rescue.part"
    if not path.is_file() and not (folder / READY).is_dir():
        raise CollectionNotFound(f"there is no collection in {folder}")
    with WriterLock(folder, wait).hold():
        if finish_swap(folder):  # an earlier rescue was killed when its new database was complete
            return _count_rows(folder)
        shutil.rmtree(workspace, ignore_errors=True)
        try:
            counts = _copy_rows(path, workspace)
            keep_earlier_rescue(path)
            _publish(workspace, folder / READY)
        except OSError as error:
            raise WriteFailed(f"cannot write {folder}: {error.strerror or error}; free disk space") from error
        finally:
            shutil.rmtree(workspace, ignore_errors=True)
        finish_swap(folder)
    return counts


def _publish(workspace: Path, ready: Path) -> None:
    """Rename the workspace of a complete database, all on the disk: the one step that decides."""
    new = workspace / sqlite.FILE
    if new.with_name(new.name + "-wal").exists():
        raise OSError(f"{new} could not be completed")
    (workspace / "damaged").unlink(missing_ok=True)
    sync(new)
    sync(workspace)
    os.replace(workspace, ready)
    sync(ready.parent)


def _count_rows(folder: Path) -> dict[str, int]:
    catalogue = Catalogue.open(folder)
    try:
        with catalogue.engine.begin() as connection:
            return {
                table: int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()) for table in TABLES
            }
    finally:
        catalogue.close()


def _copy_rows(path: Path, workspace: Path) -> dict[str, int]:
    new = Catalogue.create(workspace)
    try:
        with (
            closing(sqlite3.connect(_copy_padded(path, workspace / "damaged"))) as source,
            new.transaction() as writing,
        ):
            _drop_programs(source)
            connection = writing._connection
            connection.exec_driver_sql(f"DELETE FROM setting WHERE key LIKE '{owners.PREFIX}%'")  # only what was signed
            identity = writing.setting("identity")
            counts = {table: _copy_table(source, connection, table) for table in TABLES}
            if writing.setting("identity") is None:  # it was damaged
                writing.set_setting("identity", identity)
            if not counts["item"] and not counts["setting"]:
                raise CatalogueDamaged(f"nothing can be read of {path}; restore a backup, or add the pictures again")
            _continue_numbers(source, connection)
            writing.reindex(writing.ids().tolist())
    finally:
        new.close()
    return counts


def _copy_padded(path: Path, copy: Path) -> Path:
    """Copy the damaged file, padded to the length in its header: SQLite reads nothing of one that was cut short."""
    shutil.copyfile(path, copy)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
    with copy.open("r+b") as file:
        head = file.read(100)
        size, count = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
        if head.startswith(b"SQLite format 3") and copy.stat().st_size < size * count <= MAX_BYTES:
            file.truncate(size * count)
    return copy


def _drop_programs(source: sqlite3.Connection) -> None:
    """Drop views, of the copy: reading one may take for ever. Where the schema itself can't be read, nothing can."""
    with suppress(sqlite3.DatabaseError):
        for kind, name in source.execute(sqlite.PROGRAMS).fetchall():
            quoted = name.replace('"', '""')
            source.execute(f'DROP {kind} "{quoted}"')


def _copy_table(source: sqlite3.Connection, target: sa.Connection, table: str) -> int:
    """Copy the rows that can be read, without those that refer to lost ones, and return their number."""
    columns = [column.name for column in schema.metadata.tables[table].columns]
    slots = ", ".join("?" * len(columns))
    count = 0
    for row in _read_rows(source, table, columns):
        try:
            target.exec_driver_sql(f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({slots})", row)
            count += 1
        except sa.exc.IntegrityError:
            continue
    for id_column, level, place in REVIVALS.get(table, ()):
        is_id = f"typeof({id_column}) = 'integer' AND {id_column} BETWEEN 1 AND {NUMBER_LIMIT}"
        query = f"SELECT DISTINCT {id_column}, {level}, 0, 0 FROM {place} WHERE {is_id} AND typeof({level}) = 'text'"
        target.exec_driver_sql(f"INSERT OR IGNORE INTO cluster (id, level, given, born) {query}")
    return count - soundness.delete_wrong_rows(target, table)


def _read_rows(source: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield rows in the order of their numbers, around what can't be read."""
    query = f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE rowid > ? ORDER BY rowid"
    last: int | None = 0
    while last is not None:
        try:
            for row in source.execute(query, (last,)):
                last = row[0]
                yield row[1:]
            return
        except sqlite3.DatabaseError:
            last = _skip_damage(source, table, last or 0)


def _skip_damage(source: sqlite3.Connection, table: str, last: int) -> int | None:
    """Return the number before the next row that can be read; None if there is none."""
    step = 1
    while last + step < MAX_ROW:
        with suppress(sqlite3.DatabaseError):
            query = f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT 1"
            row = source.execute(query, (last + step,)).fetchone()
            return row[0] - 1 if row else None
        step = step + 1 if step < SINGLE_STEPS else 2 * step
    return None


def _continue_numbers(source: sqlite3.Connection, target: sa.Connection) -> None:
    """Continue change numbers and item ids above all earlier ones, so that followers of those start again."""
    places = ("number", "counter"), ("number", "change"), ("position", "follower")
    number = max(_find_largest(source, column, table) for column, table in places) + 1
    target.exec_driver_sql("UPDATE counter SET number = ?, oldest = ?", (number, number))
    last = max(_find_largest(source, "seq", "sqlite_sequence", "name = 'item'"), _find_largest(source, "id", "part"))
    target.exec_driver_sql("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'item'", (last,))


def _find_largest(source: sqlite3.Connection, column: str, table: str, condition: str = "true") -> int:
    """Return the largest number of a column that anybody can have counted to; 0 if there is none."""
    with suppress(sqlite3.DatabaseError):
        is_number = f"typeof({column}) = 'integer' AND {column} BETWEEN 0 AND {NUMBER_LIMIT - 2}"
        row = source.execute(f"SELECT max({column}) FROM {table} WHERE {is_number} AND {condition}").fetchone()
        return row[0] or 0
    return 0
