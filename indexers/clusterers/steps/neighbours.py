"""The exact neighbour graph of a set of vectors, by brute force: for estimators, tests and benchmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints

CELLS = 4_000_000
"""Similarities held at once: 16 MB."""


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Vectors brought to unit length, float32; a zero vector stays zero."""
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, None].astype(vectors.dtype)
    length[length == 0] = 1
    found: NDArray[np.float32] = (vectors / length).astype(np.float32)
    return found


def find_neighbours(vectors: NDArray[np.float32], k: int, queries: Ints | None = None) -> Ints:
    """The k most similar other rows of each (or of the given) unit vectors, int64 (n, k), in no order."""
    rows = np.arange(len(vectors)) if queries is None else queries
    k = min(k, max(len(vectors) - 1, 0))
    found = np.empty((len(rows), k), np.int64)
    step = max(1, CELLS // max(len(vectors), 1))
    for start in range(0, len(rows) if k else 0, step):
        part = rows[start : start + step]
        distance = -(vectors[part] @ vectors.T)
        distance[np.arange(len(part)), part] = np.inf
        found[start : start + step] = np.argpartition(distance, k - 1, axis=1)[:, :k]
    return found


def build_edges(neighbours: Ints, rows: Ints | None = None) -> Ints:
    """The symmetric graph of a table of neighbours: each undirected edge once, (m, 2), smaller row first."""
    source = np.repeat(np.arange(len(neighbours)) if rows is None else rows, neighbours.shape[1])
    target = neighbours.ravel()
    both = np.stack([np.minimum(source, target), np.maximum(source, target)], 1)
    wide = int(both.max()) + 1 if len(both) else 1
    edge = np.unique(both[:, 0] * wide + both[:, 1])
    return np.stack([edge // wide, edge % wide], 1)
