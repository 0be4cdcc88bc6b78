"""Searching in another metric than an index was built for: its candidates are scored exactly, and what they may lack is
looked for. For a metric that lengths and inner products tell there is a proof of what is lacking; for the others it
shows in how deep among the candidates the best of them lie."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.base import lengths, nothing
from indexers.vectors.exact import Exact
from indexers.vectors.metrics import PRODUCTS, bounds

CANDIDATE = 30.0
"""What one more candidate of a graph search costs, in rows of a contiguous scan (measured: 25 to 40)."""
SLACK = 0.5
"""The farther half of what a graph search returns is not complete enough to be relied on."""
POOL, WIDER = 256, 4
"""Candidates at first, and times as many where those are too few."""
Search = Callable[[Vectors, int, Allowed | None, Metric], Neighbours]
"""Queries, k, restriction, metric -> the k nearest."""


class Rerank:
    """`search` answers in the metric `native` from an index, and in any other by asking here; `flat` holds every vector
    and is scanned where candidates would cost more."""

    def __init__(self, flat: Exact, search: Search, native: Metric) -> None:
        self.flat, self.native, self._search = flat, native, search

    def search(self, queries: Vectors, k: int, kept: Allowed | None, metric: Metric) -> Neighbours:
        """The k nearest of each query, float32 (n, dimension) and prepared for `metric`."""
        width, scan = max(POOL, math.ceil(k / SLACK)), self.flat.rows.count if kept is None else self.flat.cost(kept)
        if width * CANDIDATE >= scan:
            return self.flat.search(queries, k, kept, metric=metric)
        if {metric, self.native} <= PRODUCTS:
            return self._proven(queries, k, kept, metric, width)
        return self._deep(queries, k, kept, metric, width, scan)

    def _proven(self, queries: Vectors, k: int, kept: Allowed | None, metric: Metric, width: int) -> Neighbours:
        """What is not among the candidates scores at most what the last of them does, in the index's metric. With its
        length that bounds its score in `metric`; all whose bound is above the k-th best are looked at too."""
        long = self.flat.rows.lengths if kept is None else self.flat.rows.lengths[kept.rows]
        # a direction has no length: that of the usual vector lets distances find it
        asked = queries * long.mean() if metric == "cosine" else queries
        sizes = lengths(asked)
        if not sizes.all():
            return self.flat.search(queries, k, kept, metric=metric)
        near = self._search(asked, width, kept, self.native)
        ids, scores = nothing(len(queries), k)
        for at, query in enumerate(queries):
            least = float(near.scores[at, math.ceil(SLACK * width) - 1])
            best = self.flat.search(query, k, near.ids[at], metric=metric)
            bound = bounds(least, self.native, float(sizes[at]), long, metric)
            hopeful = self._others(bound > best.scores[0, -1], kept, near.ids[at])
            if len(hopeful):
                best = self.flat.search(query, k, np.union1d(best.ids[0], hopeful), metric=metric)
            ids[at], scores[at] = best.ids[0], best.scores[0]
        return Neighbours(ids, scores, near.position)

    def _others(self, hopeful: np.ndarray, kept: Allowed | None, known: Ids) -> Ids:
        """The ids of the hopeful rows, but for those known."""
        rows = np.flatnonzero(hopeful)
        found = self.flat.rows.names[rows if kept is None else kept.rows[rows]]
        found = found[found >= 0]
        return found[~np.isin(found, known)]

    def _deep(
        self, queries: Vectors, k: int, kept: Allowed | None, metric: Metric, width: int, scan: float
    ) -> Neighbours:
        """The best of the candidates by Euclidean distance, where they all lie in the nearer half of these: others are
        then unlikely to lie beyond all of them. Where not, more candidates; at last, a scan."""
        ids, scores = nothing(len(queries), k)
        left = np.arange(len(queries))
        while len(left) and width * CANDIDATE < scan:
            near = self._search(queries[left], width, kept, "l2")
            deep = near.ids[:, math.ceil(SLACK * width) :]
            for at, pool in zip(left.tolist(), near.ids, strict=True):
                best = self.flat.search(queries[at], k, pool, metric=metric)
                ids[at], scores[at] = best.ids[0], best.scores[0]
            left = left[[bool(np.isin(ids[at], far).any()) for at, far in zip(left.tolist(), deep, strict=True)]]
            width *= WIDER
        if len(left):
            exact = self.flat.search(queries[left], k, kept, metric=metric)
            ids[left], scores[left] = exact.ids, exact.scores
        return Neighbours(ids, scores, self.flat.position)
