"""The tables of what people decide: of duplicates, stacks, clusters and what items are; and of what awaits it."""

from __future__ import annotations

import sqlalchemy as sa

from indexers.catalogue.column_types import Integer, Text
from indexers.catalogue.columns import json_column, metadata

decision = sa.Table(
    "decision",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("what", Text, nullable=False),
    sa.Column("first", sa.LargeBinary(20), nullable=False, index=True),
    sa.Column("second", sa.LargeBinary(20), nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("undone", sa.BigInteger),
    sqlite_autoincrement=True,
    comment="what a person said of two pictures, by content hash: not duplicates, keep both, or keep the first one; "
    "of one, that it is the cover of its stack, or took over what others said, in `merging`; of clusters, in "
    "`correction`; or of what items are, in `label`",
)

merging = sa.Table(
    "merging",
    metadata,
    sa.Column("decision", Integer, sa.ForeignKey("decision.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("item", Integer, nullable=False, index=True),
    json_column("others", "array"),
    json_column("before", "object"),
    json_column("after", "object"),
    json_column("applied", "object"),
    json_column("decisions", "array"),
    sa.Column("moves", Text, index=True),
    comment="what an item has taken over from others: its values before and after, under keys that begin with $ its "
    "text and date; those that were its files' (`applied`); the decisions that are undone with it; and the name of the "
    "moves that it belongs to, which stands in their manifest",
)

correction = sa.Table(
    "correction",
    metadata,
    sa.Column("decision", Integer, sa.ForeignKey("decision.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", Text, nullable=False),
    sa.Column("level", Text, nullable=False),
    json_column("groups", "array"),
    json_column("clusters", "array"),
    json_column("before", "array"),
    comment="what a person said of clusters, by items in groups, and the clusters of each level that these were in "
    "before; its decision says when, and whether it was undone",
)

proposal = sa.Table(
    "proposal",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("kind", Text, nullable=False),
    json_column("content", "object"),
    sa.Column("reason", Text, nullable=False),
    sa.Column("source", Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("state", Text, nullable=False, index=True),
    sa.Column("decided", sa.BigInteger),
    json_column("decisions", "array"),
    sqlite_autoincrement=True,
    comment="what a program (`source`) proposes, which nothing comes of until a person accepts it: open, accepted or "
    "rejected; the decisions that were made of it",
)

lesson = sa.Table(
    "lesson",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("method", Text, nullable=False),
    json_column("settings", "object"),
    sa.Column("source", Text),
    sa.Column("chosen", Text),
    sa.Column("at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
    comment="what the collection learns to tell apart: the classifier, the metadata key, level or folders that its "
    "labels come from beside `label`, and the method that cross-validation has chosen",
)

label = sa.Table(
    "label",
    metadata,
    sa.Column("decision", Integer, sa.ForeignKey("decision.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("item", Integer, primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary(20)),
    sa.Column("lesson", Text, nullable=False, index=True),
    sa.Column("value", Text, nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
    comment="what a person said that an item is, or is not, in a lesson of that name; by its id, and by the hash of "
    "its content, so that it holds for the same picture when it is added again",
)
