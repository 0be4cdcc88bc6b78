"""Exact search with numpy over a memory-mapped file of vectors: the referee of every other index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexers.arrays import compute_lengths, sort_unique
from indexers.errors import BadQuery, BadSetting
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.allowed import Allowed, MatrixCache
from indexers.vectors.base import VectorIndex, check_k, check_vectors, make_empty_answer, pair_with_ids, prepare_vectors
from indexers.vectors.bounds import Target
from indexers.vectors.metrics import PRODUCT_METRICS, compute_similarities, convert_products
from indexers.vectors.pruning import GATHER_COST, Pruner
from indexers.vectors.rows import Rows
from indexers.vectors.sketch import TINY, UNIT

MAX_SCORES = 4 * 2**20
"""Scores held at once: 16 MB. More queries are answered in batches."""
BLOCK_ROWS = 512
"""Rows gathered at once: 1 MB at 512 dimensions, so that they are read again from the processor's cache."""
BATCH_COST = 0.12, 3.3
"""The cost of each of n queries that are compared together, of that of one alone: so much + so much / n, at most 1."""
FEW_QUERIES = 4
"""Fewer queries than these are compared one by one; as a product of matrices they take longer."""
RUN_COST = 24
"""The cost of starting another run of neighbouring rows, in rows of a contiguous scan."""


