"""The named clusterings that the catalogue keeps: how each was made, its model, and the cluster of each item.

`ClusteringReader` reads one moment of them, `ClusteringWriter` writes. In both, methods that read are named by what
they return.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.rows import read_pairs
from indexers.catalogue.schema import grouping, placed
from indexers.types import ClusteringRow, Ids, ItemClusters

_COLUMNS = [grouping.c[name] for name in ClusteringRow._fields]


class ClusteringReader:
    """Reads clusterings."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).all())

    def rows(self, space_id: int | None = None) -> list[ClusteringRow]:
        """Return all clusterings, or those of one space, by name."""
        query = sa.select(*_COLUMNS).order_by(grouping.c.name)
        if space_id is not None:
            query = query.where(grouping.c.space == space_id)
        return [ClusteringRow(*row) for row in self._all(query)]

    def find(self, name: str) -> ClusteringRow | None:
        """Return the clustering of that name, if there is one."""
        rows = self._all(sa.select(*_COLUMNS).where(grouping.c.name == name))
        return ClusteringRow(*rows[0]) if rows else None

    def versions(self) -> tuple[tuple[int, int], ...]:
        """Return the id of each clustering and how often it was written: different whenever anything has changed."""
        query = sa.select(grouping.c.id, grouping.c.written).order_by(grouping.c.id)
        return tuple((row[0], row[1]) for row in self._all(query))

    def model(self, clustering_id: int) -> bytes:
        """Return the model as `Clusterer.to_bytes` gave it."""
        content: bytes = self._all(sa.select(grouping.c.model).where(grouping.c.id == clustering_id))[0][0]
        return content

    def item_clusters(self, clustering_id: int) -> ItemClusters:
        """Return the cluster of each item that the clustering has assigned, 0 for items in none."""
        columns = placed.c.item, placed.c.cluster, placed.c.since
        rows = sa.select(*columns).where(placed.c.grouping == clustering_id).order_by(placed.c.item).subquery()
        texts = [sa.func.aggregate_strings(sa.cast(column, sa.String), ",") for column in rows.c]
        row = self._all(sa.select(*texts))[0]
        item_ids, cluster_ids, since = (np.fromstring(text or "", dtype=np.int64, sep=",") for text in row)
        order = np.argsort(item_ids, kind="stable")
        return ItemClusters(item_ids[order], cluster_ids[order][:, None], since[order])

    def cluster_ids(self, clustering_id: int, item_ids: Ids) -> Ids:
        """Return the cluster id of each of these items: 0 for an item in no cluster, -1 for one never assigned."""
        by_item: dict[int, int] = {}
        for chunk in split_chunks(item_ids.tolist()):
            query = sa.select(placed.c.item, placed.c.cluster)
            query = query.where(placed.c.grouping == clustering_id, placed.c.item.in_(chunk))
            by_item |= {row[0]: row[1] for row in self._all(query)}
        return np.array([by_item.get(item_id, -1) for item_id in item_ids.tolist()], np.int64)

    def members(self, clustering_id: int, cluster_ids: Sequence[int]) -> tuple[Ids, Ids]:
        """Return the items of these clusters, and the cluster of each: int64 (n,) both."""
        query = sa.select(placed.c.item, placed.c.cluster).where(placed.c.grouping == clustering_id)
        return read_pairs(self._connection, query, placed.c.cluster, cluster_ids)

    def cluster_sizes(self, clustering_id: int) -> dict[int, int]:
        """Return the number of items by cluster id; those in no cluster under 0."""
        query = sa.select(placed.c.cluster, sa.func.count()).where(placed.c.grouping == clustering_id)
        return {row[0]: row[1] for row in self._all(query.group_by(placed.c.cluster))}


class ClusteringWriter(ClusteringReader):
    """Reads and writes clusterings, within a transaction."""

    def put(self, row: ClusteringRow, model: bytes) -> int:
        """Write a clustering, a new one if its `id` is 0, and return its id."""
        values = {**row._asdict(), "model": model}
        if row.id:
            self._connection.execute(sa.update(grouping).where(grouping.c.id == row.id).values(**values))
            return row.id
        del values["id"]
        inserted = self._connection.execute(sa.insert(grouping).values(**values).returning(grouping.c.id))
        return int(inserted.scalar_one())

    def set_position(self, clustering_id: int, position: int) -> None:
        """Note that the members follow that change."""
        values = {"position": position, "written": grouping.c.written + 1}
        self._connection.execute(sa.update(grouping).where(grouping.c.id == clustering_id).values(**values))

    def drop(self, clustering_id: int) -> None:
        """Delete a clustering."""
        self._connection.execute(sa.delete(placed).where(placed.c.grouping == clustering_id))
        self._connection.execute(sa.delete(grouping).where(grouping.c.id == clustering_id))

    def assign(self, clustering_id: int, item_ids: Ids, cluster_ids: NDArray[np.int64], since: int) -> None:
        """Replace the cluster of each of these items, which came into it at change `since`."""
        self.unassign(clustering_id, item_ids)
        rows = [
            {"grouping": clustering_id, "item": item_id, "cluster": cluster_id, "since": since}
            for item_id, cluster_id in zip(item_ids.tolist(), cluster_ids.tolist(), strict=True)
        ]
        if rows:
            self._connection.execute(sa.insert(placed), rows)

    def unassign(self, clustering_id: int, item_ids: Ids) -> None:
        """Forget which clusters these items were in."""
        for chunk in split_chunks(item_ids.tolist()):
            is_chunk = placed.c.item.in_(chunk)
            self._connection.execute(sa.delete(placed).where(placed.c.grouping == clustering_id, is_chunk))
