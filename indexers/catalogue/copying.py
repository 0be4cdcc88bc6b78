"""The copy of a catalogue into another database, of either kind: `nearkin copy`.

It holds one moment of the source. A copy that was broken off goes on where it ended: what a table of the target holds
is compared with the source first, and only what does not agree is written anew. A table called `copying` stands in the
target until all is there and compared, and nothing opens it before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue import dialects, full_text, schema
from indexers.catalogue.addresses import Address
from indexers.catalogue.backup import copy_beside
from indexers.catalogue.catalogue import INCOMPLETE, Catalogue, create_tables, open_database, read_version
from indexers.catalogue.database import Database
from indexers.errors import CatalogueError, UsageError

BATCH = 2000
"""Rows that are read, and written in one transaction."""
TABLES = [table for table in schema.metadata.sorted_tables if table is not schema.follower]
"""In the order of their references. What followers have stored lies with the source."""

Progress = Callable[[int, int, str], object]


def copy_catalogue(source: Address, target: Address, progress: Progress | None = None) -> dict[str, int]:
    """Copy a catalogue to where none is yet, and return the number of rows by table.

    progress: called with rows that are there, rows of all, and the name of the table.

    Raises UsageError (a collection is there), CatalogueError (the copy differs from what was copied), and what opening
    raises.
    """
    if source == target:
        raise UsageError(f"{source} can't be copied to itself")
    with closing(Catalogue.open(source)) as catalogue:
        database = open_database(target, create=True)
        try:
            with database.hold(), catalogue.database.connect() as reading:
                _begin(database, catalogue)
                counts = {table.name: _count(reading, table) for table in TABLES}
                done = 0
                for table in TABLES:
                    for there in _copy_table(reading, database, table):
                        if progress:
                            progress(done + there, sum(counts.values()), table.name)
                    done += counts[table.name]
                _finish(reading, database, counts)
        finally:
            database.close()
        with closing(Catalogue.open(target)) as copied:
            copy_beside(catalogue.folder, copied.folder)
    return counts


def _begin(database: Database, source: Catalogue) -> None:
    with database.connect(writing=True) as connection:
        tables = sa.inspect(connection).get_table_names()
        if database.may_create(tables):
            create_tables(connection, {})
            connection.exec_driver_sql(f"CREATE TABLE {INCOMPLETE} (source VARCHAR NOT NULL)")
            connection.commit()
        elif INCOMPLETE not in tables:
            raise UsageError(
                f"{database.address} holds a collection already, or something else; give another place for the copy"
            )
        elif read_version(connection) != schema.REVISION:
            raise UsageError(f"the copy in {database.address} was begun by another version of nearkin; delete it first")


def _copy_table(reading: Connection, database: Database, table: sa.Table) -> Iterator[int]:
    """Bring one table of the target to what the source holds; yield how many rows are there."""
    with database.connect(writing=True) as writing:
        last, count, digest = _digest(writing, table)
        expected = _digest(reading, table, last)
        if (count, digest) != expected[1:]:
            writing.execute(sa.delete(table))
            writing.commit()
            last, count = None, 0
    yield count
    for rows in _read(reading, table, last):
        with database.connect(writing=True) as writing:
            dialects.find(writing).insert_rows(writing, table, [dict(row._mapping) for row in rows])
            writing.commit()
        count += len(rows)
        yield count


def _finish(reading: Connection, database: Database, counts: dict[str, int]) -> None:
    """Compare all, make what is derived, and let the target be opened."""
    with database.connect(writing=True) as writing:
        for table in TABLES:
            ours, theirs = _digest(reading, table), _digest(writing, table)
            if ours != theirs or ours[1] != counts[table.name]:
                raise CatalogueError(
                    f"the copy in {database.address} differs in the table {table.name} ({theirs[1]:,} of {ours[1]:,} "
                    "rows), and can't be opened: repeat the command, and report the error if it comes again"
                )
        dialects.find(writing).continue_ids(writing, dialects.find(reading).read_last_ids(reading))
        full_text.rebuild_index(writing)
        writing.exec_driver_sql(f"DROP TABLE {INCOMPLETE}")
        writing.commit()


def _count(connection: Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _read(
    connection: Connection, table: sa.Table, after: Sequence[Any] | None, until: Sequence[Any] | None = None
) -> Iterator[Sequence[Any]]:
    """Yield the rows of a table by their keys, in batches, after a key and until another."""
    keys = list(table.primary_key)
    query = sa.select(table).order_by(*keys).limit(BATCH)
    if until is not None:
        query = query.where(sa.tuple_(*keys) <= _bind_key(table, until))
    while True:
        part = query if after is None else query.where(sa.tuple_(*keys) > _bind_key(table, after))
        rows = connection.execute(part).all()
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        after = [rows[-1]._mapping[key] for key in keys]


def _bind_key(table: sa.Table, values: Sequence[Any]) -> Any:
    keys = zip(values, table.primary_key, strict=True)
    return sa.tuple_(*(sa.literal(value, column.type) for value, column in keys))


def _digest(
    connection: Connection, table: sa.Table, until: Sequence[Any] | None = None
) -> tuple[Sequence[Any] | None, int, str]:
    """Return the last key, the number and the hash of the rows of a table, or of those until a key."""
    keys, hasher = list(table.primary_key), blake2b(digest_size=20)
    last: Sequence[Any] | None = None
    count = 0
    for rows in _read(connection, table, None, until):
        for row in rows:
            hasher.update(json.dumps(list(row), sort_keys=True, default=_write_bytes).encode("utf-8", "surrogatepass"))
        count, last = count + len(rows), [rows[-1]._mapping[key] for key in keys]
    return last, count, hasher.hexdigest()


def _write_bytes(value: Any) -> str:
    return bytes(value).hex()
