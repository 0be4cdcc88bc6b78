"""An index: ids and vectors in, nearest ids out. This one compares with everything, in one product."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexers.errors import BadQuery, BadSetting
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.base import VectorIndex, check_k, make_empty_answer, pair_with_ids


class Plain(VectorIndex):
    """Rows in order of id, float64, so that equal vectors score the same to float32."""

    metrics: ClassVar[frozenset[Metric]] = frozenset({"cosine", "ip"})

    def __init__(self, dimension: int, metric: Metric = "cosine", **unknown: Any) -> None:
        super().__init__(dimension, metric)
        if unknown:
            raise BadSetting(f"plain has no settings; got {sorted(unknown)[0]!r}")
        self._ids, self._rows = np.empty(0, np.int64), np.empty((0, dimension))

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> Ids:
        return self._ids.copy()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        ids, vectors = pair_with_ids(ids, self.prepare(vectors))
        self.remove(ids)
        ids, rows = np.concatenate([self._ids, ids]), np.concatenate([self._rows, vectors])
        order = np.argsort(ids)
        self._ids, self._rows = ids[order], rows[order]

    def remove(self, ids: Ids) -> None:
        stays = ~np.isin(self._ids, ids)
        self._ids, self._rows = self._ids[stays], self._rows[stays]

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> Neighbours:
        """Return the k nearest. nearkin's own layer answers restricted searches and never passes `allowed`."""
        if allowed is not None:
            raise BadQuery("plain can't restrict its answers; search through a Searcher")
        table = (self.prepare(queries) @ self._rows.T).astype(np.float32)
        ids, scores = make_empty_answer(len(table), check_k(k))
        best = np.argsort(-table, axis=1, kind="stable")[:, :k]  # stable: equal ones by smaller id
        ids[:, : best.shape[1]] = self._ids[best]
        scores[:, : best.shape[1]] = np.take_along_axis(table, best, 1)
        return Neighbours(ids, scores, self.position)

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, ids=self._ids, rows=self._rows)

    def load(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self._ids, self._rows = arrays["ids"], arrays["rows"]
