"""The clusters and partitions that the catalogue keeps, because they can't be computed again from the vectors.

Public cluster ids with their members, names and events, the similarities at which the tree is cut, k-means centroids.
`ClusterReader` reads one moment of them, `ClusterWriter` writes. In both, methods that read are named by what they
return.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.metadata import INTEGER_LIMIT, is_storable, is_text
from indexers.catalogue.rows import read_pairs
from indexers.catalogue.schema import cluster, clustering, event, member, partitioning
from indexers.types import LEVELS, ClusterEventRow, ClusterRow, Ids, ItemClusters, Level, TreeLevels

RESTORED = "restored"
"""The kind of an event: items came back into the clusters that they were taken from."""

_LEVEL_COLUMNS = [member.c[level] for level in LEVELS]
_CLUSTER_IDS = sa.select(member.c.item, *_LEVEL_COLUMNS).where(
    member.c.space == sa.bindparam("space"), member.c.item.in_(sa.bindparam("item_ids", expanding=True))
)
_TREE_LEVELS = sa.select(clustering).where(clustering.c.space == sa.bindparam("space"))


class ClusterReader:
    """Reads clusters and partitions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, statement: sa.Executable, values: Any = None) -> list[Any]:
        return list(self._connection.execute(statement, values).all())

    def tree_levels(self, space_id: int) -> TreeLevels | None:
        """Return the cuts of a space's tree; None if the space has no clusters yet."""
        for row in self._all(_TREE_LEVELS, {"space": space_id}):
            return TreeLevels(row.position, (row.coarse, row.medium, row.fine), row.items, row.since, row.corrections)
        return None

    def clustered_space_ids(self) -> list[int]:
        """Return the ids of the spaces that have clusters, the space with the newest clusters first."""
        query = sa.select(clustering.c.space).order_by(clustering.c.position.desc(), clustering.c.space)
        return [row[0] for row in self._all(query)]

    def item_clusters(self, space_id: int) -> ItemClusters:
        """Return the clusters of all items, removed items included that the clusters have not followed yet."""
        columns = (member.c.item, *_LEVEL_COLUMNS, member.c.since)
        rows = sa.select(*columns).where(member.c.space == space_id).order_by(member.c.item).subquery()
        # one long text a column instead of a row an item: several times faster for 100,000
        texts = [sa.func.aggregate_strings(sa.cast(column, sa.String), ",") for column in rows.c]
        row = self._all(sa.select(*texts))[0]
        item_ids, *levels, since = (np.fromstring(text or "", dtype=np.int64, sep=",") for text in row)
        order = np.argsort(item_ids, kind="stable")
        return ItemClusters(item_ids[order], np.stack(levels, axis=1)[order], since[order])

    def cluster_ids(self, space_id: int, item_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """Return the cluster ids of these items, coarse to fine, 0 where an item is in no cluster."""
        by_item: dict[int, tuple[int, ...]] = {}
        for chunk in split_chunks(item_ids):
            rows = self._all(_CLUSTER_IDS, {"space": space_id, "item_ids": chunk})
            by_item |= {row[0]: tuple(row[1:]) for row in rows}
        return by_item

    def rows(self, cluster_ids: Iterable[int]) -> dict[int, ClusterRow]:
        """Return the rows of these clusters, alive or not, by id."""
        by_id: dict[int, ClusterRow] = {}
        for chunk in split_chunks([cluster_id for cluster_id in cluster_ids if is_storable(cluster_id)]):
            for row in self._all(sa.select(cluster).where(cluster.c.id.in_(chunk))):
                by_id[row.id] = ClusterRow(row.id, row.level, row.name, row.given, row.born)
        return by_id

    def members(self, space_id: int, level: Level, cluster_ids: Sequence[int]) -> tuple[Ids, Ids]:
        """Return the items of these clusters of a level of the tree, and the cluster of each: int64 (n,) both."""
        query = sa.select(member.c.item, member.c[level]).where(member.c.space == space_id)
        return read_pairs(self._connection, query, member.c[level], cluster_ids)

    def find_spaces(self, cluster_id: int) -> set[int]:
        """Return the spaces that a cluster of the tree is in, or of one that has ended, was in."""
        row = self.rows([cluster_id]).get(cluster_id)
        if row is None or row.level not in LEVELS:
            return set()
        spaces = sa.select(member.c.space).where(member.c[row.level] == cluster_id).distinct()
        events = sa.select(event.c.space).where(event.c.cluster == cluster_id).distinct()
        return {found.space for found in self._all(spaces)} or {found.space for found in self._all(events)}

    def last_event_id(self) -> int:
        """Return the id of the newest event of any cluster; 0 if there is none."""
        return int(self._all(sa.select(sa.func.max(event.c.id)))[0][0] or 0)

    def find_named(self, name: str) -> list[int]:
        """Return the ids of all clusters of that name, living or not."""
        if not is_text(name):
            return []
        return [
            row.id for row in self._all(sa.select(cluster.c.id).where(cluster.c.name == name).order_by(cluster.c.id))
        ]

    def ended_ids(self, space_id: int) -> list[int]:
        """Return the ids of clusters that have died, if items came back after all that happened since; else none."""
        here = event.c.space == space_id
        last = self._all(sa.select(event.c.what).where(here).order_by(event.c.id.desc()).limit(1))
        if not last or last[0].what != RESTORED:
            return []
        return [row[0] for row in self._all(sa.select(event.c.cluster).where(here, event.c.what == "died").distinct())]

    def events(self, since: int, space_id: int) -> list[ClusterEventRow]:
        """Return the events after change `since`, in order."""
        newer = event.c.change > min(since, INTEGER_LIMIT - 1)
        query = sa.select(event).where(newer, event.c.space == space_id).order_by(event.c.id)
        return [
            ClusterEventRow(
                row.cluster, row.level, row.what, tuple(row.others), row.gained, row.lost, row.size, row.change
            )
            for row in self._all(query)
        ]

    def partitions_position(self, space_id: int) -> int:
        """Return the change that the partitions of a space follow; 0 if there are none."""
        rows = self._all(sa.select(partitioning.c.position).where(partitioning.c.space == space_id))
        return rows[0][0] if rows else 0

    def partitions(self, space_id: int) -> tuple[int, bytes] | None:
        """Return the change that the partitions of a space follow, and their state; None if there are none."""
        query = sa.select(partitioning.c.position, partitioning.c.state).where(partitioning.c.space == space_id)
        rows = self._all(query)
        return (rows[0][0], rows[0][1]) if rows else None


class ClusterWriter(ClusterReader):
    """Reads and writes clusters and partitions, within a transaction."""

    def _do(self, statement: sa.Executable, rows: Sequence[dict[str, Any]] | None = None) -> None:
        if rows is None or rows:
            self._connection.execute(statement, rows)

    def set_tree_levels(self, space_id: int, tree_levels: TreeLevels) -> None:
        """Replace the cuts of a space's tree."""
        self._do(sa.delete(clustering).where(clustering.c.space == space_id))
        values: dict[str, float] = dict(zip(LEVELS, tree_levels.levels, strict=True))
        values |= {"position": tree_levels.position, "items": tree_levels.item_count, "since": tree_levels.since}
        values["corrections"] = tree_levels.corrections
        self._do(sa.insert(clustering).values(space=space_id, **values))

    def next_id(self) -> int:
        """Return the id of the next new cluster. Ids are never used again."""
        return int(self._all(sa.select(sa.func.coalesce(sa.func.max(cluster.c.id), 0)))[0][0]) + 1

    def add(self, rows: Sequence[ClusterRow]) -> None:
        """Add clusters."""
        self._do(
            sa.insert(cluster),
            [
                {"id": row.id, "level": row.level, "name": row.name, "given": row.named_by_person, "born": row.born_at}
                for row in rows
            ],
        )

    def set_name(self, cluster_id: int, name: str | None, by_person: bool) -> None:
        """Replace the name of a cluster."""
        self._do(sa.update(cluster).where(cluster.c.id == cluster_id).values(name=name, given=by_person))

    def assign(self, space_id: int, item_ids: Ids, cluster_ids: NDArray[np.int64], since: Ids) -> None:
        """Replace the clusters of these items; `cluster_ids` int64 (n, 3) and `since` as in ItemClusters."""
        self.unassign(space_id, item_ids)
        names: tuple[str, ...] = ("item", *LEVELS, "since")
        rows = np.column_stack([item_ids, cluster_ids, since]).tolist()
        self._do(sa.insert(member), [{"space": space_id, **dict(zip(names, row, strict=True))} for row in rows])

    def unassign(self, space_id: int, item_ids: Ids) -> None:
        """Forget which clusters these items were in."""
        for chunk in split_chunks(item_ids.tolist()):
            self._do(sa.delete(member).where(member.c.space == space_id, member.c.item.in_(chunk)))

    def add_events(self, space_id: int, event_rows: Sequence[ClusterEventRow]) -> None:
        """Add events in their order."""
        rows = [
            {
                "space": space_id,
                "change": row.change,
                "cluster": row.cluster_id,
                "level": row.level,
                "what": row.kind,
                "others": list(row.related),
                "gained": row.gained,
                "lost": row.lost,
                "size": row.size,
            }
            for row in event_rows
        ]
        self._do(sa.insert(event), rows)

    def set_partitions(self, space_id: int, position: int, state: bytes) -> None:
        """Replace the partitions of a space."""
        self._do(sa.delete(partitioning).where(partitioning.c.space == space_id))
        self._do(sa.insert(partitioning).values(space=space_id, position=position, state=state))
