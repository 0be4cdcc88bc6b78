"""The one layer over every index: it does what a member can't do itself, which is restrictions, a radius, completeness,
exact scores, and metrics that the member was not built for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.base import VectorIndex, check_k, make_empty_answer, prepare_vectors
from indexers.vectors.exact import Exact
from indexers.vectors.rerank import CANDIDATE_COST, RELIABLE_SHARE, RERANK_COST, Reranker

SMALL_COLLECTION = 2000
"""Collections of up to so many vectors are scanned: as fast as a graph, and exact."""
DEFAULT_EF = 128
"""Candidates of a search in an index without the attribute `ef`."""
SECOND_SHARE, MAX_WIDTH = 0.25, 4096
"""The second over-fetch may cost this share of a scan, and fetches at most so many candidates."""
RETRY_INTERVAL = 16
"""Over-fetching that keeps failing for a restriction is tried again every so many searches."""
WIDTH_PER_HIT = 4
"""A graph looks at no fewer than so many candidates for each hit: with 1.3, .93 of 100 hits on pictures were right."""
UNSURE_WIDTH = 2048
"""Candidates for a query that lies far from everything stored. Between tight clusters the recall of ten hits was .61 to
.99 with 128, .75 to 1.00 with 512, 1.00 with 2048; hardly any query that lies where the vectors are is one."""
EVEN_LENGTHS = 0.02
"""Lengths that differ by no more than this share of the longest leave the inner product to directions."""
SAMPLE, LOW_QUANTILE, SLACK = 128, 0.01, 0.25
"""How near a query's best hit should be is told by the nearest neighbours of so many stored vectors: by the score that
all but a share of them reach (more than 1 in 128, for the sake of outliers), less so much of its distance from their
median. Without the slack, three in a hundred queries like the stored vectors were searched for twice."""


class Searcher:
    """Searches an index and completes its answers from the flat vector file.

    `flat` holds every vector and is the fallback of every path; `index`, if any, is the fast one. Both hold the same
    items at the same position. Searches may run beside each other; nothing may be written beside them.
    """

    def __init__(self, flat: Exact, index: VectorIndex | None = None, *, small: int = SMALL_COLLECTION) -> None:
        self.flat, self.index, self.small = flat, index, small
        self._typical_score: tuple[int, float] | None = None

    @property
    def native_metric(self) -> Metric:
        """The metric in which a search is quickest."""
        return self.flat.metric if self.index is None else self.index.metric

    def search(
        self,
        queries: Vectors,
        k: int,
        allowed: Allowed | Ids | None = None,
        metric: Metric | None = None,
        exact: bool = False,
        quick: bool = False,
    ) -> Neighbours:
        """Return the k nearest of those allowed, in any metric; -1 and -inf at the end where fewer than k exist.

        exact: `proved` answers only, from the flat vector file. quick: of all, near ones will do.
        """
        metric, index = metric or self.flat.metric, None if self.index is None else self.index.serving
        if exact or index is None or len(self.flat) <= self.small:
            return self.flat.search(queries, k, allowed, metric=metric)
        allowed = None if allowed is None else self.flat.refresh_allowed(allowed)
        if allowed is not None and self.flat.estimate_cost(allowed) <= 2.5 * self._estimate_cost(index, 0):
            return self.flat.search(queries, k, allowed, metric=metric)
        if metric != self.native_metric:
            if self._is_pruned_well(allowed, metric):
                return self.flat.search(queries, k, allowed, metric=metric)
            queries = prepare_vectors(queries, self.flat.dimension, metric)
            return Reranker(self.flat, self.search, self.native_metric, allowed, metric).search(queries, check_k(k))
        if index.answers_alone:
            return index.search(queries, check_k(k), allowed)
        if allowed is None:
            return self._search_all(index, queries, k, quick)
        return self._search_allowed(index, queries, check_k(k), allowed)

    def _is_pruned_well(self, allowed: Allowed | None, metric: Metric) -> bool:
        """Return True if bounds leave so few vectors that a scan costs no more than candidates that may not suffice."""
        cost, count = self.flat.estimate_cost(allowed, metric), len(self.flat if allowed is None else allowed)
        return cost < min(count / 2, RERANK_COST)

    def search_radius(
        self, query: Vectors, min_score: float, allowed: Allowed | Ids | None = None, metric: Metric | None = None
    ) -> tuple[Ids, Vectors]:
        """Return everything that scores at least `min_score` for one query, nearest first: by a scan, so complete."""
        return self.flat.search_radius(query, min_score, allowed, metric)

    def _search_all(self, index: VectorIndex, queries: Vectors, k: int, quick: bool = False) -> Neighbours:
        answer = self._fetch_candidates(index, queries, k, max(WIDTH_PER_HIT * k, self._get_ef(index)))
        answer = answer if quick else self._look_again(index, queries, answer, WIDTH_PER_HIT * k)
        incomplete = np.flatnonzero(answer.ids[:, min(k, len(self.flat)) - 1] < 0)
        if len(incomplete):  # the graph could not reach as many as exist
            exact = self.flat.search(index.prepare(queries)[incomplete], k, metric=index.metric)
            answer.ids[incomplete], answer.scores[incomplete] = exact.ids, exact.scores
        return answer

    def _look_again(self, index: VectorIndex, queries: Vectors, answer: Neighbours, width: int) -> Neighbours:
        """Search again for the queries whose nearest hit is too far: by more candidates, or a scan if that is cheaper.

        A graph leads well to what lies beside stored vectors, and badly to what lies between their clusters.
        """
        k = answer.ids.shape[1]
        unsure = np.flatnonzero(~self._is_near(index, queries, answer.scores[:, 0]))
        if not len(unsure):
            return answer
        width = min(max(width, UNSURE_WIDTH), len(self.flat))
        if self.flat.rows.count <= self._estimate_cost(index, width):  # bounds leave more here than they are known to
            again = self.flat.search(index.prepare(queries)[unsure], k, metric=index.metric)
        else:
            again = self._fetch_candidates(index, queries[unsure], k, width)
        if len(unsure) == len(queries):
            return again
        answer.ids[unsure], answer.scores[unsure] = again.ids, again.scores
        return answer

    def _is_near(self, index: VectorIndex, queries: Vectors, best_scores: Vectors) -> NDArray[np.bool_]:
        """Return which queries have a neighbour as near as stored vectors have; none if lengths decide (inner product).

        `best_scores` (n,): that of the nearest hit of each query.
        """
        if index.metric == "ip":
            lengths = self.flat.rows.lengths
            return np.full(len(queries), len(lengths) > 0 and bool(np.ptp(lengths) <= EVEN_LENGTHS * lengths.max()))
        is_near: NDArray[np.bool_] = best_scores >= self._find_typical_score(index)
        return is_near

    def _find_typical_score(self, index: VectorIndex) -> float:
        """Return a score that all but a few stored vectors have with their nearest neighbour, from a sample."""
        count = len(self.flat)
        if self._typical_score is None or not 0.7 < count / self._typical_score[0] < 1.4:
            sample = self.flat.ids()[np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.int64)]
            nearest = index.search(self.flat.take(sample), 2)
            is_self = nearest.ids[:, 0] == sample
            scores = np.where(is_self, nearest.scores[:, 1], nearest.scores[:, 0])
            scores = scores[scores > -np.inf]
            typical = -math.inf
            if len(scores):
                low, median = np.quantile(scores, (LOW_QUANTILE, 0.5)).tolist()
                typical = low - SLACK * (median - low)
            self._typical_score = count, typical
        return self._typical_score[1]

    def _fetch_candidates(self, index: VectorIndex, queries: Vectors, k: int, width: int) -> Neighbours:
        """Return the k best of the `width` nearest that an index finds."""
        if index.exact_scores and index.metric != "ip":  # whose products are rounded as parts of the largest one
            answer = index.search(queries, min(width, len(self.flat)) if width > self._get_ef(index) else k)
            ids, scores = pad_columns(answer.ids, k, -1), pad_columns(answer.scores, k, -np.inf)
            return Neighbours(ids, scores, answer.position)
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
            if len(pending) == len(queries):
                return exact
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
        is_usable = allowed.has(answer.ids) & self._is_near(index, queries[pending], answer.scores[:, 0])[:, None]
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
        return CANDIDATE_COST * index.candidate_share * max(width, self._get_ef(index))

    @staticmethod
    def _get_ef(index: VectorIndex) -> int:
        return int(getattr(index, "ef", DEFAULT_EF))


def pad_columns(table: NDArray[Any], count: int, fill: float) -> NDArray[Any]:
    """Return the first `count` columns of a table; columns that it lacks hold `fill`."""
    lacking = count - table.shape[1]
    return table[:, :count] if lacking <= 0 else np.pad(table, ((0, 0), (0, lacking)), constant_values=fill)
