"""What clusters mean for a search: only within some, not in others, at most so many hits of one, or grouped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from indexers.catalogue.conditions import Condition, Member, Placed
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, ClusterNotFound
from indexers.types import LEVELS, Ids
from retrieval.checks import is_whole


def check_clusters(given: Any, name: str) -> tuple[Any, ...]:
    """Clusters as a caller names them, by id or as records, one or several. Raises BadQuery."""
    if given is None:
        return ()
    several = tuple(given) if isinstance(given, list | tuple | set | frozenset) else (given,)
    for one in several:
        if not is_whole(one) and not hasattr(one, "_members"):
            raise BadQuery(f"{name} takes clusters, by id or as `clusters` gives them; got {one!r}")
    return several


def build_key(clusters: Sequence[Any]) -> tuple[Any, ...]:
    """What tells restrictions apart, for as long as somebody holds the records."""
    return tuple(int(one) if not hasattr(one, "_members") else ("set", id(one._members)) for one in clusters)


def find_members(clusters: Sequence[Any], space: int, snapshot: Snapshot) -> Ids:
    """The items of all of these. Raises ClusterNotFound."""
    found = [_find_cluster_members(one, space, snapshot) for one in clusters]
    return np.unique(np.concatenate(found)) if len(found) != 1 else found[0]


def _find_cluster_members(one: Any, space: int, snapshot: Snapshot) -> Ids:
    if hasattr(one, "_members"):
        ids: Ids = one._members
        return ids
    condition = _build_condition(int(one), space, snapshot)
    ids = snapshot.ids(condition) if condition else np.empty(0, np.int64)
    if not len(ids):
        raise ClusterNotFound(f"there is no cluster {one} (any more); `clusters` lists those that there are")
    return ids


def _build_condition(one: int, space: int, snapshot: Snapshot) -> Condition | None:
    """Lying in that cluster, of the tree or of a clustering by name; None: nobody knows it."""
    row = snapshot.clusters.rows([one]).get(one)
    if row is None:
        return None
    if row.level in LEVELS:
        there = snapshot.clusters.clustering(space)
        return Member(space, row.level, (one,), there.position) if there else None
    grouping = snapshot.clusterings.named(row.level)
    return Placed(grouping.id, (one,), grouping.written) if grouping else None
