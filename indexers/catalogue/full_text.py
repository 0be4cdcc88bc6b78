"""The inverted index over what items say of themselves, their text and their metadata: SQLite's own (FTS5).

It is written in the transaction that changes the item. Words are compared by their stems in English, without accents
and case: `cats` finds `Cat`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue.metadata import APART
from indexers.errors import BadQuery
from indexers.types import Json

TABLE = "words"
LAY = f"CREATE VIRTUAL TABLE {TABLE} USING fts5(body, tokenize = 'porter unicode61 remove_diacritics 2')"
_words = sa.table(TABLE, sa.column("rowid", sa.Integer), sa.column("body", sa.String), sa.column("rank", sa.Float))


def include_object(thing: Any, name: str | None, kind: str, reflected: bool, compared_to: Any) -> bool:
    """For Alembic: the index and the tables that SQLite keeps it in are not the schema's."""
    return kind != "table" or str(name).split("_")[0] != TABLE


def body(text: str | None, metadata: Json) -> str:
    """What can be found of an item: its text, and the texts and numbers of its metadata, one a line."""
    return "\n".join([*([] if text is None else [text]), *_values(metadata)])


def _values(metadata: Json | list[Any]) -> Iterator[str]:
    if isinstance(metadata, dict):
        metadata = [value for key, value in metadata.items() if key != APART]
    for value in metadata:
        if isinstance(value, dict | list):
            yield from _values(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield str(value)


def put(connection: Connection, bodies: Iterable[tuple[int, str]]) -> None:
    """Enter items that are not there; those that say nothing are left out."""
    rows = [{"rowid": one, "body": said} for one, said in bodies if said]
    if rows:
        connection.execute(sa.insert(_words), rows)


def forget(connection: Connection, ids: Sequence[int]) -> None:
    connection.execute(sa.delete(_words).where(_words.c.rowid.in_(ids)))


def bodies(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """What is entered of these items."""
    rows = connection.execute(sa.select(_words.c.rowid, _words.c.body).where(_words.c.rowid.in_(ids)))
    return {row[0]: row[1] for row in rows}


def find(connection: Connection, asked: str, limit: int, among: sa.Select[Any] | None) -> list[tuple[int, float]]:
    """Items that say all of the words (or, if none does, any of them), best first, with their scores (BM25, Robertson
    and Zaragoza, 2009: larger is better). `"..."` is a phrase. Raises BadQuery if there is no word in it."""
    parts = terms(asked)
    return _match(connection, " ".join(parts), limit, among) or _match(connection, " OR ".join(parts), limit, among)


def terms(asked: str) -> list[str]:
    """Phrases and words, quoted: nothing in them is an operator."""
    found = [phrase or word for phrase, word in re.findall(r'"([^"]*)"|([^\s"]+)', asked)]
    quoted = [f'"{term}"' for term in found if any(letter.isalnum() for letter in term)]
    if not quoted:
        raise BadQuery(f"there is no word to search for in {asked!r}")
    return quoted


def _match(
    connection: Connection, expression: str, limit: int, among: sa.Select[Any] | None
) -> list[tuple[int, float]]:
    query = sa.select(_words.c.rowid, _words.c.rank).where(sa.literal_column(TABLE).op("MATCH")(expression))
    if among is not None:
        query = query.where(_words.c.rowid.in_(among))
    rows = connection.execute(query.order_by(_words.c.rank, _words.c.rowid).limit(limit))
    return [(row[0], -row[1]) for row in rows]
