"""The inverted index over the text and metadata of items: SQLite's own (FTS5).

It is written in the transaction that changes the item. Words are compared by their English stems, without accents and
case: `cats` finds `Cat`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue.metadata import OPAQUE_KEY, is_text
from indexers.errors import BadQuery
from indexers.types import Ids, Json

TABLE = "words"
CREATE_TABLE = f"CREATE VIRTUAL TABLE {TABLE} USING fts5(body, tokenize = 'porter unicode61 remove_diacritics 2')"
MAX_TERMS = 1000
"""Words and phrases in a query, at most."""
_words = sa.table(TABLE, sa.column("rowid", sa.Integer), sa.column("body", sa.String), sa.column("rank", sa.Float))


def include_object(schema_object: Any, name: str | None, kind: str, reflected: bool, compared_to: Any) -> bool:
    """Tell Alembic whether an object belongs to the schema: not the index, nor the tables that SQLite keeps it in."""
    return kind != "table" or str(name).split("_")[0] != TABLE


def build_text(text: str | None, metadata: Json) -> str:
    """Return what can be found of an item: its text, and the texts and numbers of its metadata, one a line."""
    return "\n".join([*([] if text is None else [text]), *_list_values(metadata)])


def _list_values(metadata: Json | list[Any]) -> Iterator[str]:
    if isinstance(metadata, dict):
        metadata = [value for key, value in metadata.items() if key != OPAQUE_KEY]
    for value in metadata:
        if isinstance(value, dict | list):
            yield from _list_values(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield str(value)


def add_texts(connection: Connection, texts: Iterable[tuple[int, str]]) -> None:
    """Add the texts of items that the index does not hold yet; empty texts are left out."""
    rows = [{"rowid": item_id, "body": text} for item_id, text in texts if text]
    if rows:
        connection.execute(sa.insert(_words), rows)


def remove_texts(connection: Connection, item_ids: Sequence[int]) -> None:
    """Remove items from the index."""
    connection.execute(sa.delete(_words).where(_words.c.rowid.in_(item_ids)))


def read_texts(connection: Connection, item_ids: Sequence[int]) -> dict[int, str]:
    """Return by id the texts that the index holds of these items."""
    rows = connection.execute(sa.select(_words.c.rowid, _words.c.body).where(_words.c.rowid.in_(item_ids)))
    return {row[0]: row[1] for row in rows}


def search(connection: Connection, words: str, limit: int, allowed: sa.Select[Any] | None) -> list[tuple[int, float]]:
    """Return the items that hold all of the words or, if no item does, any of them: pairs of id and score, best first.

    Scores are BM25 (Robertson and Zaragoza, 2009): larger is better. `"..."` is a phrase. `allowed` selects the ids of
    the items that may answer. Raises BadQuery if there is no word to search for.
    """
    terms = parse_terms(words)
    return _match(connection, " ".join(terms), limit, allowed) or _match(connection, " OR ".join(terms), limit, allowed)


def select_listed(item_ids: Ids) -> sa.Select[Any]:
    """Return a select of these ids, however many they are: they travel as one text."""
    listed = sa.func.json_each("[" + ",".join(map(str, item_ids.tolist())) + "]").table_valued("value")
    return sa.select(listed.c.value)


def parse_terms(words: str) -> list[str]:
    """Return the phrases and words, each quoted, so that none is an operator.

    Raises BadQuery if there is none, if there are too many, or if one is no text.
    """
    if not is_text(words):
        raise BadQuery(f"the words {words[:100]!r} hold NUL or half a surrogate pair, which no text here has")
    terms = [phrase or word for phrase, word in re.findall(r'"([^"]*)"|([^\s"]+)', words)]
    quoted = [f'"{term}"' for term in terms if any(letter.isalnum() for letter in term)]
    if not quoted:
        raise BadQuery(f"there is no word to search for in {words[:100]!r}")
    if len(quoted) > MAX_TERMS:
        raise BadQuery(f"a query has up to {MAX_TERMS:,} words and phrases; got {len(quoted):,}")
    return quoted


def _match(
    connection: Connection, expression: str, limit: int, allowed: sa.Select[Any] | None
) -> list[tuple[int, float]]:
    query = sa.select(_words.c.rowid, _words.c.rank).where(sa.literal_column(TABLE).op("MATCH")(expression))
    if allowed is not None:
        query = query.where(_words.c.rowid.in_(allowed))
    rows = connection.execute(query.order_by(_words.c.rank, _words.c.rowid).limit(limit))
    return [(row[0], -row[1]) for row in rows]
