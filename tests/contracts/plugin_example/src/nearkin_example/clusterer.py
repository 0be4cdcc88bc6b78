"""A clusterer: scikit-learn's interface, with `_fit` and `_predict` in place of `fit` and `predict`."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from indexers.clusterers.base import Clusterer, Ints, ProgressCallback, Rows


class Leader(Clusterer):
    """A row joins the nearest leader within a distance, or else leads a cluster of its own (Hartigan, "Clustering
    Algorithms", 1975). One pass; the order of the rows counts.

    Parameters
    ----------
    distance: Euclidean.
    """

    learned: ClassVar[tuple[str, ...]] = ("leaders_",)
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"distance": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, distance: float = 0.8) -> None:
        self.distance = distance

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        leaders = rows[:1]
        for row in rows[1:]:
            if np.linalg.norm(leaders - row, axis=1).min() > self.distance:
                leaders = np.vstack([leaders, row])
        self.leaders_ = leaders
        self.labels_ = self._nearest(rows)

    def _predict(self, rows: Rows) -> Ints:
        return self._nearest(rows)

    def _nearest(self, rows: Rows) -> Ints:
        apart = np.linalg.norm(rows[:, None] - self.leaders_, axis=2)
        return apart.argmin(axis=1).astype(np.int64)
