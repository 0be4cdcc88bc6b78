"""The tables of work that any number of processes share, and of those that do it."""

from __future__ import annotations

import sqlalchemy as sa

from indexers.catalogue.column_types import Integer, Text
from indexers.catalogue.columns import json_column, metadata

work = sa.Table(
    "work",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("kind", Text, nullable=False),
    sa.Column("target", Text, nullable=False),
    json_column("data", "object"),
    sa.Column("state", Text, nullable=False),
    sa.Column("attempts", Integer, nullable=False),
    sa.Column("worker", Integer),
    sa.Column("until", sa.BigInteger),
    sa.Column("error", Text),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("kind", "target"),
    sa.Index(None, "state", "attempts", "id"),
    sqlite_autoincrement=True,
    comment="what is to be done: a kind of work, and with what (a URI, the id of an item); waiting, or running until "
    "its lease ends, or failed; what is done is deleted. `at`: when it was queued last",
)

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("name", Text, nullable=False),
    json_column("kinds", "array"),
    sa.Column("begun", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("ended", sa.BigInteger),
    sa.Column("done", Integer, nullable=False),
    sa.Column("failed", Integer, nullable=False),
    sa.Column("rate", sa.Float, nullable=False),
    sqlite_autoincrement=True,
    comment="processes that do work: one that has not ended and is silent after `until` is dead; `rate`: rows a second",
)
