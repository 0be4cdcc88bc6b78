"""The nearest mean of a class: a few labels are enough, and it is done at once."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval  # scikit-learn's own estimators declare theirs with it

from indexers.arrays import scale_to_unit
from indexers.classifiers.base import LEAST, Classifier, Rows, softmax


class Centroid(Classifier):
    """Rows belong to the class whose mean direction is most similar (Rocchio).

    sharpness: how fast the probability of a class falls with the cosine to its mean.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"sharpness": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, sharpness: float = 20.0) -> None:
        self.sharpness = sharpness

    def _fit(self, rows: Rows, places: NDArray[np.int64]) -> None:
        self.origin_ = rows.mean(0)
        means = np.zeros((len(self.classes_), rows.shape[1]))
        np.add.at(means, places, scale_to_unit(rows - self.origin_))
        self.means_ = scale_to_unit(means)

    def _compute_probabilities(self, rows: Rows) -> Rows:
        moved = rows - self.origin_
        lengths = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), LEAST)
        return softmax(self.sharpness * (moved @ self.means_.T) / lengths)
