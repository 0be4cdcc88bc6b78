"""The contract of a classifier: vectors and labels in, the probability of each class out, as scikit-learn has it."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

Rows = NDArray[np.floating]
Scores = NDArray[np.float64]
LEAST = 1e-9
"""The least probability of a class: none is impossible."""


@contextmanager
def allow_many_classes() -> Iterator[None]:
    """Keep scikit-learn from warning that few labels of many classes might be meant for a regression."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater", UserWarning)
        yield


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of rows of numbers.

    Each member of the family has a module of its own, declares the valid range of its parameters in
    `_parameter_constraints`, and implements `_fit` and `_compute_probabilities`. Parameters are JSON values. The same
    rows, labels, parameters and `random_state` give the same probabilities.

    Attributes
    ----------
    classes_: (c,), the labels that `fit` was given, each once, sorted.
    """

    is_slow: ClassVar[bool] = False
    """True if it takes too long to be tried beside others on the chance that it serves some labels best."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Learn from the rows of X, (n, d), and the label of each, (n,).

        Raises ValueError (NaN, labels of one class only, parameters out of range), MissingPackage.
        """
        self._validate_params()
        rows, labels = validate_data(self, X, y, dtype=[np.float64, np.float32])
        with allow_many_classes():
            check_classification_targets(labels)
        self.classes_, places = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"labels of two classes or more are needed; got one class: {str(self.classes_[0])!r}")
        with allow_many_classes():
            self._fit(rows, places.astype(np.int64))
        return self

    def predict_proba(self, X: Any) -> Scores:  # noqa: N803
        """Return the probability of each class for each row of X, float64 (n, c); a row adds up to 1."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        scores = np.maximum(self._compute_probabilities(rows).astype(np.float64), LEAST)
        return np.asarray(scores / scores.sum(1, keepdims=True))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the most probable class of each row of X, (n,)."""
        places = self.predict_proba(X).argmax(1)
        return np.asarray(self.classes_[places])

    @abstractmethod
    def _fit(self, rows: Rows, places: NDArray[np.int64]) -> None:
        """Learn from rows that have been validated. places: of each label in `classes_`, each of which occurs."""

    @abstractmethod
    def _compute_probabilities(self, rows: Rows) -> Rows:
        """Return the probability of each class for rows that have been validated, (n, c), up to a factor a row."""


def softmax(scores: Rows) -> Rows:
    """Return exp(scores) with rows that add up to 1."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))
