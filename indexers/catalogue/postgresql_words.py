"""The index of words in PostgreSQL: a tsvector of the tokens, which are given, so that none of its parsers is needed.

It finds what holds the tokens; BM25, for which PostgreSQL keeps no numbers, is computed here, among the CANDIDATES that
its own ranking puts first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.engine import Connection

from indexers.catalogue import postgresql
from indexers.words.tokens import Wanted

CANDIDATES = 2000
"""Items whose scores are computed."""
K1, B = 1.2, 0.75
"""The parameters of BM25, as SQLite has them, and (below) its lowest weight of a word."""
COMMON = 1e-6
MAX_LEXEME, MAX_PLACE, MAX_PLACES, MAX_BYTES = 1000, 16383, 255, 700_000
"""What a tsvector takes, in bytes and numbers: 2,046, 16,383, 255, a million. What is beyond is not found."""
LABELS = "ABC"
"""Of texts, of paths, and of texts in pictures."""

CREATE = """
DROP TABLE IF EXISTS words, words_total;
CREATE TABLE words (
    item BIGINT PRIMARY KEY, body TEXT COLLATE "C" NOT NULL, path TEXT COLLATE "C" NOT NULL,
    seen TEXT COLLATE "C" NOT NULL, length BIGINT NOT NULL, document TSVECTOR NOT NULL
);
CREATE INDEX words_document ON words USING gin (document);
CREATE TABLE words_total (documents BIGINT NOT NULL, length BIGINT NOT NULL);
INSERT INTO words_total VALUES (0, 0)
"""
_words = sa.Table(
    "words",
    sa.MetaData(),
    sa.Column("item", sa.BigInteger),
    *(sa.Column(name, sa.String) for name in ("body", "path", "seen")),
    sa.Column("length", sa.BigInteger),
    sa.Column("document", TSVECTOR),
)
_total = sa.table("words_total", sa.column("documents", sa.BigInteger), sa.column("length", sa.BigInteger))


def create_index(connection: Connection) -> None:
    for statement in CREATE.split(";"):
        connection.exec_driver_sql(statement)


def add_documents(connection: Connection, documents: Sequence[tuple[int, tuple[str, str, str]]]) -> None:
    rows: list[dict[str, Any]] = [
        {
            "item": item_id,
            **dict(zip(("body", "path", "seen"), columns, strict=True)),
            "length": sum(len(column.split()) for column in columns),
            "document": _write_document(columns),
        }
        for item_id, columns in documents
    ]
    postgresql.insert_rows(connection, _words, rows)
    length = sum(int(row["length"]) for row in rows)
    added = {"documents": _total.c.documents + len(rows), "length": _total.c.length + length}
    connection.execute(sa.update(_total).values(added))


def remove_documents(connection: Connection, item_ids: Sequence[int]) -> None:
    query = sa.delete(_words).where(_words.c.item.in_(item_ids)).returning(_words.c.length)
    lengths = connection.execute(query).scalars().all()
    removed = {"documents": _total.c.documents - len(lengths), "length": _total.c.length - sum(lengths)}
    connection.execute(sa.update(_total).values(removed))


def read_documents(connection: Connection, item_ids: Sequence[int]) -> dict[int, tuple[str, str, str]]:
    query = sa.select(_words.c.item, _words.c.body, _words.c.path, _words.c.seen)
    return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(query.where(_words.c.item.in_(item_ids)))}


def erase_removed(connection: Connection) -> None:
    """Do nothing: the space of removed rows is used again once PostgreSQL has cleaned up (VACUUM)."""


def match(
    connection: Connection,
    terms: Sequence[Sequence[Wanted]],
    every: bool,
    limit: int,
    allowed: sa.Select[Any] | None,
    weights: tuple[float, float],
) -> list[tuple[int, float]]:
    labels = "A" + "".join(label for label, weight in zip(LABELS[1:], weights, strict=True) if weight)
    labels = "" if labels == LABELS else labels
    forms = list(dict.fromkeys(form for term in terms for form in term))
    written = {form: _write_phrase(form, labels) for form in forms}
    joined = (" & " if every else " | ").join(f"({' | '.join(written[form] for form in term)})" for term in terms)
    by_column = (1.0, *weights)
    rows = _read_candidates(connection, joined, limit, allowed, by_column)
    if not rows:
        return []
    items, total, *counts = _read_numbers(connection, [written[form] for form in forms])
    scores = [0.0] * len(rows)
    mean = max(total / max(items, 1), 1e-9)
    texts = [[column.split() for column in row[2:]] for row in rows]
    for form, count in zip(forms, counts, strict=True):
        rarity = max(math.log((items - count + 0.5) / (count + 0.5)), COMMON)
        for place, (row, columns) in enumerate(zip(rows, texts, strict=True)):
            held = sum(
                weight * _count(form, tokens) for weight, tokens in zip(by_column, columns, strict=True) if weight
            )
            if held:
                scores[place] += rarity * held * (K1 + 1) / (held + K1 * (1 - B + B * row[1] / mean))
    ranked = sorted(zip(scores, (row[0] for row in rows), strict=True), key=lambda pair: (-pair[0], pair[1]))
    return [(item_id, score) for score, item_id in ranked[:limit]]


def _read_candidates(
    connection: Connection, query: str, limit: int, allowed: sa.Select[Any] | None, weights: tuple[float, ...]
) -> Sequence[Any]:
    wanted = sa.cast(sa.literal(query, sa.String), TSQUERY)
    held = sa.select(_words.c.item, _words.c.length, _words.c.body, _words.c.path, _words.c.seen)
    held = held.where(_words.c.document.op("@@")(wanted))
    if allowed is not None:
        held = held.where(_words.c.item.in_(allowed))
    by_label = [0.0, *(weight / max(weights) for weight in reversed(weights))]  # of D, C, B and A, up to 1
    rank = sa.func.ts_rank(sa.cast(by_label, sa.ARRAY(sa.REAL)), _words.c.document, wanted)
    return connection.execute(held.order_by(rank.desc(), _words.c.item).limit(max(CANDIDATES, limit))).all()


def _read_numbers(connection: Connection, phrases: Sequence[str]) -> Sequence[int]:
    """Return the number of items, that of their tokens, and the number of items that hold each phrase."""
    counts = [
        sa.select(sa.func.count())
        .where(_words.c.document.op("@@")(sa.cast(sa.literal(phrase, sa.String), TSQUERY)))
        .scalar_subquery()
        for phrase in phrases
    ]
    row: Sequence[int] = connection.execute(sa.select(_total.c.documents, _total.c.length, *counts)).one()
    return row


def _count(form: Wanted, tokens: Sequence[str]) -> int:
    """Return how often a phrase stands in a text."""
    *before, last = form.tokens
    if not before:
        return sum(token.startswith(last) for token in tokens) if form.is_prefix else tokens.count(last)
    width = len(form.tokens)
    return sum(
        tokens[place - width + 1 : place] == before
        for place, token in enumerate(tokens)
        if (token.startswith(last) if form.is_prefix else token == last) and place >= width - 1
    )


def _write_document(columns: Iterable[str]) -> str:
    """Return the tsvector of three texts, as text; a phrase never reaches from one into the next."""
    places: dict[str, list[str]] = {}
    number = size = 0
    for label, column in zip(LABELS, columns, strict=True):
        for token in column.split():
            number = min(number + 1, MAX_PLACE)
            held = places.get(token)
            if held is None:
                size += len(token.encode()) + 8
                if size > MAX_BYTES:
                    continue
                held = places[token] = []
            if len(held) < MAX_PLACES:
                size += 2
                held.append(f"{number}{label}")
        number = min(number + 1, MAX_PLACE)
    return " ".join(f"{_quote(token)}:{','.join(held)}" for token, held in places.items())


def _write_phrase(form: Wanted, labels: str) -> str:
    tokens = [f"{_quote(token)}:{labels}" if labels else _quote(token) for token in form.tokens]
    if form.is_prefix:
        tokens[-1] += "*" if labels else ":*"
    return f"({' <-> '.join(tokens)})"


def _quote(token: str) -> str:
    """Return a token as PostgreSQL reads it; one that is too long by its beginning and its hash."""
    if len(token.encode()) > MAX_LEXEME:
        token = f"{token[:100]}#{blake2b(token.encode(), digest_size=16).hexdigest()}"
    doubled = token.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
