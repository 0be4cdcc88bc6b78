"""The tables of parts: what finders found in pictures, with the vectors of each part.

A part has an id of the same sequence as items, so that none is ever taken for an item. The vectors of one kind of parts
lie in a space of their own, as those of items do: whatever follows a space follows it too.
"""

from __future__ import annotations

import sqlalchemy as sa

from indexers.catalogue.column_types import Integer, Text
from indexers.catalogue.columns import item_column, metadata

part = sa.Table(
    "part",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=False),
    item_column(),
    sa.Column("kind", Text, nullable=False),
    sa.Column("x", Integer),
    sa.Column("y", Integer),
    sa.Column("width", Integer),
    sa.Column("height", Integer),
    sa.Column("mask", Text),
    sa.Column("page", Integer),
    sa.Column("start_seconds", sa.Float),
    sa.Column("end_seconds", sa.Float),
    sa.Column("score", sa.Float),
    sa.Column("text", Text),
    comment="something in a picture: its box in pixels of the upright picture, the run lengths of its mask in the box, "
    "its page or its time in a film, the finder's score, its text",
)

part_vector = sa.Table(
    "part_vector",
    metadata,
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("part", Integer, sa.ForeignKey("part.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    comment="the vectors of parts: float32, little-endian, as the embedder gave them",
)

finding = sa.Table(
    "finding",
    metadata,
    sa.Column("item", Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("kind", Text, primary_key=True),
    sa.Column("finder", Text, nullable=False),
    sa.Column("version", Text, nullable=False),
    sa.Column("content", sa.LargeBinary(20), nullable=False),
    sa.Column("problem", Text),
    comment="the finder that has looked for parts of a kind in the picture of an item with that content, or why "
    "it could not",
)

trash_part_vector = sa.Table(
    "trash_part_vector",
    metadata,
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("part", Integer, primary_key=True, autoincrement=False),
    sa.Column("item", Integer, sa.ForeignKey("trash.item", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    comment="the vectors of the parts of removed items",
)
