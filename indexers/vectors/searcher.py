"""The one layer over every index that does what a member can't do itself: restrictions, radius, completeness, exact
scores, and metrics that it was not built for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.base import VectorIndex, check_k, make_empty_answer, prepare_vectors
from indexers.vectors.exact import Exact
from indexers.vectors.rerank import CANDIDATE_COST, RELIABLE_SHARE, Reranker

SMALL_COLLECTION = 2000
"""Collections up to this size are scanned: as fast as a graph, and exact."""
DEFAULT_EF = 128
"""Candidates of a usual search, where the index does not tell."""
SECOND_SHARE, MAX_WIDTH = 0.25, 4096
RETRY_INTERVAL = 16
"""A restriction for which over-fetching keeps failing gets another chance every so many searches."""


class Searcher:
    """`flat` holds every vector and is the fallback of every path; `index`, if any, is the fast way in.

    Both hold the same items at the same position. Searches may run beside each other, writing may not.
    """

    def __init__(self, flat: Exact, index: VectorIndex | None = None, *, small: int = SMALL_COLLECTION) -> None:
        self.flat, self.index, self.small = flat, index, small

    @property
    def native_metric(self) -> Metric:
        """The metric in which a search is quickest."""
        return self.flat.metric if self.index is None else self.index.metric

    def search(
        self, queries: Vectors, k: int, allowed: Allowed | Ids | None = None, metric: Metric | None = None
    ) -> Neighbours:
        """The k nearest, of those allowed, in any metric. Fewer than k exist: -1 and -inf at the end."""
        metric = metric or self.flat.metric
        if self.index is None or len(self.flat) <= self.small:
            return self.flat.search(queries, k, allowed, metric=metric)
        kept = None if allowed is None else self.flat.refresh_allowed(allowed)
        if kept is not None and self.flat.estimate_cost(kept) <= 2.5 * self._estimate_cost(self.index, 0):
            return self.flat.search(queries, k, kept, metric=metric)
        if metric != self.native_metric:
            queries = prepare_vectors(queries, self.flat.dimension, metric)
            return Reranker(self.flat, self.search, self.native_metric, kept, metric).search(queries, check_k(k))
        if kept is None:
            return self._search_all(self.index, queries, k)
        return self._search_allowed(self.index, queries, check_k(k), kept)

    def search_radius(
        self, query: Vectors, min_score: float, allowed: Allowed | Ids | None = None, metric: Metric | None = None
    ) -> tuple[Ids, Vectors]:
        """Everything at least that similar to one query, nearest first, complete: a scan."""
        return self.flat.search_radius(query, min_score, allowed, metric)

    def _search_all(self, index: VectorIndex, queries: Vectors, k: int) -> Neighbours:
        answer = self._fetch_candidates(index, queries, k, max(2 * k, self._get_ef(index)))
        short = np.flatnonzero(answer.ids[:, min(k, len(self.flat)) - 1] < 0)
        if len(short):  # the graph could not reach as many as there are
            exact = self.flat.search(index.prepare(queries)[short], k, metric=index.metric)
            answer.ids[short], answer.scores[short] = exact.ids, exact.scores
        return answer

    def _fetch_candidates(self, index: VectorIndex, queries: Vectors, k: int, pool: int) -> Neighbours:
        """The k nearest that an index finds; where it keeps vectors rounded, the k best of its `pool` nearest."""
        if index.exact_scores:
            return index.search(queries, k)
        found = index.search(queries, min(pool, len(self.flat)))
        ids, scores = make_empty_answer(len(found.ids), k)
        for row, query in enumerate(index.prepare(queries)):
            best = self.flat.search(query, k, found.ids[row], metric=index.metric)
            ids[row], scores[row] = best.ids[0], best.scores[0]
        return Neighbours(ids, scores, found.position)

    def _search_allowed(self, index: VectorIndex, queries: Vectors, k: int, kept: Allowed) -> Neighbours:
        """Over-fetch, more where it pays, and scan for the queries that still lack neighbours."""
        queries = index.prepare(queries)
        ids, scores = make_empty_answer(len(queries), k)
        left = np.arange(len(queries))
        for stage, width in self._plan_widths(index, k, kept):
            done = self._overfetch(index, queries, width, kept, left, ids, scores)
            kept.success_rates[stage] += 0.3 * (float(done.mean()) - kept.success_rates[stage])
            left = left[~done]
            if not len(left):
                break
        if len(left):
            exact = self.flat.search(queries[left], k, kept, metric=index.metric)
            ids[left], scores[left] = exact.ids, exact.scores
        return Neighbours(ids, scores, min(self.flat.position, index.position))

    def _overfetch(
        self, index: VectorIndex, queries: Vectors, width: int, kept: Allowed, left: Ids, ids: Ids, scores: Vectors
    ) -> NDArray[np.bool_]:
        """Fill the answers of the queries `left` for which enough came back; True for those."""
        answer = self._fetch_candidates(index, queries[left], width, width)
        inside = kept.has(answer.ids)
        inside[:, math.ceil(RELIABLE_SHARE * width) :] = False
        need = min(ids.shape[1], len(kept))
        done: NDArray[np.bool_] = inside.sum(axis=1) >= need
        for at in np.flatnonzero(done).tolist():
            best = np.flatnonzero(inside[at])[:need]
            ids[left[at], :need], scores[left[at], :need] = answer.ids[at, best], answer.scores[at, best]
        return done

    def _plan_widths(self, index: VectorIndex, k: int, kept: Allowed) -> list[tuple[int, int]]:
        """How much to fetch, at most twice: as much as random exclusion needs; then a part of what a scan costs.

        A step that failed lately for this restriction (the queries lie in what it excludes) is left out.
        """
        kept.use_count += 1
        scan = self.flat.estimate_cost(kept)
        # k allowed ones among n: n averages k / share, with a deviation of sqrt(k (1 - share)) / share
        need = (k + 3 * math.sqrt(k * (1 - kept.share)) + 2) / kept.share / RELIABLE_SHARE
        first = max(math.ceil(need), self._get_ef(index))
        second = min(int(SECOND_SHARE * scan / CANDIDATE_COST), MAX_WIDTH)
        plan = [(0, first)] + ([(1, second)] if second >= 2 * first else [])
        again = kept.use_count % RETRY_INTERVAL == 0
        chosen = [(s, w) for s, w in plan if again or self._estimate_cost(index, w) < kept.success_rates[s] * scan]
        return [(stage, min(width, len(self.flat))) for stage, width in chosen]

    def _estimate_cost(self, index: VectorIndex, width: int) -> float:
        """What a search for `width` costs, in rows of a contiguous scan."""
        return CANDIDATE_COST * max(width, self._get_ef(index))

    @staticmethod
    def _get_ef(index: VectorIndex) -> int:
        return int(getattr(index, "ef", DEFAULT_EF))