class Exact(VectorIndex):
    """Brute force over prepared vectors (unit length for cosine); every other index is compared with it.

    Also the flat vector file: `load` maps what `save` wrote and reads pages when they are needed.

    Setting: `cache_bytes`, how much memory gathered rows of restrictions may take. A search may be in another metric
    than the index's own; it then compares the vectors as they were added, so that lengths count for a distance in an
    index for cosine too. The scores of the hits are computed once more in float64, so that equal vectors get equal
    scores wherever they lie, and the smaller id comes first among them.
    """

    metrics: ClassVar[frozenset[Metric]] = frozenset({"cosine", "ip", "l2", "l1", "minkowski"})

    def __init__(
        self,
        dimension: int,
        metric: Metric = "cosine",
        *,
        cache_bytes: int = 128 * 2**20,
        **unknown: Any,
    ) -> None:
        super().__init__(dimension, metric)
        if unknown:
            raise BadSetting(f"exact has no setting {sorted(unknown)[0]!r}; it has: cache_bytes")
        self.rows = Rows(dimension)
        self._pruner = Pruner(self.rows, self.metric)
        self._matrix_cache = MatrixCache(cache_bytes)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, item_id: int) -> bool:
        return bool(self.has(np.array([item_id]))[0])

    def has(self, ids: Ids) -> NDArray[np.bool_]:
        """Return which of these ids (n,) have a vector."""
        return self.rows.locate(np.asarray(ids, dtype=np.int64))[1]

    def ids(self) -> Ids:
        """Return all ids, sorted; a copy."""
        return self.rows.ids.copy()

    def take(self, ids: Ids) -> Vectors:
        """Return the prepared vectors of these ids, float32 (n, dimension). Raises ItemNotFound."""
        return self.rows.take(np.asarray(ids, dtype=np.int64))

    def take_for_metric(self, ids: Ids, metric: Metric) -> Vectors:
        """Return the vectors of these ids as a metric compares them, float32 (n, dimension).

        These are the vectors as they were added, or for the cosine their directions. Raises ItemNotFound.
        """
        vectors = self.take(ids)
        return self._convert_block(vectors, self.rows.lengths[self.rows.row_numbers[self.rows.locate(ids)[0]]], metric)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        ids, vectors = pair_with_ids(ids, check_vectors(vectors, self.dimension, self.metric))
        self._pruner.forget_from(self.rows.upsert(ids, self.prepare(vectors), compute_lengths(vectors)))
        self._matrix_cache.clear()

    def remove(self, ids: Ids) -> None:
        self._pruner.forget_from(self.rows.remove(np.asarray(ids, dtype=np.int64)))
        self._matrix_cache.clear()

    def save(self, path: Path) -> None:
        """Write the live rows by id. This index keeps the file that it has mapped; `load` maps the new one."""
        self.rows.save(path)

    def load(self, path: Path) -> None:
        self.rows.load(path)
        self._pruner.reset()
        self._matrix_cache.clear()

    def reload(self, path: Path) -> None:
        """Map what `save` has just written of the present content, and keep what has been drawn of it."""
        ids, row_numbers = self.rows.ids, self.rows.row_numbers
        self.rows.load(path)
        self._matrix_cache.clear()
        if np.array_equal(ids, self.rows.ids):
            self._pruner.reorder(row_numbers)
        else:
            self._pruner.reset()

    def prepare_allowed(self, ids: ArrayLike, cacheable: bool = True) -> Allowed:
        """Prepare a restriction. If `cacheable`, its rows are gathered once and held while there is room."""
        sorted_ids = sort_unique(np.asarray(ids, dtype=np.int64).reshape(-1))
        places, known = self.rows.locate(sorted_ids)
        rows = np.sort(self.rows.row_numbers[places[known]])
        share = len(rows) / len(self.rows) if len(self.rows) else 0.0
        return Allowed(sorted_ids, rows, share, self.rows.version, cacheable)

    def refresh_allowed(self, allowed: Allowed | Ids) -> Allowed:
        """Return a restriction that fits the present content; a stale one is prepared again from its ids."""
        if not isinstance(allowed, Allowed):
            return self.prepare_allowed(allowed, cacheable=False)
        return allowed if allowed.version == self.rows.version else self.prepare_allowed(allowed.ids, allowed.cacheable)

    def estimate_cost(self, allowed: Allowed | None, metric: Metric | None = None) -> float:
        """Estimate the cost of a search of a restriction (None: of all rows), in rows of a contiguous scan."""
        return min(self._estimate_scan_cost(allowed), self._pruner.estimate_cost(allowed, metric or self.metric))

    def _estimate_scan_cost(self, allowed: Allowed | None) -> float:
        if allowed is None:
            return float(self.rows.count)
        if allowed.matrix is not None or self._is_worth_caching(allowed):
            return float(len(allowed))
        return min(self._estimate_run_cost(allowed), GATHER_COST * len(allowed), float(self.rows.count))

    def search(
        self,
        queries: Vectors,
        k: int,
        allowed: Ids | Allowed | None = None,
        metric: Metric | None = None,
    ) -> Neighbours:
        """Return the k nearest of those allowed, in `metric`, by default the index's own; -1 and -inf where none is."""
        metric = metric or self.metric
        queries, k = prepare_vectors(queries, self.dimension, metric), check_k(k)
        ids, scores = make_empty_answer(len(queries), k)
        allowed = None if allowed is None else self.refresh_allowed(allowed)
        k = min(k, len(self) if allowed is None else len(allowed))
        if k:
            targets = [Target(query, metric, k) for query in queries]
            for first, rows, table in self._score_in_batches(queries, allowed, metric, targets):
                for i, query_scores in enumerate(table, first):
                    best_ids, best_scores = self.rank(targets[i], rows, query_scores)
                    ids[i, :k], scores[i, :k] = best_ids[:k], best_scores[:k]
        return Neighbours(ids, scores, self.position, True)

    def search_radius(
        self, query: Vectors, min_score: float, allowed: Ids | Allowed | None = None, metric: Metric | None = None
    ) -> tuple[Ids, Vectors]:
        """Return everything that scores at least `min_score` for one query: ids (m,), scores (m,), nearest first."""
        metric = metric or self.metric
        queries = prepare_vectors(query, self.dimension, metric)
        if len(queries) != 1:
            raise BadQuery(f"a search within a radius takes one query; got {len(queries)}")
        allowed = None if allowed is None else self.refresh_allowed(allowed)
        if not (len(self) if allowed is None else len(allowed)):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        with np.errstate(over="ignore"):
            target = Target(queries[0], metric, min_score=float(np.float32(min_score)))
        _, rows, table = next(self._score_in_batches(queries, allowed, metric, [target]))
        ids, scores = self.rank(target, rows, table[0])
        is_near = scores >= target.min_score
        return ids[is_near], scores[is_near]

    def compute_scores(
        self, query: Vectors, allowed: Ids | Allowed | None = None, metric: Metric | None = None
    ) -> tuple[Ids, Vectors]:
        """Return the ids of all allowed vectors and their scores (n,) for one query, in float32 and in no order."""
        metric = metric or self.metric
        queries = prepare_vectors(query, self.dimension, metric)
        allowed = None if allowed is None else self.refresh_allowed(allowed)
        if not (len(self) if allowed is None else len(allowed)):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        _, rows, table = next(self._score_in_batches(queries, allowed, metric))
        ids = self.rows.row_ids[: self.rows.count] if rows is None else self.rows.row_ids[rows]
        is_live = ids >= 0
        return ids[is_live], table[0, is_live]

    def find_rows(self, ids: Ids) -> Ids:
        """Return the row of each id (n,), all of which are stored; of another one, any row."""
        rows: Ids = self.rows.row_numbers[np.minimum(np.searchsorted(self.rows.ids, ids), len(self.rows) - 1)]
        return rows

    def score_rows(self, query: Vectors, rows: Ids, metric: Metric) -> Vectors:
        """Return the scores of rows (n,), in their order, for a prepared query, in float32."""
        scores = np.empty((1, len(rows)), np.float32)
        for first in range(0, len(rows), BLOCK_ROWS):
            part = slice(first, first + BLOCK_ROWS)
            lengths = self.rows.lengths[rows[part]]
            self._score(query[None], self.rows.take_rows(rows[part]), lengths, scores[:, part], metric)
        found: Vectors = scores[0]
        return found

    def rank(self, target: Target, rows: Ids | None, query_scores: Vectors) -> tuple[Ids, Vectors]:
        """Return the ids and exact scores, in order, of all rows that could be among the answers, and of some others.

        `query_scores` (n,): the scores of `rows`, in ascending order (None: of every row), in float32.
        """
        places = self._find_candidates(target, rows, query_scores)
        candidates = places if rows is None else rows[places]
        ids = self.rows.row_ids[candidates]
        candidates, places, ids = candidates[ids >= 0], places[ids >= 0], ids[ids >= 0]
        is_rounded = target.metric in PRODUCT_METRICS
        scores = self._score_exactly(target, candidates) if is_rounded else query_scores[places]
        order = np.lexsort((ids, -scores))
        return ids[order], scores[order]

    def _find_candidates(self, target: Target, rows: Ids | None, query_scores: Vectors) -> Ids:
        """Return the places of the scores that could belong to answers, given how far each may be from the exact one.

        A place is left out only where a comparison says so, and not for a score that is no number.
        """
        values, margins = self._estimate_errors(target, rows, query_scores)
        least = np.float32(target.min_score)
        if target.k is not None:
            kth = np.partition(values, len(values) - target.k)[len(values) - target.k]
            best = values >= kth
            least = (values[best] - (margins[best] if np.ndim(margins) else margins)).min(initial=kth)
        elif target.metric == "l2":
            least = -np.square(np.minimum(least, np.float32(0)))
        return np.flatnonzero(~(values + margins < least))

    def _estimate_errors(self, target: Target, rows: Ids | None, query_scores: Vectors) -> tuple[Vectors, Any]:
        """Return scores (n,) and how far each is at most from the exact one: () or (n,). Those of "l2" are squared.

        An inner product of d terms in float32 is wrong by at most d u / (1 - d u) of the product of both lengths, in
        whatever order they are summed (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), u =
        2^-24. With what is rounded before and afterwards this is less than (d + 16) u of it; of a squared distance, (d
        + 40) u of the sum of both squared lengths. What underflows adds at most `tiny`.
        """
        metric, size, dimension = target.metric, np.float32(target.size), self.dimension
        if metric not in PRODUCT_METRICS:
            return query_scores, np.float32(0)  # they are computed in float64
        error, tiny = np.float32(1.01 * UNIT * (dimension + 16)), np.float32(dimension * TINY)
        if metric == self.metric == "cosine":
            return query_scores, error
        lengths = self.rows.lengths if rows is None else self.rows.lengths[rows]
        with np.errstate(all="ignore"):  # what overflows is kept as a candidate
            if metric == "l2":
                error = np.float32(1.01 * UNIT * (dimension + 40))
                return -query_scores * query_scores, error * (size * size + lengths * lengths) + tiny
            if metric == "ip":
                return query_scores, error * size * lengths + tiny * (1 + size + lengths)
            return query_scores, error + tiny / lengths

    def _score_exactly(self, target: Target, rows: Ids) -> Vectors:
        """Return the scores of rows (n,), computed in float64 and rounded to float32."""
        query, metric, scores = target.query, target.metric, np.empty(len(rows), np.float32)
        for first in range(0, len(rows), BLOCK_ROWS):
            part = rows[first : first + BLOCK_ROWS]
            block = self._convert_block(self.rows.gather_rows(part), self.rows.lengths[part], metric)
            scores[first : first + BLOCK_ROWS] = compute_similarities(query, block, metric)
        return np.minimum(scores, np.float32(1)) if metric == "cosine" else scores

    def _convert_block(self, block: Vectors, lengths: Vectors, metric: Metric) -> Vectors:
        """Convert rows to what a metric compares: vectors as they were added, or their directions."""
        if (self.metric == "cosine") == (metric == "cosine"):
            return block
        if metric == "cosine":
            lengths = np.reciprocal(lengths, where=lengths > 0, out=np.zeros_like(lengths))
        scaled: Vectors = block * lengths[:, None]
        return scaled

    def _score_in_batches(
        self, queries: Vectors, allowed: Allowed | None, metric: Metric, targets: Sequence[Target] = ()
    ) -> Iterator[tuple[int, Ids | None, Vectors]]:
        """Yield the first query, row numbers (None: every row), scores (queries, rows); dead rows score -inf.

        targets: what each query looks for; rows that can't be among its answers may be left out.
        """
        scan_cost = self._estimate_scan_cost(allowed) * min(1, BATCH_COST[0] + BATCH_COST[1] / max(1, len(queries)))
        if targets and len(queries) > 1:
            if self._pruner.estimate_cost(allowed, metric, targets[0].k) < scan_cost:
                for place, target in enumerate(targets):
                    for _, rows, table in self._score_in_batches(target.query[None], allowed, metric, [target]):
                        yield place, rows, table
                return
            self._pruner.pay(scan_cost * len(queries))
        elif targets:
            target = targets[0]
            found = self._pruner.select(target, allowed, scan_cost, lambda part: self._score_exactly(target, part))
            if found is not None:
                table = np.empty((1, len(found)), np.float32)
                self._score_gathered(queries, found, table, metric)
                yield 0, found, table
                return
        step = max(1, MAX_SCORES // max(1, self.rows.count if allowed is None else len(allowed)))
        for first in range(0, len(queries), step):
            batch = queries[first : first + step]
            if allowed is None:
                yield first, None, self._score_all(batch, metric)
            else:
                yield first, allowed.rows, self._score_allowed(batch, allowed, metric)

    def _score_all(self, queries: Vectors, metric: Metric) -> Vectors:
        rows, split = self.rows, len(self.rows.base)
        table = np.empty((len(queries), rows.count), np.float32)
        self._score(queries, rows.base, rows.lengths[:split], table[:, :split], metric)
        self._score(queries, rows.tail[: rows.tail_count], rows.lengths[split:], table[:, split:], metric)
        if rows.dead_count:
            table[:, rows.row_ids[: rows.count] < 0] = -np.inf
        return table

    def _score_allowed(self, queries: Vectors, allowed: Allowed, metric: Metric) -> Vectors:
        """Score the allowed rows in the cheapest of four ways: gathered before, in runs, gathered now, or all rows."""
        matrix = self._get_matrix(allowed)
        table = np.empty((len(queries), len(allowed)), np.float32)
        if matrix is not None:
            self._score(queries, matrix, self.rows.lengths[allowed.rows], table, metric)
        elif self._estimate_run_cost(allowed) <= min(GATHER_COST * len(allowed), self.rows.count):
            self._score_runs(queries, allowed, table, metric)
        elif GATHER_COST * len(allowed) <= self.rows.count:
            self._score_gathered(queries, allowed.rows, table, metric)
        else:
            np.take(self._score_all(queries, metric), allowed.rows, axis=1, out=table, mode="clip")
        return table

    def _is_worth_caching(self, allowed: Allowed) -> bool:
        """Return True if it pays to hold the rows as one table: not if they lie side by side in any case."""
        size = len(allowed) * self.dimension * 4
        return (
            allowed.cacheable
            and size <= self._matrix_cache.capacity_bytes
            and self._estimate_run_cost(allowed) > 1.1 * len(allowed)
        )

    def _get_matrix(self, allowed: Allowed) -> Vectors | None:
        matrix = self._matrix_cache.get(allowed)
        if matrix is None and self._is_worth_caching(allowed):
            matrix = self.rows.gather_rows(allowed.rows)
            self._matrix_cache.store(allowed, matrix)
        return matrix

    def _estimate_run_cost(self, allowed: Allowed) -> float:
        return len(allowed) + float(RUN_COST) * len(allowed.run_starts)

    def _score_runs(self, queries: Vectors, allowed: Allowed, table: Vectors, metric: Metric) -> None:
        split, lengths = len(self.rows.base), self.rows.lengths
        stops = [*allowed.run_starts[1:].tolist(), len(allowed)]
        for start, stop in zip(allowed.run_starts.tolist(), stops, strict=True):
            first, last = int(allowed.rows[start]), int(allowed.rows[stop - 1]) + 1
            middle = min(max(first, split), last)  # a run may cross from the base into the tail
            cut = start + middle - first
            tail = self.rows.tail[max(0, middle - split) : max(0, last - split)]
            self._score(queries, self.rows.base[first:middle], lengths[first:middle], table[:, start:cut], metric)
            self._score(queries, tail, lengths[middle:last], table[:, cut:stop], metric)

    def _score_gathered(self, queries: Vectors, rows: Ids, table: Vectors, metric: Metric) -> None:
        buffer = np.empty((min(BLOCK_ROWS, len(rows)), self.dimension), np.float32)
        for first in range(0, len(rows), BLOCK_ROWS):
            part = rows[first : first + BLOCK_ROWS]
            block = self.rows.gather_rows(part, buffer)
            self._score(queries, block, self.rows.lengths[part], table[:, first : first + BLOCK_ROWS], metric)

    def _score(self, queries: Vectors, block: Vectors, lengths: Vectors, out: Vectors, metric: Metric) -> None:
        """Write the scores of queries (q, dimension) against a block (r, dimension) into `out` (q, r).

        `lengths` (r,): those of the vectors before they were prepared.
        """
        if not len(block):
            return
        if metric not in PRODUCT_METRICS:
            self._score_blockwise(queries, block, lengths, out, metric)
            return
        if len(queries) < FEW_QUERIES:
            for query, query_scores in zip(queries, out, strict=True):
                np.dot(block, query, out=query_scores)
        else:
            np.matmul(queries, block.T, out=out)
        if metric != self.metric or metric == "l2":
            products = out * lengths if self.metric == "cosine" else out
            out[:] = convert_products(products, metric, compute_lengths(queries)[:, None], lengths)

    def _score_blockwise(
        self, queries: Vectors, block: Vectors, lengths: Vectors, out: Vectors, metric: Metric
    ) -> None:
        for first in range(0, len(block), BLOCK_ROWS):  # the work is in float64: only so much of it is held at once
            part = slice(first, first + BLOCK_ROWS)
            rows = self._convert_block(block[part], lengths[part], metric)
            for place, query in enumerate(queries):
                out[place, part] = compute_similarities(query, rows, metric)
