"""Values of another kind than their column: SQLite stores anything anywhere, and nothing of ours would write them.

They are not looked for when they are read, which would make every search slower, but once one has led to an error that
nobody has foreseen, somewhere between the database and the answer.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from indexers.catalogue import full_text, schema, sqlite
from indexers.catalogue.column_types import Number
from indexers.catalogue.read_only import FileMarks, mark_files
from indexers.errors import CatalogueDamaged, NearkinError, StoredFileDamaged

SETTINGS = {
    "identity": "string",
    "embedder": "string",
    "created_at": "number",
    "left": "array",
    "languages": "array",
    "near %": "number",
    "signed by %": "string",
}
"""By the key of a setting, a pattern of SQL, the kind of its value in JSON."""

KINDS = {
    sa.String: "'text'",
    sa.LargeBinary: "'blob'",
    sa.Boolean: "'integer'",
    sa.Integer: "'integer'",
    sa.Float: "'real', 'integer'",
    Number: "'real', 'integer'",
    sa.JSON: "'text', 'integer', 'real'",
}
"""By the type of a column what SQLite calls the values that it may hold."""
PAUSE = 20
"""How many times as long as a search for faults took no other begins: unforeseen errors take little of the time."""
SHOWN = 3
"""Faults that an error names."""


def _describe_wrong(column: sa.Column[Any]) -> str:
    """Return the condition, in SQL, that holds for the values that the column may not hold."""
    kinds = next(kinds for kind, kinds in KINDS.items() if isinstance(column.type, kind))
    wrong = f"typeof({column.name}) NOT IN ({kinds}, 'null')"
    if isinstance(column.type, sa.JSON):
        wrong += f" OR json_kind({column.name}) IS NOT {_describe_json_kind(column)}"
    if "refers" in column.info:
        wrong += f" OR {column.name} NOT IN (SELECT id FROM {column.info['refers']} UNION ALL SELECT 0)"
    if "lists" in column.info:
        listed = f"json_each(iif(json_valid({column.name}), {column.name}, '[]'))"
        wrong += f" OR EXISTS (SELECT 1 FROM {listed} WHERE value NOT IN (SELECT id FROM {column.info['lists']}))"
    return wrong


def _describe_json_kind(column: sa.Column[Any]) -> str:
    """Return the kind of JSON that the column holds, in SQL: as the table says, or any for a setting unknown here."""
    if column is not schema.setting.c.value:
        return f"'{column.info['kind']}'"
    cases = " ".join(f"WHEN key LIKE '{pattern}' THEN '{kind}'" for pattern, kind in SETTINGS.items())
    return f"CASE {cases} ELSE coalesce(json_kind(value), 'none') END"


def find_wrong_values(connection: Connection) -> list[str]:
    """Return which columns hold values of another kind, such as text that is none, metadata that is no object, or
    clusters that were never made; and whether the index of words can't be read."""
    faults = []
    for table in schema.metadata.sorted_tables:
        counts = ", ".join(f"sum({_describe_wrong(column)})" for column in table.columns)
        row = connection.exec_driver_sql(f"SELECT {counts} FROM {table.name}").one()
        faults += [
            f"{count} values of {table.name}.{column.name} are not of its kind{_name_first(connection, column)}"
            for column, count in zip(table.columns, row, strict=True)
            if count
        ]
    try:
        full_text.read_documents(connection, [1])
    except sa.exc.DBAPIError as error:
        faults.append(f"the index of words can't be read ({error.orig})")
    return faults


def _name_first(connection: Connection, column: sa.Column[Any]) -> str:
    """Return which item has the first wrong value, in brackets; nothing if the table tells of no item."""
    key = "id" if column.table is schema.item else "item"
    if key not in column.table.columns:
        return ""
    query = f"SELECT {key} FROM {column.table.name} WHERE {_describe_wrong(column)} LIMIT 1"
    return f" (the first is item {connection.exec_driver_sql(query).scalar_one()!r:.40})"


def delete_wrong_rows(connection: Connection, table: str) -> int:
    """Delete the rows of a table that hold values of another kind, and return their number."""
    wrong = " OR ".join(_describe_wrong(column) for column in schema.metadata.tables[table].columns)
    return int(connection.exec_driver_sql(f"DELETE FROM {table} WHERE {wrong}").rowcount)


class Suspicion(AbstractContextManager[None]):
    """A block that reads the database or writes to it. An error that nobody is told of on purpose becomes
    CatalogueDamaged if values of another kind than their column explain it.

    It may be entered any number of times at once. A database that was found to be sound is not searched again before
    it has changed: a function of a user's that fails within the block would search it each time. Where others change it
    all the time, as in a server, the next search waits PAUSE times as long as this one took.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine, self._path = engine, path
        self._sound: FileMarks | None = None
        self._next_search = 0.0

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            self.blame_database(error)

    def blame_database(self, error: BaseException) -> None:
        """Raise CatalogueDamaged from the error if it may come from values that no nearkin has written."""
        is_told = isinstance(error, NearkinError) and not isinstance(error, StoredFileDamaged)
        if isinstance(error, Exception) and not is_told and not isinstance(error, MemoryError):
            faults = self._find_faults()
            if faults:
                more = f", and {len(faults) - SHOWN} faults more" if len(faults) > SHOWN else ""
                raise sqlite.damage_error(self._path, f"{'; '.join(faults[:SHOWN])}{more}") from error

    def _find_faults(self) -> list[str]:
        marks = mark_files(self._path)
        started = time.monotonic()
        if marks == self._sound or started < self._next_search:
            return []
        try:
            with self._engine.connect() as connection:
                faults = find_wrong_values(connection) or sqlite.find_strays(connection)
        except CatalogueDamaged:
            raise
        except NearkinError:  # the disk can't be read, and the like
            return []
        except sa.exc.DBAPIError as error:  # a table is missing
            return [str(error.orig)]
        if not faults:
            self._sound, ended = marks, time.monotonic()
            self._next_search = ended + PAUSE * (ended - started)
        return faults


class NoSuspicion(Suspicion):
    """What stands for a suspicion where a database keeps values of another kind than their column out by itself."""

    def __init__(self) -> None:
        """Suspect nothing."""

    def blame_database(self, error: BaseException) -> None:
        return
