"""The scope of a search: the items of clusters that a caller names by id, by name or as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from indexers.arrays import sort_unique
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, ClusterNotFound
from indexers.types import LEVELS, Ids, Level, Space
from retrieval.checks import is_whole

MAX_ID = 2**63
"""No cluster has an id from here on: SQLite's integers end there."""


class ClustersOfName(NamedTuple):
    """The clusters that have a name at one moment: several may share it."""

    name: str
    cluster_ids: tuple[int, ...]


def check_clusters(clusters: Any, option: str) -> tuple[Any, ...] | None:
    """Return one or several clusters as a tuple; None if there is no such restriction.

    Raises BadQuery for what is no id, name or record.
    """
    if clusters is None:
        return None
    is_single = isinstance(clusters, str | bytes | Mapping) or _is_record(clusters)
    several = tuple(clusters) if isinstance(clusters, Iterable) and not is_single else (clusters,)
    for cluster in several:
        if not is_whole(cluster) and not isinstance(cluster, str) and not _is_record(cluster):
            raise BadQuery(f"{option} takes clusters by id, by name, or as `clusters` returns them; got {cluster!r}")
    return several


def _is_record(cluster: Any) -> bool:
    return hasattr(cluster, "_members")


def resolve_names(clusters: Sequence[Any], snapshot: Snapshot) -> tuple[Any, ...]:
    """Return clusters with those of a name in place of it: names change without a change number."""
    return tuple(
        ClustersOfName(cluster, tuple(snapshot.clusters.find_named(cluster))) if isinstance(cluster, str) else cluster
        for cluster in clusters
    )


def build_key(clusters: Sequence[Any]) -> tuple[Any, ...]:
    """Return a key that tells scopes with resolved names apart, for as long as somebody holds the records."""
    return tuple(_build_cluster_key(cluster) for cluster in clusters)


def _build_cluster_key(cluster: Any) -> Any:
    if _is_record(cluster):
        return "record", id(cluster._members)
    return cluster if isinstance(cluster, ClustersOfName) else int(cluster)


def find_members(clusters: Sequence[Any], space_id: int, snapshot: Snapshot) -> Ids:
    """Return the items that are in any of these clusters, sorted; names are resolved. No clusters have no items.

    Those of clusters of parts are the items that hold the parts; a name is looked for among these last. Raises
    ClusterNotFound.
    """
    members: list[Ids] = [_read_items(cluster, snapshot) for cluster in clusters if _is_record(cluster)]
    others = dict.fromkeys(cluster for cluster in clusters if not _is_record(cluster))
    ids_of = {cluster: _list_ids(cluster) for cluster in others}
    item_ids, found = select_members({id_ for ids in ids_of.values() for id_ in ids}, space_id, snapshot)
    absent = {id_ for ids in ids_of.values() if found.isdisjoint(ids) for id_ in ids}
    for beside in _list_part_spaces(space_id, snapshot) if absent else ():
        part_ids, theirs = select_members(absent, beside.id, snapshot)
        item_ids += [_find_holders(ids, snapshot) for ids in part_ids]
        found |= theirs
    for cluster, cluster_ids in ids_of.items():
        if found.isdisjoint(cluster_ids):
            called = f"named {cluster.name!r}" if isinstance(cluster, ClustersOfName) else str(cluster)
            raise ClusterNotFound(f"there is no cluster {called}; `clusters` lists them")
    members += item_ids
    return members[0] if len(members) == 1 else sort_unique(np.concatenate([np.empty(0, np.int64), *members]))


def _read_items(cluster: Any, snapshot: Snapshot) -> Ids:
    """Return the items of a record, sorted."""
    members: Ids = cluster._members
    return members if getattr(cluster, "of", None) is None else _find_holders(members, snapshot)


def _find_holders(part_ids: Ids, snapshot: Snapshot) -> Ids:
    """Return the items that hold parts, sorted."""
    return sort_unique(snapshot.parts.find_owners(part_ids.tolist())[1])


def _list_part_spaces(space_id: int, snapshot: Snapshot) -> list[Space]:
    return [space for beside in snapshot.spaces() if beside.id == space_id for space in snapshot.part_spaces(beside)]


def _list_ids(cluster: Any) -> Sequence[int]:
    if isinstance(cluster, ClustersOfName):
        return cluster.cluster_ids
    return [int(cluster)] if 0 <= cluster < MAX_ID else []


def select_members(cluster_ids: set[int], space_id: int, snapshot: Snapshot) -> tuple[list[Ids], set[int]]:
    """Return the items of clusters, an array a level, and the ids of those clusters that have any.

    The levels are those of the tree and named clusterings.
    """
    by_level: dict[Level, list[int]] = {}
    for row in snapshot.clusters.rows(sorted(cluster_ids)).values():
        by_level.setdefault(row.level, []).append(row.id)
    members, found = [], set[int]()
    for level, ids in by_level.items():
        clustering = None if level in LEVELS else snapshot.clusterings.find(level)
        if clustering:
            item_ids, owners = snapshot.clusterings.members(clustering.id, ids)
        elif level in LEVELS and snapshot.clusters_version(space_id):
            item_ids, owners = snapshot.clusters.members(space_id, level, ids)
        else:
            continue
        members.append(sort_unique(item_ids))
        found |= set(owners.tolist())
    return members, found
