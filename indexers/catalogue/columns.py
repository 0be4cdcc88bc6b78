"""What all tables share: their metadata, with the names of constraints, and the kinds of columns that several have."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from indexers.catalogue.column_types import Integer

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def json_column(name: str, kind: str, server_default: str | None = None, **info: str) -> sa.Column[Any]:
    """Return a column of JSON, of the kind that SQLite calls "object", "array" ...; lists: the table of listed ids."""
    return sa.Column(name, sa.JSON, nullable=False, server_default=server_default, info={"kind": kind, **info})


def cluster_column(name: str) -> sa.Column[int]:
    """Return a column of the ids of clusters, or 0 for none."""
    return sa.Column(name, Integer, nullable=False, info={"refers": "cluster"})


def item_column() -> sa.Column[int]:
    """Return a column of items; a row goes with its item."""
    return sa.Column("item", Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), nullable=False, index=True)
