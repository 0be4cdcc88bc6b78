"""How hits are ranked: fused from two rankings, diversified, and limited per cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.types import Ids, Level, Metric, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.metrics import compute_similarities
from indexers.vectors.searcher import Searcher
from retrieval.spaces.cluster_state import Assignment, ClusterState

POOL = 5
"""Times as many hits as asked for are looked at before every item is."""
POOL_GROWTH = 8
"""Times as many are looked at next, for a proof."""
FIRST_SORTED = 1024
"""Hits of all that are sorted first, where every item is scored."""
SPARE = 2
"""Hits more than asked for, of a cluster and in all, that are scored again in float64."""

SMOOTH = 60
"""The constant of reciprocal rank fusion, as its authors chose it."""

Ranking = tuple[Ids, Vectors]
"""Ids int64 (n,) and scores float32 (n,), best first."""


def fuse_rankings(first: Sequence[tuple[int, float]], second: Sequence[int]) -> Ranking:
    """Fuse two rankings by the sum of 1 / (60 + rank): reciprocal rank fusion (Cormack, Clarke, Buettcher, 2009)."""
    scores: dict[int, float] = {}
    for order in ([item_id for item_id, _ in first], second):
        for rank, item_id in enumerate(order, 1):
            scores[item_id] = scores.get(item_id, 0.0) + 1 / (SMOOTH + rank)
    return to_arrays(sorted(scores.items(), key=lambda pair: (-pair[1], pair[0])))


def to_arrays(ranking: Sequence[tuple[int, float]]) -> Ranking:
    """Return (id, score) pairs as two arrays."""
    ids, scores = [item_id for item_id, _ in ranking], [score for _, score in ranking]
    return np.array(ids, np.int64), np.array(scores, np.float32)


def choose_diverse(
    vectors: Vectors, query: Vectors, count: int, diversity: float, metric: Metric = "cosine"
) -> list[int]:
    """Return the places of `count` vectors, chosen by maximal marginal relevance (Carbonell and Goldstein, 1998).

    Each is chosen for its similarity to the query and its distance from those chosen before. `diversity` 0: similarity
    alone; 1: distance alone. With an inner product, similarity is that of directions.
    """
    if not len(vectors):
        return []
    by_direction = metric in ("cosine", "ip")
    if by_direction:
        vectors, query = scale_to_unit(vectors), query / np.linalg.norm(query)

    def compare(vector: Vectors) -> Vectors:
        return vectors @ vector if by_direction else compute_similarities(vector, vectors, metric).astype(np.float32)

    relevance = compare(query)
    redundancy = np.full(len(vectors), -np.inf, np.float32)  # similarity to the most similar one chosen
    chosen: list[int] = []
    left = np.ones(len(vectors), bool)
    for _ in range(min(count, len(vectors))):
        gain = relevance if not chosen else (1 - diversity) * relevance - diversity * redundancy
        best = int(np.argmax(np.where(left, gain, -np.inf)))
        chosen.append(best)
        left[best] = False
        redundancy = np.maximum(redundancy, compare(vectors[best]))
    return chosen


class NearestQuery(NamedTuple):
    """A prepared query, float32 (1, dimension). `query_items` are excluded from the hits. `exact`: proved hits only."""

    searcher: Searcher
    vector: Vectors
    metric: Metric
    allowed: Allowed | None
    query_items: Ids
    exact: bool = False


def limit_per_cluster(
    state: ClusterState, query: NearestQuery, count: int, per_cluster: int, level: Level
) -> tuple[Ranking, bool]:
    """Return the best `count` hits of which no cluster has more than `per_cluster`, and whether they are proved.

    Each loose item counts by itself. The nearest items first; if they lie in too few clusters, every item is scored and
    each cluster keeps its best. For a proof, ever more of the nearest are ranked instead.
    """
    flat, assignment = query.searcher.flat, state.assignment(level)
    pool = min(max(POOL * count, 100), max(1, len(flat)))
    best, kept, is_proved = _rank_nearest(query, assignment, pool, per_cluster)
    while len(kept) < count and len(best[0]) + len(query.query_items) >= pool:  # there are more than were looked at
        if not query.exact:
            best, is_proved = _rank_per_cluster(query, assignment, count, per_cluster), False
            kept = find_first_per_label(assignment.find_labels(best[0]), per_cluster)
            break
        if pool >= len(flat):
            break
        pool = min(POOL_GROWTH * pool, len(flat))
        best, kept, is_proved = _rank_nearest(query, assignment, pool, per_cluster)
    return (best[0][kept[:count]], best[1][kept[:count]]), is_proved


def _rank_nearest(
    query: NearestQuery, assignment: Assignment, pool: int, per_cluster: int
) -> tuple[Ranking, Ids, bool]:
    """Return the `pool` nearest, the places of those that no cluster's limit excludes, and whether they are proved."""
    nearest = query.searcher.search(query.vector, pool, query.allowed, query.metric, query.exact)
    best = _exclude_items(nearest.ids[0], nearest.scores[0], query.query_items)
    return best, find_first_per_label(assignment.find_labels(best[0]), per_cluster), nearest.proved


def _rank_per_cluster(query: NearestQuery, assignment: Assignment, count: int, per_cluster: int) -> Ranking:
    """Score every allowed item, and rank again in float64 the best of each cluster that may be among `count` hits."""
    flat = query.searcher.flat
    ids, scores = flat.compute_scores(query.vector, query.allowed, query.metric)
    ids, scores = _exclude_items(ids, scores, query.query_items)
    # at most per_cluster + SPARE hits of a cluster stand where per_cluster do in the end
    limit = per_cluster + SPARE
    candidates = _find_best_per_cluster(ids, scores, assignment, limit, (count + SPARE) * limit)
    if not len(candidates):
        return np.empty(0, np.int64), np.empty(0, np.float32)
    exact = flat.search(query.vector, len(candidates), candidates, metric=query.metric)
    return exact.ids[0], exact.scores[0]


def _find_best_per_cluster(ids: Ids, scores: Vectors, assignment: Assignment, limit: int, count: int) -> Ids:
    """Return the best `count` ids of which no cluster has more than `limit`, sorting no more of them than it takes."""
    pool = FIRST_SORTED
    while True:
        least = -np.inf if pool >= len(ids) else np.partition(scores, len(scores) - pool)[len(scores) - pool]
        best = np.flatnonzero(scores >= least)
        best = best[np.lexsort((ids[best], -scores[best]))]
        kept = find_first_per_label(assignment.find_labels(ids[best]), limit)
        if len(kept) >= count or len(best) == len(ids):
            return ids[best[kept[:count]]]
        pool *= POOL_GROWTH


def _exclude_items(ids: Ids, scores: Vectors, excluded: Ids) -> Ranking:
    keep = (ids >= 0) & ~np.isin(ids, excluded)
    return ids[keep], scores[keep]


def find_first_per_label(labels: Ids, limit: int) -> Ids:
    """Return places, in order, such that no label but 0 has more than `limit`."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return np.flatnonzero((labels == 0) | (rank < limit))
