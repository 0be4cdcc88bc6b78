"""What the catalogue remembers of clusters and partitions: what can't be made again from vectors.

Public ids with their members, names, events, the similarities at which levels cut, centroids. `ClusterReader` reads one
moment of it, `ClusterWriter` writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexers.catalogue.schema import cluster, clustering, event, member, partitioning
from indexers.types import LEVELS, ClusterEventRow, ClusterRow, Ids, ItemClusters, TreeLevels

CHUNK = 1000
_LABELS = [member.c[level] for level in LEVELS]
_PATHS = sa.select(member.c.item, *_LABELS).where(
    member.c.space == sa.bindparam("space"), member.c.item.in_(sa.bindparam("wanted", expanding=True))
)
_CLUSTERING = sa.select(clustering).where(clustering.c.space == sa.bindparam("space"))


class ClusterReader:
    """Reads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, statement: sa.Executable, values: Any = None) -> list[Any]:
        return list(self._connection.execute(statement, values).all())

    def clustering(self, space: int) -> TreeLevels | None:
        """None: the space has no clusters yet."""
        for row in self._all(_CLUSTERING, {"space": space}):
            return TreeLevels(row.position, (row.coarse, row.medium, row.fine), row.items, row.since)
        return None

    def clustered(self) -> list[int]:
        """The spaces that have clusters, the one whose clusters are newest first."""
        query = sa.select(clustering.c.space).order_by(clustering.c.position.desc(), clustering.c.space)
        return [row[0] for row in self._all(query)]

    def membership(self, space: int) -> ItemClusters:
        """All items that have a place, those included that were removed since."""
        columns = (member.c.item, *_LABELS, member.c.since)
        inner = sa.select(*columns).where(member.c.space == space).order_by(member.c.item).subquery()
        # long texts instead of a row an item: several times faster for 100,000
        texts = [sa.func.aggregate_strings(sa.cast(column, sa.String), ",") for column in inner.c]
        row = self._all(sa.select(*texts))[0]
        item, *labels, since = (np.fromstring(text or "", dtype=np.int64, sep=",") for text in row)
        order = np.argsort(item, kind="stable")
        return ItemClusters(item[order], np.stack(labels, axis=1)[order], since[order])

    def labels(self, space: int, items: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """The clusters of these items, coarse to fine, 0 where they are loose."""
        found: dict[int, tuple[int, ...]] = {}
        for part in _parts(items):
            found |= {row[0]: tuple(row[1:]) for row in self._all(_PATHS, {"space": space, "wanted": part})}
        return found

    def rows(self, ids: Iterable[int]) -> dict[int, ClusterRow]:
        """What is known of clusters, living or not."""
        found: dict[int, ClusterRow] = {}
        for part in _parts(list(ids)):
            for row in self._all(sa.select(cluster).where(cluster.c.id.in_(part))):
                found[row.id] = ClusterRow(row.id, row.level, row.name, row.given, row.born)
        return found

    def find_named(self, name: str) -> list[int]:
        """Return the ids of all clusters of that name, living or not."""
        return [
            row.id for row in self._all(sa.select(cluster.c.id).where(cluster.c.name == name).order_by(cluster.c.id))
        ]

    def events(self, since: int, space: int) -> list[ClusterEventRow]:
        """What happened after change `since`, in order."""
        query = sa.select(event).where(event.c.change > since, event.c.space == space).order_by(event.c.id)
        return [
            ClusterEventRow(
                row.cluster, row.level, row.what, tuple(row.others), row.gained, row.lost, row.size, row.change
            )
            for row in self._all(query)
        ]

    def partitioned(self, space: int) -> int:
        """How far the partitions of a space are; 0: there are none."""
        rows = self._all(sa.select(partitioning.c.position).where(partitioning.c.space == space))
        return rows[0][0] if rows else 0

    def partitions(self, space: int) -> tuple[int, bytes] | None:
        """How far the partitions of a space are, and their state."""
        query = sa.select(partitioning.c.position, partitioning.c.state).where(partitioning.c.space == space)
        rows = self._all(query)
        return (rows[0][0], rows[0][1]) if rows else None


class ClusterWriter(ClusterReader):
    """Reads and writes; within a transaction."""

    def _do(self, statement: sa.Executable, rows: Sequence[dict[str, Any]] | None = None) -> None:
        if rows is None or rows:
            self._connection.execute(statement, rows)

    def set_clustering(self, space: int, found: TreeLevels) -> None:
        self._do(sa.delete(clustering).where(clustering.c.space == space))
        levels: dict[str, float] = dict(zip(LEVELS, found.levels, strict=True))
        values = {"space": space, "position": found.position, "items": found.item_count, "since": found.since, **levels}
        self._do(sa.insert(clustering).values(**values))

    def first_new(self) -> int:
        """The id that the next new cluster gets; they are never used again."""
        return int(self._all(sa.select(sa.func.coalesce(sa.func.max(cluster.c.id), 0)))[0][0]) + 1

    def add(self, rows: Sequence[ClusterRow]) -> None:
        self._do(
            sa.insert(cluster),
            [
                {"id": row.id, "level": row.level, "name": row.name, "given": row.named_by_person, "born": row.born_at}
                for row in rows
            ],
        )

    def name(self, one: int, name: str | None, given: bool) -> None:
        self._do(sa.update(cluster).where(cluster.c.id == one).values(name=name, given=given))

    def place(self, space: int, items: Ids, labels: NDArray[np.int64], since: Ids) -> None:
        """Write the clusters of these items."""
        self.displace(space, items)
        table = np.column_stack([items, labels, since]).tolist()
        names: tuple[str, ...] = ("item", *LEVELS, "since")
        self._do(sa.insert(member), [{"space": space, **dict(zip(names, row, strict=True))} for row in table])

    def displace(self, space: int, items: Ids) -> None:
        """These items have no place any more."""
        for part in _parts(items.tolist()):
            self._do(sa.delete(member).where(member.c.space == space, member.c.item.in_(part)))

    def happened(self, space_id: int, event_rows: Sequence[ClusterEventRow]) -> None:
        rows = [
            {
                "space": space_id,
                "change": event_row.change,
                "cluster": event_row.cluster_id,
                "level": event_row.level,
                "what": event_row.kind,
                "others": list(event_row.related),
                "gained": event_row.gained,
                "lost": event_row.lost,
                "size": event_row.size,
            }
            for event_row in event_rows
        ]
        self._do(sa.insert(event), rows)

    def set_partitions(self, space: int, position: int, state: bytes) -> None:
        self._do(sa.delete(partitioning).where(partitioning.c.space == space))
        self._do(sa.insert(partitioning).values(space=space, position=position, state=state))


def _parts(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
