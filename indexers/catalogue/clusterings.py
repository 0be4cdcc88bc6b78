"""What the catalogue keeps of clusterings by name: how each was made, what it has learned, and who is in which cluster.

`ClusteringReader` reads one moment of it, `ClusteringWriter` writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexers.catalogue.schema import grouping, placed
from indexers.types import ClusteringRow, Ids, ItemClusters

CHUNK = 1000
_COLUMNS = [grouping.c[name] for name in ClusteringRow._fields]


class ClusteringReader:
    """Reads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).all())

    def rows(self, space: int | None = None) -> list[ClusteringRow]:
        """All of them (of one space), by name."""
        query = sa.select(*_COLUMNS).order_by(grouping.c.name)
        if space is not None:
            query = query.where(grouping.c.space == space)
        return [ClusteringRow(*row) for row in self._all(query)]

    def named(self, name: str) -> ClusteringRow | None:
        """The one of that name."""
        return next(
            (ClusteringRow(*row) for row in self._all(sa.select(*_COLUMNS).where(grouping.c.name == name))), None
        )

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """Another one whenever anything about them has changed."""
        query = sa.select(grouping.c.id, grouping.c.written).order_by(grouping.c.id)
        return tuple((row[0], row[1]) for row in self._all(query))

    def model(self, one: int) -> bytes:
        """What it has learned, as `Clusterer.to_bytes` gave it."""
        found: bytes = self._all(sa.select(grouping.c.model).where(grouping.c.id == one))[0][0]
        return found

    def membership(self, one: int) -> ItemClusters:
        """All items that have a place in it."""
        columns = placed.c.item, placed.c.cluster, placed.c.since
        inner = sa.select(*columns).where(placed.c.grouping == one).order_by(placed.c.item).subquery()
        texts = [sa.func.aggregate_strings(sa.cast(column, sa.String), ",") for column in inner.c]
        row = self._all(sa.select(*texts))[0]
        item, label, since = (np.fromstring(text or "", dtype=np.int64, sep=",") for text in row)
        order = np.argsort(item, kind="stable")
        return ItemClusters(item[order], label[order][:, None], since[order])

    def labels(self, one: int, items: Ids) -> Ids:
        """The cluster of each of these items; -1 for one that has no place."""
        known: dict[int, int] = {}
        for start in range(0, len(items), CHUNK):
            wanted = placed.c.item.in_(items[start : start + CHUNK].tolist())
            query = sa.select(placed.c.item, placed.c.cluster).where(placed.c.grouping == one, wanted)
            known |= {row[0]: row[1] for row in self._all(query)}
        return np.array([known.get(item, -1) for item in items.tolist()], np.int64)

    def sizes(self, one: int) -> dict[int, int]:
        """Items by cluster, 0: loose."""
        query = sa.select(placed.c.cluster, sa.func.count()).where(placed.c.grouping == one)
        return {row[0]: row[1] for row in self._all(query.group_by(placed.c.cluster))}


class ClusteringWriter(ClusteringReader):
    """Reads and writes; within a transaction."""

    def put(self, found: ClusteringRow, model: bytes) -> int:
        """Keep it; `id` 0 makes a new one. Its id."""
        values = {**found._asdict(), "model": model}
        if found.id:
            self._connection.execute(sa.update(grouping).where(grouping.c.id == found.id).values(**values))
            return found.id
        del values["id"]
        made = self._connection.execute(sa.insert(grouping).values(**values).returning(grouping.c.id))
        return int(made.scalar_one())

    def follow(self, one: int, position: int) -> None:
        """Its members are as of that change."""
        values = {"position": position, "written": grouping.c.written + 1}
        self._connection.execute(sa.update(grouping).where(grouping.c.id == one).values(**values))

    def drop(self, one: int) -> None:
        self._connection.execute(sa.delete(placed).where(placed.c.grouping == one))
        self._connection.execute(sa.delete(grouping).where(grouping.c.id == one))

    def place(self, one: int, items: Ids, clusters: NDArray[np.int64], since: int) -> None:
        """Write the cluster of each of these items, into which it came at change `since`."""
        self.displace(one, items)
        rows = [
            {"grouping": one, "item": item, "cluster": cluster, "since": since}
            for item, cluster in zip(items.tolist(), clusters.tolist(), strict=True)
        ]
        if rows:
            self._connection.execute(sa.insert(placed), rows)

    def displace(self, one: int, items: Ids) -> None:
        """These items have no place in it any more."""
        for start in range(0, len(items), CHUNK):
            part: Sequence[int] = items[start : start + CHUNK].tolist()
            self._connection.execute(sa.delete(placed).where(placed.c.grouping == one, placed.c.item.in_(part)))
