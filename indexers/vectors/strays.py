"""Vectors that a graph holds and no longer finds: they are few, kept beside it, and compared with every query.

A node of a navigable small world is found through the nodes that link to it. As others come, go and change, their lists
of links are pruned, and some nodes lose the last link to them (1 to 4 of 1,000 after four rounds of replacing every
vector, measured with hnswlib and USearch).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from indexers.errors import StoredFileDamaged
from indexers.types import Ids, Metric, Vectors
from indexers.vectors.metrics import compute_similarities


class Strays:
    """ids: int64 (n,), sorted. vectors: float32 (n, dimension), as they are compared."""

    def __init__(self, dimension: int) -> None:
        self.ids = np.empty(0, np.int64)
        self.vectors = np.empty((0, dimension), np.float32)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add vectors under ids that are not among the strays."""
        order = np.argsort(np.concatenate([self.ids, ids]), kind="stable")
        self.ids = np.concatenate([self.ids, ids])[order]
        self.vectors = np.concatenate([self.vectors, vectors])[order]

    def remove(self, ids: Ids) -> None:
        """Remove the strays of these ids; others are ignored."""
        if len(self.ids):
            keep = ~np.isin(self.ids, ids)
            self.ids, self.vectors = self.ids[keep], self.vectors[keep]

    def relabel(self, old: int, new: int) -> None:
        """Give a stray another id, if there is one of id `old`."""
        vectors = self.vectors[self.ids == old]
        if len(vectors):
            self.remove(np.array([old]))
            self.add(np.array([new]), vectors)

    def merge(self, queries: Vectors, ids: Ids, scores: Vectors, metric: Metric) -> tuple[Ids, Vectors]:
        """Merge the strays into an answer (n, k): the k best, nearest first."""
        if not len(self.ids):
            return ids, scores
        own = np.stack([compute_similarities(query, self.vectors, metric) for query in queries]).astype(np.float32)
        if metric == "cosine":
            own = np.minimum(own, np.float32(1))
        return merge_answers(ids, scores, np.broadcast_to(self.ids, own.shape), own)

    def save(self, path: Path) -> None:
        """Write the number of strays, their ids, and their vectors."""
        with open(path, "xb") as file:
            for part in (np.array([len(self.ids)], np.int64), self.ids, self.vectors):
                file.write(np.ascontiguousarray(part).data)

    def load(self, path: Path) -> None:
        """Read what `save` wrote. Raises StoredFileDamaged if the numbers do not fit."""
        dimension, size = self.vectors.shape[1], path.stat().st_size
        with open(path, "rb") as file:
            count = int.from_bytes(file.read(8), "little")
            if size != 8 + count * (8 + 4 * dimension):
                raise StoredFileDamaged(f"{path} does not hold {count} vectors of {dimension} coordinates")
            self.ids = np.fromfile(file, np.int64, count)
            self.vectors = np.fromfile(file, np.float32, count * dimension).reshape(count, dimension)


def merge_answers(ids: Ids, scores: Vectors, more_ids: Ids, more_scores: Vectors) -> tuple[Ids, Vectors]:
    """Merge two answers to the same queries, (n, k) and (n, m); return the k best, by score and id. An id that is in
    both comes once, with the score of the second."""
    again = (ids[:, :, None] == more_ids[:, None, :]).any(2)
    all_ids = np.concatenate([np.where(again, -1, ids), more_ids], axis=1)
    all_scores = np.concatenate([np.where(again, np.float32(-np.inf), scores), more_scores], axis=1)
    order = np.lexsort((all_ids, -all_scores), axis=1)[:, : ids.shape[1]]
    return np.take_along_axis(all_ids, order, 1), np.take_along_axis(all_scores, order, 1)
