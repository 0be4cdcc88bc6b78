"""How the SQL of databases differs: what each kind of database offers, under the same names, in a module of its own.

Everything else is written once, in SQLAlchemy's language and with the functions of `expressions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue import sqlite, sqlite_words
from indexers.errors import CatalogueDamaged
from indexers.words.tokens import Wanted


class Dialect(Protocol):
    """What a kind of database does in its own way."""

    def create_tables(self, connection: Connection, metadata: sa.MetaData) -> None:
        """Create the tables and their indexes, and whatever functions of its own the database needs."""

    def fetch_all(self, connection: Connection, statement: sa.Select[Any], **values: Any) -> list[Any]:
        """Return the rows of a statement, which a module holds, as the driver gives them."""

    def insert_rows(self, connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert many rows, all with the same columns."""

    def insert_new(self, connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Insert many rows, all with the same columns, and return the ids that they are given, in that order."""

    def upsert_rows(
        self, connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]
    ) -> None:
        """Insert many rows, all with the same columns; one with the same `key` as an earlier row takes its place."""

    def read_clock(self, connection: Connection) -> int:
        """Return the database's time in microseconds since 1970."""

    def read_last_ids(self, connection: Connection) -> dict[str, int]:
        """Return by table the last id that was given, also to a row that is gone."""

    def reserve_ids(self, connection: Connection, table: str, count: int) -> list[int]:
        """Take `count` new ids of a table, and return them, sorted: no new row will have them."""

    def continue_ids(self, connection: Connection, last: Mapping[str, int]) -> None:
        """Let new ids be above these, by table, and above all there are."""

    def explain_damage(self, connection: Connection, reason: str) -> CatalogueDamaged:
        """Return the error that tells what to do about a database that holds what no nearkin has written."""


class WordIndex(Protocol):
    """An inverted index of the tokens of items, in three columns: of texts, of paths, and of texts in pictures."""

    def create_index(self, connection: Connection) -> None:
        """Create the index, which holds nothing, in the place of an earlier one."""

    def add_documents(self, connection: Connection, documents: Sequence[tuple[int, tuple[str, str, str]]]) -> None:
        """Add items that the index does not hold yet."""

    def remove_documents(self, connection: Connection, item_ids: Sequence[int]) -> None:
        """Remove items."""

    def read_documents(self, connection: Connection, item_ids: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        """Return by id what the index holds of these items."""

    def erase_removed(self, connection: Connection) -> None:
        """Leave no word of removed items behind."""

    def match(
        self,
        connection: Connection,
        terms: Sequence[Sequence[Wanted]],
        every: bool,
        limit: int,
        allowed: sa.Select[Any] | None,
        weights: tuple[float, float],
    ) -> list[tuple[int, float]]:
        """Return up to `limit` items that hold every term, or any: pairs of id and BM25 score, best first, then by id.

        terms: of each what it may look like. allowed: a select of the ids of the items that may answer. weights: what a
        token in a path and in a picture counts, beside 1 in a text; with 0 it does not count as held.
        """


def find(connection: Connection) -> Dialect:
    """Return the dialect of a connection."""
    return _load_postgresql()[0] if connection.dialect.name == "postgresql" else sqlite


def find_words(connection: Connection) -> WordIndex:
    """Return the index of words of the database behind a connection."""
    return _load_postgresql()[1] if connection.dialect.name == "postgresql" else sqlite_words


@cache
def _load_postgresql() -> tuple[Dialect, WordIndex]:
    from indexers.catalogue import postgresql, postgresql_words  # of use to few

    return postgresql, postgresql_words


def fetch_all(connection: Connection, statement: sa.Select[Any], **values: Any) -> list[Any]:
    """Return the rows of a statement as the driver gives them. Raises what the same statement through SQLAlchemy does.

    For what every search reads: SQLAlchemy's own work around such a statement takes longer than the statement. A
    statement is compiled once and kept, so it is one that a module holds; its parameters are given by name.
    """
    return find(connection).fetch_all(connection, statement, **values)


def damage_error(connection: Connection, reason: str) -> CatalogueDamaged:
    """Return the error of a database that holds what no nearkin has written."""
    return find(connection).explain_damage(connection, reason)
