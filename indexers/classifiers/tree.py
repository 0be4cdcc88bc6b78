"""A decision tree."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from indexers.classifiers.base import Classifier, Rows


class Tree(Classifier):
    """A decision tree (Breiman et al., 1984), scikit-learn's. It asks of one coordinate at a time, which says little of
    a picture: it is here to be compared with.

    max_depth: the most questions before an answer.
    random_state: as in scikit-learn.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(self, max_depth: int | None = None, *, random_state: Any = None) -> None:
        self.max_depth = max_depth
        self.random_state = random_state

    def _fit(self, rows: Rows, places: NDArray[np.int64]) -> None:
        from sklearn.tree import DecisionTreeClassifier

        self.tree_ = DecisionTreeClassifier(max_depth=self.max_depth, random_state=self.random_state).fit(rows, places)

    def _compute_probabilities(self, rows: Rows) -> Rows:
        return np.asarray(self.tree_.predict_proba(rows))
