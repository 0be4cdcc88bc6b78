"""Exact search with numpy over a memory-mapped file of vectors: slow and right, the referee of every other index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexers.arrays import compute_lengths, sort_unique
from indexers.errors import BadQuery, BadSetting
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.allowed import Allowed, MatrixCache
from indexers.vectors.base import VectorIndex, check_k, check_vectors, make_empty_answer, pair_with_ids, prepare_vectors
from indexers.vectors.metrics import PRODUCT_METRICS, compute_similarities, convert_products
from indexers.vectors.rows import Rows

MAX_SCORES = 4 * 2**20
"""Scores that are held at once: 16 MB. More queries go in turns."""
BLOCK_ROWS = 512
"""Rows gathered at once: 1 MB at 512 dimensions, small enough to be read again from the processor's cache."""
GATHER_COST = 2.5
"""What a row costs that must be gathered first, against one of a contiguous scan (measured: 2.1 to 2.6)."""
RUN_COST = 24
"""What a further run of neighbouring rows costs, in rows."""
RELATIVE_ERROR = 4e-6
"""By how much an inner product summed in float32 may be off, in parts of the product of both lengths."""


class Exact(VectorIndex):
    """Brute force over prepared vectors (unit length for cosine); every other index is compared with it.

    Also the flat vector file: `load` maps what `save` wrote and reads pages when they are needed.

    Setting: `cache_bytes`, what gathered restrictions may hold. Questions may be in another metric than its own: it is
    then that of the vectors as they were given, so that for a distance lengths count, in an index for cosine too.
    Scores are computed once more in float64 for what is answered, so that equal vectors get equal scores wherever
    they lie and ties are cut by the smaller id.
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
        self._matrix_cache = MatrixCache(cache_bytes)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, item: int) -> bool:
        return bool(self.has(np.array([item]))[0])

    def has(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of these ids (n,) are here."""
        return self.rows.locate(np.asarray(ids, dtype=np.int64))[1]

    def ids(self) -> Ids:
        """All ids, sorted; a copy."""
        return self.rows.ids.copy()

    def take(self, ids: Ids) -> Vectors:
        """The prepared vectors of these ids, float32 (n, dimension). Raises ItemNotFound."""
        return self.rows.take(np.asarray(ids, dtype=np.int64))

    def take_for_metric(self, ids: Ids, metric: Metric) -> Vectors:
        """The vectors of these ids as a metric compares them, float32 (n, dimension): as they were added, or for the
        cosine their directions. Raises ItemNotFound."""
        vectors = self.take(ids)
        return self._convert_block(vectors, self.rows.lengths[self.rows.row_numbers[self.rows.locate(ids)[0]]], metric)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        ids, vectors = pair_with_ids(ids, check_vectors(vectors, self.dimension, self.metric))
        self.rows.upsert(ids, self.prepare(vectors), compute_lengths(vectors))
        self._matrix_cache.clear()

    def remove(self, ids: Ids) -> None:
        self.rows.remove(np.asarray(ids, dtype=np.int64))
        self._matrix_cache.clear()

    def save(self, path: Path) -> None:
        """Write the live rows by id. The object keeps what it has mapped; `load` maps the new file."""
        self.rows.save(path)

    def load(self, path: Path) -> None:
        self.rows.load(path)
        self._matrix_cache.clear()

    def prepare_allowed(self, ids: ArrayLike, cacheable: bool = True) -> Allowed:
        """Prepare a restriction. With `keep`, its rows are gathered once and held while there is room."""
        asked = sort_unique(np.asarray(ids, dtype=np.int64).reshape(-1))
        place, found = self.rows.locate(asked)
        rows = np.sort(self.rows.row_numbers[place[found]])
        share = len(rows) / len(self.rows) if len(self.rows) else 0.0
        return Allowed(asked, rows, share, self.rows.version, cacheable)

    def refresh_allowed(self, allowed: Allowed | Ids) -> Allowed:
        """A restriction that fits the present content; a stale one is prepared again from its ids."""
        if not isinstance(allowed, Allowed):
            return self.prepare_allowed(allowed, cacheable=False)
        return allowed if allowed.version == self.rows.version else self.prepare_allowed(allowed.ids, allowed.cacheable)

    def estimate_cost(self, allowed: Allowed) -> float:
        """What scanning a restriction costs, in rows of a contiguous scan."""
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
        metric = metric or self.metric
        queries, k = prepare_vectors(queries, self.dimension, metric), check_k(k)
        ids, scores = make_empty_answer(len(queries), k)
        kept = None if allowed is None else self.refresh_allowed(allowed)
        k = min(k, len(self) if kept is None else len(kept))
        if k:
            for first, rows, table in self._score_in_batches(queries, kept, metric):
                for i, line in enumerate(table, first):
                    least = np.partition(line, len(line) - k)[len(line) - k]
                    best, exact = self._rank_candidates(queries[i], rows, line, least, metric)
                    ids[i, :k], scores[i, :k] = best[:k], exact[:k]
        return Neighbours(ids, scores, self.position)

    def search_radius(
        self, query: Vectors, min_score: float, allowed: Ids | Allowed | None = None, metric: Metric | None = None
    ) -> tuple[Ids, Vectors]:
        """Everything at least that similar to one query: ids (m,) and scores (m,), nearest first, complete."""
        metric = metric or self.metric
        queries = prepare_vectors(query, self.dimension, metric)
        if len(queries) != 1:
            raise BadQuery(f"a search within a radius takes one query; got {len(queries)}")
        kept = None if allowed is None else self.refresh_allowed(allowed)
        if not (len(self) if kept is None else len(kept)):
            return make_empty_answer(0, 1)[0][:, 0], make_empty_answer(0, 1)[1][:, 0]
        _, rows, table = next(self._score_in_batches(queries, kept, metric))
        ids, scores = self._rank_candidates(queries[0], rows, table[0], min_score, metric)
        enough = scores >= min_score
        return ids[enough], scores[enough]

    def _rank_candidates(
        self, query: Vectors, rows: Ids | None, line: Vectors, min_score: float, metric: Metric
    ) -> tuple[Ids, Vectors]:
        """Ids and exact scores, in order, of all whose first score could be `least` or more."""
        chosen = np.flatnonzero(self._could_reach(query, rows, line, min_score, metric) & (line > -np.inf))
        scores = line[chosen]
        chosen = chosen if rows is None else rows[chosen]
        if metric in PRODUCT_METRICS:
            scores = self._score_exactly(query, chosen, metric)
        ids = self.rows.row_ids[chosen]
        order = np.lexsort((ids, -scores))
        return ids[order], scores[order]

    def _could_reach(
        self, query: Vectors, rows: Ids | None, line: Vectors, min_score: float, metric: Metric
    ) -> NDArray[np.bool_]:
        """Whose first score, which may be off by its error, could be `least` or more."""
        size = float(np.linalg.norm(query))
        margin: Any = RELATIVE_ERROR * size * self.rows.max_length if metric in PRODUCT_METRICS else 0.0
        if metric != self.metric or metric == "l2":
            long = self.rows.lengths if rows is None else self.rows.lengths[rows]
            if metric == "l2":  # its square is what the products tell
                reach = -min(min_score, 0.0)
                line, min_score = -line * line, -reach * reach
                margin = RELATIVE_ERROR * (2 * size * size + (size + reach) ** 2 + long * long)
            elif metric in PRODUCT_METRICS:
                margin = RELATIVE_ERROR * size * long if metric == "ip" else RELATIVE_ERROR
        hopeful: NDArray[np.bool_] = line >= np.float32(min_score - margin)
        return hopeful

    def _score_exactly(self, query: Vectors, rows: Ids, metric: Metric) -> Vectors:
        result = np.empty(len(rows), np.float32)
        for first in range(0, len(rows), BLOCK_ROWS):
            part = rows[first : first + BLOCK_ROWS]
            block = self._convert_block(self.rows.gather_rows(part), self.rows.lengths[part], metric)
            result[first : first + BLOCK_ROWS] = compute_similarities(query, block, metric)
        return np.minimum(result, np.float32(1)) if metric == "cosine" else result

    def _convert_block(self, block: Vectors, long: Vectors, metric: Metric) -> Vectors:
        """Rows as a metric compares them: as they were given, or their directions."""
        if (self.metric == "cosine") == (metric == "cosine"):
            return block
        if metric == "cosine":
            long = np.reciprocal(long, where=long > 0, out=np.zeros_like(long))
        scaled: Vectors = block * long[:, None]
        return scaled

    def _score_in_batches(
        self, queries: Vectors, kept: Allowed | None, metric: Metric
    ) -> Iterator[tuple[int, Ids | None, Vectors]]:
        """First query, row numbers (None: every row), scores (queries, rows); dead rows score -inf."""
        step = max(1, MAX_SCORES // max(1, self.rows.count if kept is None else len(kept)))
        for first in range(0, len(queries), step):
            some = queries[first : first + step]
            if kept is None:
                yield first, None, self._score_all(some, metric)
            else:
                yield first, kept.rows, self._score_allowed(some, kept, metric)

    def _score_all(self, queries: Vectors, metric: Metric) -> Vectors:
        rows, split = self.rows, len(self.rows.base)
        table = np.empty((len(queries), rows.count), np.float32)
        self._score(queries, rows.base, rows.lengths[:split], table[:, :split], metric)
        self._score(queries, rows.tail[: rows.tail_count], rows.lengths[split:], table[:, split:], metric)
        if rows.dead_count:
            table[:, rows.row_ids[: rows.count] < 0] = -np.inf
        return table

    def _score_allowed(self, queries: Vectors, kept: Allowed, metric: Metric) -> Vectors:
        """Scores of the kept rows, on the cheapest of four ways."""
        matrix = self._get_matrix(kept)
        table = np.empty((len(queries), len(kept)), np.float32)
        if matrix is not None:
            self._score(queries, matrix, self.rows.lengths[kept.rows], table, metric)
        elif self._estimate_run_cost(kept) <= min(GATHER_COST * len(kept), self.rows.count):
            self._score_runs(queries, kept, table, metric)
        elif GATHER_COST * len(kept) <= self.rows.count:
            self._score_gathered(queries, kept.rows, table, metric)
        else:
            np.take(self._score_all(queries, metric), kept.rows, axis=1, out=table, mode="clip")
        return table

    def _is_worth_caching(self, kept: Allowed) -> bool:
        """Whether to hold the rows as one table: not where they lie together anyhow."""
        size = len(kept) * self.dimension * 4
        return (
            kept.cacheable
            and size <= self._matrix_cache.capacity_bytes
            and self._estimate_run_cost(kept) > 1.1 * len(kept)
        )

    def _get_matrix(self, kept: Allowed) -> Vectors | None:
        matrix = self._matrix_cache.get(kept)
        if matrix is None and self._is_worth_caching(kept):
            matrix = self.rows.gather_rows(kept.rows)
            self._matrix_cache.store(kept, matrix)
        return matrix

    def _estimate_run_cost(self, kept: Allowed) -> float:
        return len(kept) + float(RUN_COST) * len(kept.run_starts)

    def _score_runs(self, queries: Vectors, kept: Allowed, table: Vectors, metric: Metric) -> None:
        split, long = len(self.rows.base), self.rows.lengths
        stops = [*kept.run_starts[1:].tolist(), len(kept)]
        for start, stop in zip(kept.run_starts.tolist(), stops, strict=True):
            first, last = int(kept.rows[start]), int(kept.rows[stop - 1]) + 1
            middle = min(max(first, split), last)  # a run may cross from the base into the tail
            cut = start + middle - first
            tail = self.rows.tail[max(0, middle - split) : max(0, last - split)]
            self._score(queries, self.rows.base[first:middle], long[first:middle], table[:, start:cut], metric)
            self._score(queries, tail, long[middle:last], table[:, cut:stop], metric)

    def _score_gathered(self, queries: Vectors, rows: Ids, table: Vectors, metric: Metric) -> None:
        buffer = np.empty((min(BLOCK_ROWS, len(rows)), self.dimension), np.float32)
        for first in range(0, len(rows), BLOCK_ROWS):
            part = rows[first : first + BLOCK_ROWS]
            block = self.rows.gather_rows(part, buffer)
            self._score(queries, block, self.rows.lengths[part], table[:, first : first + BLOCK_ROWS], metric)

    def _score(self, queries: Vectors, block: Vectors, long: Vectors, out: Vectors, metric: Metric) -> None:
        """Similarities of queries (q, dimension) to a block (r, dimension) of given lengths into `out` (q, r)."""
        if not len(block):
            return
        if metric not in PRODUCT_METRICS:
            self._score_blockwise(queries, block, long, out, metric)
            return
        if len(queries) == 1:
            np.dot(block, queries[0], out=out[0])
        else:
            np.matmul(queries, block.T, out=out)
        if metric != self.metric or metric == "l2":
            products = out * long if self.metric == "cosine" else out
            out[:] = convert_products(products, metric, compute_lengths(queries)[:, None], long)

    def _score_blockwise(self, queries: Vectors, block: Vectors, long: Vectors, out: Vectors, metric: Metric) -> None:
        for first in range(0, len(block), BLOCK_ROWS):  # in float64, of which no more is held at once
            part = slice(first, first + BLOCK_ROWS)
            rows = self._convert_block(block[part], long[part], metric)
            for place, query in enumerate(queries):
                out[place, part] = compute_similarities(query, rows, metric)
