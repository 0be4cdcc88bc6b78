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
_BEST = (
    sa.select(_words.c.rowid, _words.c.rank)
    .where(
        sa.literal_column(TABLE).op("MATCH")(sa.bindparam("expression", type_=sa.String)),
        _words.c.rank.op("MATCH")(sa.bindparam("weights", type_=sa.String)),
    )
    .order_by(_words.c.rank, _words.c.rowid)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


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
    expression = (" AND " if every else " OR ").join(map(_write_term, terms))
    columns = " ".join(["body", *(name for name, weight in zip(("path", "seen"), weights, strict=True) if weight)])
    values = {
        "expression": f"({expression})" if all(weights) else f"{{{columns}}} : ({expression})",
        "weights": f"bm25(1.0, {float(weights[0])!r}, {float(weights[1])!r})",
        "limit": limit,
    }
    if allowed is None:
        rows = sqlite.fetch_all(connection, _BEST, **values)
    else:
        rows = list(connection.execute(_BEST.where(_words.c.rowid.in_(allowed)), values))
    return [(row[0], -row[1]) for row in rows]


def _write_term(forms: Sequence[Wanted]) -> str:
    """Return a term in the language of FTS5: its words one after the other, in any of the languages of texts."""
    written = [f'"{" ".join(form.tokens)}"{" *" * form.is_prefix}' for form in forms]
    return written[0] if len(written) == 1 else f"({' OR '.join(written)})"
