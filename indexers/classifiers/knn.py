"""The labelled rows that are nearest vote."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from indexers.arrays import scale_to_unit
from indexers.classifiers.base import LEAST, Classifier, Rows

BLOCK = 4096


class Knn(Classifier):
    """The k nearest labelled rows vote, each with the more weight the more similar it is (Cover and Hart, 1967; weights
    after Wu et al., CVPR 2018).

    n_neighbors: how many vote, at most.
    sharpness: how fast the weight of a vote falls with the cosine.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "sharpness": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, n_neighbors: int = 10, *, sharpness: float = 20.0) -> None:
        self.n_neighbors = n_neighbors
        self.sharpness = sharpness

    def _fit(self, rows: Rows, places: NDArray[np.int64]) -> None:
        self.origin_ = rows.mean(0)
        self.rows_, self.places_ = scale_to_unit(rows - self.origin_), places

    def _compute_probabilities(self, rows: Rows) -> Rows:
        count = min(self.n_neighbors, len(self.rows_))
        votes = np.full((len(rows), len(self.classes_)), LEAST)
        for start in range(0, len(rows), BLOCK):
            similarity = scale_to_unit(rows[start : start + BLOCK] - self.origin_) @ self.rows_.T
            nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
            best = np.take_along_axis(similarity, nearest, 1)
            weight = np.exp(self.sharpness * (best - best.max(1, keepdims=True)))
            voters = np.repeat(np.arange(start, start + len(best)), count)
            np.add.at(votes, (voters, self.places_[nearest].ravel()), weight.ravel())
        return votes
