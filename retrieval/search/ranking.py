"""How hits are ranked, fused, diversified and limited per cluster"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.types import Ids, Level, Metric, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.metrics import compute_similarities
from indexers.vectors.searcher import Searcher
from retrieval.spaces.cluster_state import ClusterState

POOL = 5
"""Times as many hits as wanted are looked at before clusters are gone through one by one."""
ROWS = 4096
"""Members of clusters looked at in one go."""
ENOUGH = 2
"""Of the clusters that are gone through, times as many as are lacking."""

SMOOTH = 60
"""The constant of reciprocal rank fusion, as its authors chose it."""


def fuse_rankings(ranking: Sequence[tuple[int, float]], beside: Sequence[int]) -> tuple[Ids, Vectors]:
    """Two rankings as one, by the sum of 1 / (60 + rank): reciprocal rank fusion (Cormack, Clarke, Buettcher, 2009)."""
    worth: dict[int, float] = {}
    for order in ([one for one, _ in ranking], beside):
        for rank, one in enumerate(order, 1):
            worth[one] = worth.get(one, 0.0) + 1 / (SMOOTH + rank)
    return to_arrays(sorted(worth.items(), key=lambda pair: (-pair[1], pair[0])))


def to_arrays(ranking: Sequence[tuple[int, float]]) -> tuple[Ids, Vectors]:
    return np.array([one for one, _ in ranking], np.int64), np.array([score for _, score in ranking], np.float32)


def choose_diverse(
    vectors: Vectors, query: Vectors, count: int, diversity: float, metric: Metric = "cosine"
) -> list[int]:
    """Places of `count` vectors, chosen one by one for nearness to the query and distance from those chosen before:
    maximal marginal relevance (Carbonell and Goldstein, 1998). `diversity` 0: nearness alone; 1: distance alone.
    With an inner product it is told by direction too."""
    if not len(vectors):
        return []
    if metric in ("cosine", "ip"):
        vectors, query = scale_to_unit(vectors), query / np.linalg.norm(query)

    def similar(one: Vectors) -> Vectors:
        return (
            vectors @ one
            if metric in ("cosine", "ip")
            else compute_similarities(one, vectors, metric).astype(np.float32)
        )

    nearness = similar(query)
    closest = np.full(len(vectors), -np.inf, np.float32)  # similarity to the nearest one chosen
    chosen: list[int] = []
    left = np.ones(len(vectors), bool)
    for _ in range(min(count, len(vectors))):
        worth = nearness if not chosen else (1 - diversity) * nearness - diversity * closest
        best = int(np.argmax(np.where(left, worth, -np.inf)))
        chosen.append(best)
        left[best] = False
        closest = np.maximum(closest, similar(vectors[best]))
    return chosen


class NearestQuery(NamedTuple):
    """What is looked for, float32 (1, dimension), in which metric, and where. `items` are asked about: none answers."""

    searcher: Searcher
    vector: Vectors
    metric: Metric
    allowed: Allowed | None
    items: Ids


def limit_per_cluster(
    there: ClusterState, asked: NearestQuery, count: int, most: int, level: Level
) -> tuple[Ids, Vectors]:
    """The best `count` hits of which no cluster has more than `most`; loose items count as clusters of their own.

    First the nearest ones; if they lie in too few clusters, the best of the clusters whose middles are nearest.
    """
    flat, grouping, vector = asked.searcher.flat, there.assignment(level), asked.vector
    pool = min(max(POOL * count, 100), max(1, len(flat)))
    nearest = asked.searcher.search(vector, pool, asked.allowed, asked.metric)
    ids, scores = _exclude_items(nearest.ids[0], nearest.scores[0], asked.items)
    taken = _find_first_per_label(grouping.find_labels(ids), most)
    complete = len(nearest.ids[0]) > np.count_nonzero(nearest.ids[0] >= 0) or len(ids) + len(asked.items) >= len(flat)
    if len(taken) >= count or complete:
        return ids[taken[:count]], scores[taken[:count]]
    best = ids[taken], scores[taken]
    names, middles = there.find_centroids(level, flat)
    order = np.argsort(-(middles @ (vector[0] / max(float(np.linalg.norm(vector[0])), 1e-12))), kind="stable")
    full = {int(one) for one in grouping.find_labels(best[0]) if one}
    lacking, place = ENOUGH * (count - len(taken)), 0
    while place < len(order) and (lacking > 0 or len(best[0]) < count):
        some: list[Ids] = []
        while place < len(order) and lacking > -ENOUGH and sum(map(len, some)) < ROWS:
            some.append(grouping.members(int(names[order[place]])))
            lacking -= int(names[order[place]]) not in full
            place += 1
        best = _merge(best, _scan(asked, np.sort(np.concatenate(some))), grouping, most)
        lacking = max(lacking, count - len(best[0]))
    if len(best[0]) < count:  # what is loose, and far
        best = _merge(best, _scan(asked, grouping.members(0)), grouping, most)
    return best[0][:count], best[1][:count]


def _scan(asked: NearestQuery, items: Ids) -> tuple[Ids, Vectors]:
    flat = asked.searcher.flat
    items = items[flat.has(items)]
    if asked.allowed is not None:
        items = items[asked.allowed.has(items)]
    if not len(items):
        return np.empty(0, np.int64), np.empty(0, np.float32)
    found = flat.search(asked.vector, len(items), items, metric=asked.metric)
    return _exclude_items(found.ids[0], found.scores[0], asked.items)


def _exclude_items(ids: Ids, scores: Vectors, asked: Ids) -> tuple[Ids, Vectors]:
    keep = (ids >= 0) & ~np.isin(ids, asked)
    return ids[keep], scores[keep]


def _merge(best: tuple[Ids, Vectors], more: tuple[Ids, Vectors], grouping: Any, most: int) -> tuple[Ids, Vectors]:
    ids, first = np.unique(np.concatenate([best[0], more[0]]), return_index=True)
    scores = np.concatenate([best[1], more[1]])[first]
    order = np.lexsort((ids, -scores))
    taken = _find_first_per_label(grouping.of(ids[order]), most)
    return ids[order][taken], scores[order][taken]


def _find_first_per_label(labels: Ids, most: int) -> Ids:
    """Places, in order, of which no label but 0 has more than `most`."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return np.flatnonzero((labels == 0) | (rank < most))
