"""What clusters mean for a search: only within some, not in others, at most so many hits of one, or grouped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from indexers.catalogue.conditions import Condition, Member, Placed
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, ClusterNotFound
from indexers.types import LEVELS, Ids, Level, Metric, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.searcher import Searcher
from retrieval.search.query import is_whole
from retrieval.spaces.cluster_state import Families

POOL = 5
"""Times as many hits as wanted are looked at before clusters are gone through one by one."""
ROWS = 4096
"""Members of clusters looked at in one go."""
ENOUGH = 2
"""Of the clusters that are gone through, times as many as are lacking."""


def chosen(given: Any, name: str) -> tuple[Any, ...]:
    """Clusters as a caller names them, by id or as records, one or several. Raises BadQuery."""
    if given is None:
        return ()
    several = tuple(given) if isinstance(given, list | tuple | set | frozenset) else (given,)
    for one in several:
        if not is_whole(one) and not hasattr(one, "_members"):
            raise BadQuery(f"{name} takes clusters, by id or as `clusters` gives them; got {one!r}")
    return several


def key(clusters: Sequence[Any]) -> tuple[Any, ...]:
    """What tells restrictions apart, for as long as somebody holds the records."""
    return tuple(int(one) if not hasattr(one, "_members") else ("set", id(one._members)) for one in clusters)


def members(clusters: Sequence[Any], space: int, snapshot: Snapshot) -> Ids:
    """The items of all of these. Raises ClusterNotFound."""
    found = [_members(one, space, snapshot) for one in clusters]
    return np.unique(np.concatenate(found)) if len(found) != 1 else found[0]


def _members(one: Any, space: int, snapshot: Snapshot) -> Ids:
    if hasattr(one, "_members"):
        ids: Ids = one._members
        return ids
    condition = _in_cluster(int(one), space, snapshot)
    ids = snapshot.ids(condition) if condition else np.empty(0, np.int64)
    if not len(ids):
        raise ClusterNotFound(f"there is no cluster {one} (any more); `clusters` lists those that there are")
    return ids


def _in_cluster(one: int, space: int, snapshot: Snapshot) -> Condition | None:
    """Lying in that cluster, of the tree or of a clustering by name; None: nobody knows it."""
    row = snapshot.clusters.rows([one]).get(one)
    if row is None:
        return None
    if row.level in LEVELS:
        there = snapshot.clusters.clustering(space)
        return Member(space, row.level, (one,), there.position) if there else None
    grouping = snapshot.groupings.named(row.level)
    return Placed(grouping.id, (one,), grouping.written) if grouping else None


class Asked(NamedTuple):
    """What is looked for, float32 (1, dimension), in which metric, and where. `items` are asked about: none answers."""

    searcher: Searcher
    vector: Vectors
    metric: Metric
    allowed: Allowed | None
    items: Ids


def few_each(there: Families, asked: Asked, count: int, most: int, level: Level) -> tuple[Ids, Vectors]:
    """The best `count` hits of which no cluster has more than `most`; loose items count as clusters of their own.

    First the nearest ones; if they lie in too few clusters, the best of the clusters whose middles are nearest.
    """
    flat, grouping, vector = asked.searcher.flat, there.grouping(level), asked.vector
    pool = min(max(POOL * count, 100), max(1, len(flat)))
    nearest = asked.searcher.search(vector, pool, asked.allowed, asked.metric)
    ids, scores = _without(nearest.ids[0], nearest.scores[0], asked.items)
    taken = _few(grouping.of(ids), most)
    complete = len(nearest.ids[0]) > np.count_nonzero(nearest.ids[0] >= 0) or len(ids) + len(asked.items) >= len(flat)
    if len(taken) >= count or complete:
        return ids[taken[:count]], scores[taken[:count]]
    best = ids[taken], scores[taken]
    names, middles = there.middles(level, flat)
    order = np.argsort(-(middles @ (vector[0] / max(float(np.linalg.norm(vector[0])), 1e-12))), kind="stable")
    full = {int(one) for one in grouping.of(best[0]) if one}
    lacking, place = ENOUGH * (count - len(taken)), 0
    while place < len(order) and (lacking > 0 or len(best[0]) < count):
        some: list[Ids] = []
        while place < len(order) and lacking > -ENOUGH and sum(map(len, some)) < ROWS:
            some.append(grouping.members(int(names[order[place]])))
            lacking -= int(names[order[place]]) not in full
            place += 1
        best = _merged(best, _scanned(asked, np.sort(np.concatenate(some))), grouping, most)
        lacking = max(lacking, count - len(best[0]))
    if len(best[0]) < count:  # what is loose, and far
        best = _merged(best, _scanned(asked, grouping.members(0)), grouping, most)
    return best[0][:count], best[1][:count]


def _scanned(asked: Asked, items: Ids) -> tuple[Ids, Vectors]:
    flat = asked.searcher.flat
    items = items[flat.has(items)]
    if asked.allowed is not None:
        items = items[asked.allowed.has(items)]
    if not len(items):
        return np.empty(0, np.int64), np.empty(0, np.float32)
    found = flat.search(asked.vector, len(items), items, metric=asked.metric)
    return _without(found.ids[0], found.scores[0], asked.items)


def _without(ids: Ids, scores: Vectors, asked: Ids) -> tuple[Ids, Vectors]:
    keep = (ids >= 0) & ~np.isin(ids, asked)
    return ids[keep], scores[keep]


def _merged(best: tuple[Ids, Vectors], more: tuple[Ids, Vectors], grouping: Any, most: int) -> tuple[Ids, Vectors]:
    ids, first = np.unique(np.concatenate([best[0], more[0]]), return_index=True)
    scores = np.concatenate([best[1], more[1]])[first]
    order = np.lexsort((ids, -scores))
    taken = _few(grouping.of(ids[order]), most)
    return ids[order][taken], scores[order][taken]


def _few(labels: Ids, most: int) -> Ids:
    """Places, in order, of which no label but 0 has more than `most`."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return np.flatnonzero((labels == 0) | (rank < most))
