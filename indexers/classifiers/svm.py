"""A support vector machine."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from indexers.classifiers.base import Classifier, Rows, softmax


class Svm(Classifier):
    """A support vector machine (Cortes and Vapnik, 1995), scikit-learn's, one class against the rest.

    C: what a row on the wrong side costs.
    kernel: rbf, linear, poly or sigmoid.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "C": [Interval(Real, 0, None, closed="neither")],
        "kernel": [StrOptions({"rbf", "linear", "poly", "sigmoid"})],
    }

    def __init__(self, C: float = 10.0, *, kernel: str = "rbf") -> None:  # noqa: N803
        self.C = C
        self.kernel = kernel

    def _fit(self, rows: Rows, places: NDArray[np.int64]) -> None:
        from sklearn.svm import SVC

        # "ovr" makes margins of the votes of pairs: one score a class, without Platt's folds, which few labels can't
        # fill; `confidence` makes probabilities of them
        self.machine_ = SVC(C=self.C, kernel=self.kernel, decision_function_shape="ovr").fit(rows, places)

    def _compute_probabilities(self, rows: Rows) -> Rows:
        margins = self.machine_.decision_function(rows)
        if margins.ndim == 1:
            margins = np.column_stack([np.zeros(len(margins)), 2 * margins])
        return softmax(2 * margins)
