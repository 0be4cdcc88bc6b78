"""The one layer over every index: it does what a member can't do itself, which is restrictions, a radius, completeness,
exact scores, and metrics that the member was not built for."""

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
"""Collections of up to so many vectors are scanned: as fast as a graph, and exact."""
DEFAULT_EF = 128
"""Candidates of a search in an index without the attribute `ef`."""
SECOND_SHARE, MAX_WIDTH = 0.25, 4096
"""The second over-fetch may cost this share of a scan, and fetches at most so many candidates."""
RETRY_INTERVAL = 16
"""Over-fetching that keeps failing for a restriction is tried again every so many searches."""


class Searcher:
    """Searches an index and completes its answers from the flat vector file.

    `flat` holds every vector and is the fallback of every path; `index`, if any, is the fast one. Both hold the same
    items at the same position. Searches may run beside each other; nothing may be written beside them.
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
        """Return the k nearest of those allowed, in any metric; -1 and -inf at the end where fewer than k exist."""
        metric = metric or self.flat.metric
        if self.index is None or len(self.flat) <= self.small:
            return self.flat.search(queries, k, allowed, metric=metric)
        allowed = None if allowed is None else self.flat.refresh_allowed(allowed)
        if allowed is not None and self.flat.estimate_cost(allowed) <= 2.5 * self._estimate_cost(self.index, 0):
            return self.flat.search(queries, k, allowed, metric=metric)
        if metric != self.native_metric:
            queries = prepare_vectors(queries, self.flat.dimension, metric)
            return Reranker(self.flat, self.search, self.native_metric, allowed, metric).search(queries, check_k(k))
        if allowed is None:
            return self._search_all(self.index, queries, k)
        return self._search_allowed(self.index, queries, check_k(k), allowed)

    def search_radius(
        self, query: Vectors, min_score: float, allowed: Allowed | Ids | None = None, metric: Metric | None = None
    ) -> tuple[Ids, Vectors]:
        """Return everything that scores at least `min_score` for one query, nearest first: by a scan, so complete."""
        return self.flat.search_radius(query, min_score, allowed, metric)

    def _search_all(self, index: VectorIndex, queries: Vectors, k: int) -> Neighbours:
        answer = self._fetch_candidates(index, queries, k, max(2 * k, self._get_ef(index)))
        incomplete = np.flatnonzero(answer.ids[:, min(k, len(self.flat)) - 1] < 0)
        if len(incomplete):  # the graph could not reach as many as exist
            exact = self.flat.search(index.prepare(queries)[incomplete], k, metric=index.metric)
            answer.ids[incomplete], answer.scores[incomplete] = exact.ids, exact.scores
        return answer

    def _fetch_candidates(self, index: VectorIndex, queries: Vectors, k: int, width: int) -> Neighbours:
        """Return the k nearest that an index finds; if it stores rounded vectors, the k best of its `width` nearest."""
        if index.exact_scores:
            return index.search(queries, k)
        rounded = index.search(queries, min(width, len(self.flat)))
        ids, scores = make_empty_answer(len(rounded.ids), k)
        for row, query in enumerate(index.prepare(queries)):
            best = self.flat.search(query, k, rounded.ids[row], metric=index.metric)
            ids[row], scores[row] = best.ids[0], best.scores[0]
        return Neighbours(ids, scores, rounded.position)

    def _search_allowed(self, index: VectorIndex, queries: Vectors, k: int, allowed: Allowed) -> Neighbours:
        """Over-fetch, more where it pays, and scan for the queries that still lack neighbours."""
        queries = index.prepare(queries)
        ids, scores = make_empty_answer(len(queries), k)
        pending = np.arange(len(queries))
        for stage, width in self._plan_widths(index, k, allowed):
            done = self._overfetch(index, queries, width, allowed, pending, ids, scores)
            allowed.success_rates[stage] += 0.3 * (float(done.mean()) - allowed.success_rates[stage])
            pending = pending[~done]
            if not len(pending):
                break
        if len(pending):
            exact = self.flat.search(queries[pending], k, allowed, metric=index.metric)
            ids[pending], scores[pending] = exact.ids, exact.scores
        return Neighbours(ids, scores, min(self.flat.position, index.position))

    def _overfetch(
        self,
        index: VectorIndex,
        queries: Vectors,
        width: int,
        allowed: Allowed,
        pending: Ids,
        ids: Ids,
        scores: Vectors,
    ) -> NDArray[np.bool_]:
        """Fill the answers of those pending queries for which enough allowed candidates came; return True for these."""
        answer = self._fetch_candidates(index, queries[pending], width, width)
        is_usable = allowed.has(answer.ids)
        is_usable[:, math.ceil(RELIABLE_SHARE * width) :] = False
        need = min(ids.shape[1], len(allowed))
        done: NDArray[np.bool_] = is_usable.sum(axis=1) >= need
        for row in np.flatnonzero(done).tolist():
            best, place = np.flatnonzero(is_usable[row])[:need], pending[row]
            ids[place, :need], scores[place, :need] = answer.ids[row, best], answer.scores[row, best]
        return done

    def _plan_widths(self, index: VectorIndex, k: int, allowed: Allowed) -> list[tuple[int, int]]:
        """Plan (stage, width) of at most two over-fetches: what random exclusion needs, then what may be spent.

        The second width costs a share of a scan. A stage that has failed lately for this restriction, since the queries
        lie in what it excludes, is left out.
        """
        allowed.use_count += 1
        scan = self.flat.estimate_cost(allowed)
        # k allowed ones among n: n averages k / share, with a deviation of sqrt(k (1 - share)) / share
        need = (k + 3 * math.sqrt(k * (1 - allowed.share)) + 2) / allowed.share / RELIABLE_SHARE
        first = max(math.ceil(need), self._get_ef(index))
        second = min(int(SECOND_SHARE * scan / CANDIDATE_COST), MAX_WIDTH)
        plan = [(0, first)] + ([(1, second)] if second >= 2 * first else [])
        if allowed.use_count % RETRY_INTERVAL:
            plan = [(s, w) for s, w in plan if self._estimate_cost(index, w) < allowed.success_rates[s] * scan]
        return [(stage, min(width, len(self.flat))) for stage, width in plan]

    def _estimate_cost(self, index: VectorIndex, width: int) -> float:
        """Estimate the cost of a search for `width` candidates, in rows of a contiguous scan."""
        return CANDIDATE_COST * max(width, self._get_ef(index))

    @staticmethod
    def _get_ef(index: VectorIndex) -> int:
        return int(getattr(index, "ef", DEFAULT_EF))
