"""A random forest."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from indexers.classifiers.base import Classifier, Rows


class Forest(Classifier):
    """A random forest (Breiman, 2001), scikit-learn's.

    n_estimators: trees.
    random_state: as in scikit-learn.
    """

    is_slow = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, n_estimators: int = 100, *, random_state: Any = None) -> None:
        self.n_estimators = n_estimators
        self.random_state = random_state

    def _fit(self, rows: Rows, places: NDArray[np.int64]) -> None:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(self.n_estimators, random_state=self.random_state)
        self.forest_ = forest.fit(rows, places)

    def _compute_probabilities(self, rows: Rows) -> Rows:
        return np.asarray(self.forest_.predict_proba(rows))
