"""The scope of a search: the items of clusters that a caller names by id, by name or as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from indexers.catalogue.conditions import Condition, InNamedClusters, InTreeClusters
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, ClusterNotFound
from indexers.types import LEVELS, Ids
from retrieval.checks import is_whole


def check_clusters(clusters: Any, option: str) -> tuple[Any, ...]:
    """Return one or several clusters as a tuple. Raises BadQuery for what is no id, name or record."""
    if clusters is None:
        return ()
    several = tuple(clusters) if isinstance(clusters, list | tuple | set | frozenset) else (clusters,)
    for cluster in several:
        if not is_whole(cluster) and not isinstance(cluster, str) and not hasattr(cluster, "_members"):
            raise BadQuery(f"{option} takes clusters by id, by name, or as `clusters` returns them; got {cluster!r}")
    return several


def build_key(clusters: Sequence[Any]) -> tuple[Any, ...]:
    """Return a key that tells scopes apart, for as long as somebody holds the records."""
    return tuple(_build_cluster_key(cluster) for cluster in clusters)


def _build_cluster_key(cluster: Any) -> Any:
    if hasattr(cluster, "_members"):
        return "record", id(cluster._members)
    return cluster if isinstance(cluster, str) else int(cluster)


def find_members(clusters: Sequence[Any], space_id: int, snapshot: Snapshot) -> Ids:
    """Return the items that are in any of these clusters, sorted. Raises ClusterNotFound."""
    members = [_find_cluster_members(cluster, space_id, snapshot) for cluster in clusters]
    return np.unique(np.concatenate(members)) if len(members) != 1 else members[0]


def _find_cluster_members(cluster: Any, space_id: int, snapshot: Snapshot) -> Ids:
    if hasattr(cluster, "_members"):
        ids: Ids = cluster._members
        return ids
    by_name = isinstance(cluster, str)
    cluster_ids = snapshot.clusters.find_named(cluster) if by_name else [int(cluster)]
    ids = _select_members(cluster_ids, space_id, snapshot)
    if not len(ids):
        called = f"named {cluster!r}" if by_name else str(cluster)
        raise ClusterNotFound(f"there is no cluster {called}; `clusters` lists them")
    return ids


def _select_members(cluster_ids: Sequence[int], space_id: int, snapshot: Snapshot) -> Ids:
    """Return the items of these clusters; of several that share a name, those of all."""
    conditions = [_build_condition(cluster_id, space_id, snapshot) for cluster_id in cluster_ids]
    members = [snapshot.ids(condition) for condition in conditions if condition]
    return np.unique(np.concatenate(members)) if members else np.empty(0, np.int64)


def _build_condition(cluster_id: int, space_id: int, snapshot: Snapshot) -> Condition | None:
    """Return the condition of being in that cluster, of the tree or of a clustering by name; None if unknown."""
    row = snapshot.clusters.rows([cluster_id]).get(cluster_id)
    if row is None:
        return None
    if row.level in LEVELS:
        version = snapshot.clusters_version(space_id)
        return InTreeClusters(space_id, row.level, (cluster_id,), version) if version else None
    clustering = snapshot.clusterings.find(row.level)
    return InNamedClusters(clustering.id, (cluster_id,), clustering.written) if clustering else None
