"""The index of words in SQLite: its own (FTS5), which is given tokens and has nothing to fold, split or stem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue import sqlite
from indexers.words.tokens import Wanted

TABLE = "words"
CREATE_TABLE = f"CREATE VIRTUAL TABLE {TABLE} USING fts5(body, path, seen, tokenize = 'ascii tokenchars ''@''')"
_words = sa.table(
    TABLE,
    sa.column("rowid", sa.Integer),
    sa.column("body", sa.String),
    sa.column("path", sa.String),
    sa.column("seen", sa.String),
    sa.column("rank", sa.Float),
)
_matches = sa.literal_column(TABLE).op("MATCH")(sa.bindparam("expression", type_=sa.String))
_BEST = (
    sa.select(_words.c.rowid, _words.c.rank)
    .where(_matches, _words.c.rank.op("MATCH")(sa.bindparam("weights", type_=sa.String)))
    .order_by(_words.c.rank, _words.c.rowid)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_FIRST = (
    sa.select(_words.c.rowid).where(_matches).order_by(_words.c.rowid).limit(sa.bindparam("limit", type_=sa.Integer))
)
_COUNT_SOME = sa.select(sa.func.count()).select_from(
    sa.select(_words.c.rowid).where(_matches).limit(sa.bindparam("limit", type_=sa.Integer)).subquery()
)
_LAST = sa.select(sa.func.max(_words.c.rowid))
MANY = 10_000
"""Matches that are ranked however common the words are: a thousand take .7 ms."""


def create_index(connection: Connection) -> None:
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {TABLE}")
    connection.exec_driver_sql(CREATE_TABLE)


def add_documents(connection: Connection, documents: Sequence[tuple[int, tuple[str, str, str]]]) -> None:
    names = ("rowid", "body", "path", "seen")
    rows = [dict(zip(names, (item_id, *columns), strict=True)) for item_id, columns in documents]
    connection.execute(sa.insert(_words), rows)


def remove_documents(connection: Connection, item_ids: Sequence[int]) -> None:
    connection.execute(sa.delete(_words).where(_words.c.rowid.in_(item_ids)))


def read_documents(connection: Connection, item_ids: Sequence[int]) -> dict[int, tuple[str, str, str]]:
    columns = _words.c.rowid, _words.c.body, _words.c.path, _words.c.seen
    rows = connection.execute(sa.select(*columns).where(_words.c.rowid.in_(item_ids)))
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def erase_removed(connection: Connection) -> None:
    """Write the index anew without what was removed, of which it otherwise keeps the words for a while."""
    connection.exec_driver_sql(f"INSERT INTO {TABLE}({TABLE}) VALUES ('optimize')")


def match(
    connection: Connection,
    terms: Sequence[Sequence[Wanted]],
    every: bool,
    limit: int,
    allowed: sa.Select[Any] | None,
    weights: tuple[float, float],
) -> list[tuple[int, float]]:
    asking = _Asking(connection, allowed, weights)
    written = list(map(_write_term, terms))
    expression = (" AND " if every else " OR ").join(written)
    if not asking.is_common(expression):
        return asking.rank(expression, limit)
    rare = [] if every else [term for term in written if not asking.is_common(term)]
    best = asking.rank(" OR ".join(rare), limit) if rare else []
    seen = {item_id for item_id, _ in best}
    rest = [item_id for item_id in asking.list_first(expression, limit + len(best)) if item_id not in seen]
    return [*best, *((item_id, 0.0) for item_id in rest)][:limit]


class _Asking:
    """What is asked of the index: among which items, and in which columns."""

    def __init__(self, connection: Connection, allowed: sa.Select[Any] | None, weights: tuple[float, float]) -> None:
        self._connection, self._allowed, self._weights = connection, allowed, weights
        columns = " ".join(["body", *(name for name, weight in zip(("path", "seen"), weights, strict=True) if weight)])
        self._columns = "" if all(weights) else f"{{{columns}}} : "

    def is_common(self, expression: str) -> bool:
        """Return True if so many items match, and more than half of all, that BM25 gives the words no weight."""
        if self._count(expression, MANY + 1) <= MANY:
            return False
        [[last]] = sqlite.fetch_all(self._connection, _LAST)  # the number of items or, where some are gone, more
        half = int(last) // 2
        return self._count(expression, half + 1) > half

    def _count(self, expression: str, limit: int) -> int:
        values = {"expression": f"{self._columns}({expression})", "limit": limit}
        return int(sqlite.fetch_all(self._connection, _COUNT_SOME, **values)[0][0])

    def rank(self, expression: str, limit: int) -> list[tuple[int, float]]:
        """Return the items that match, with their scores, best first."""
        values = {
            "expression": f"{self._columns}({expression})",
            "weights": f"bm25(1.0, {float(self._weights[0])!r}, {float(self._weights[1])!r})",
            "limit": limit,
        }
        return [(row[0], -row[1]) for row in self._fetch(_BEST, values)]

    def list_first(self, expression: str, limit: int) -> list[int]:
        """Return the first items that match, by id."""
        values = {"expression": f"{self._columns}({expression})", "limit": limit}
        return [row[0] for row in self._fetch(_FIRST, values)]

    def _fetch(self, query: sa.Select[Any], values: dict[str, Any]) -> list[Any]:
        if self._allowed is None:
            return sqlite.fetch_all(self._connection, query, **values)
        return list(self._connection.execute(query.where(_words.c.rowid.in_(self._allowed)), values))


def _write_term(forms: Sequence[Wanted]) -> str:
    """Return a term in the language of FTS5: its words one after the other, in any of the languages of texts."""
    written = [f'"{" ".join(form.tokens)}"{" *" * form.is_prefix}' for form in forms]
    return written[0] if len(written) == 1 else f"({' OR '.join(written)})"
