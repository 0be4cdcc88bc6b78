"""The exact neighbour graph of a set of vectors, by brute force: for estimators, tests and benchmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints

CELLS = 4_000_000
"""Similarities held in memory at once: 16 MB."""


def find_neighbours(vectors: NDArray[np.float32], k: int, queries: Ints | None = None) -> Ints:
    """Find the k most similar other rows of each unit vector, int64 (n, k), in no order. With `queries`, row numbers,
    find them for these rows only. With fewer than k other rows, k is their number."""
    rows = np.arange(len(vectors)) if queries is None else queries
    k = min(k, max(len(vectors) - 1, 0))
    neighbours = np.empty((len(rows), k), np.int64)
    step = max(1, CELLS // max(len(vectors), 1))
    for start in range(0, len(rows) if k else 0, step):
        block = rows[start : start + step]
        distance = -(vectors[block] @ vectors.T)
        distance[np.arange(len(block)), block] = np.inf
        neighbours[start : start + step] = np.argpartition(distance, k - 1, axis=1)[:, :k]
    return neighbours


def build_edges(neighbours: Ints, rows: Ints | None = None) -> Ints:
    """Return the undirected edges of a neighbour table, each once, int64 (m, 2), smaller row first. `rows`: the row
    numbers that the table's rows belong to, if these are not 0, 1, 2 ..."""
    source = np.repeat(np.arange(len(neighbours)) if rows is None else rows, neighbours.shape[1])
    target = neighbours.ravel()
    ends = np.stack([np.minimum(source, target), np.maximum(source, target)], 1)
    width = int(ends.max()) + 1 if len(ends) else 1
    keys = np.unique(ends[:, 0] * width + ends[:, 1])
    return np.stack([keys // width, keys % width], 1)
