"""The contract of a classifier as a test class to inherit; `indexers.testing` exports it beside the other contracts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from indexers.arrays import scale_to_unit
from indexers.classifiers.base import Classifier
from indexers.types import Vectors


class ClassifierContract:
    """The promises of every Classifier.

    Override `classifier` to return yours, with a fixed `random_state` if it has one, and with `**more` taking
    precedence over what you set.

    least_accuracy: the share of new rows to be right about, of four classes that lie well apart.
    """

    least_accuracy = 0.9

    def classifier(self, **more: object) -> Classifier:
        """Return a new classifier with the parameters `more`; to be overridden."""
        raise NotImplementedError("override `classifier` to return a new classifier")

    def rows(self, count: int = 120, dimension: int = 12, seed: int = 0) -> tuple[Vectors, NDArray[np.str_]]:
        """Return unit vectors of four classes, float32 (count, dimension), and the class of each."""
        random = np.random.default_rng(seed)
        places = np.arange(count) % 4
        centres = np.eye(dimension)[places]
        rows = scale_to_unit(centres + 0.15 * random.standard_normal((count, dimension)))
        return rows, np.array(["ant", "bee", "cat", "dog"])[places]

    def test_new_rows_get_the_right_classes(self) -> None:
        (rows, labels), (others, truth) = self.rows(), self.rows(seed=1)
        fitted = self.classifier().fit(rows, labels)
        assert fitted.classes_.tolist() == ["ant", "bee", "cat", "dog"]
        assert np.mean(fitted.predict(others) == truth) >= self.least_accuracy

    def test_probabilities_add_up_and_the_greatest_is_predicted(self) -> None:
        rows, labels = self.rows()
        fitted = self.classifier().fit(rows[:100], labels[:100])
        probabilities = fitted.predict_proba(rows[100:])
        assert probabilities.shape == (20, 4)
        np.testing.assert_allclose(probabilities.sum(1), 1)
        assert probabilities.min() > 0
        np.testing.assert_array_equal(fitted.classes_[probabilities.argmax(1)], fitted.predict(rows[100:]))

    def test_two_labels_a_class_are_enough(self) -> None:
        rows, labels = self.rows(8)
        assert self.classifier().fit(rows, labels).predict(rows).shape == (8,)

    def test_two_classes_are_enough(self) -> None:
        rows, labels = self.rows()
        two = np.isin(labels, ["ant", "dog"])
        fitted = self.classifier().fit(rows[two], labels[two])
        assert np.mean(fitted.predict(rows[two]) == labels[two]) >= self.least_accuracy

    def test_the_same_seed_gives_the_same_probabilities(self) -> None:
        rows, labels = self.rows()
        first, second = (self.classifier().fit(rows, labels).predict_proba(rows) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_parameters_are_json(self) -> None:
        parameters = self.classifier().get_params()
        assert json.loads(json.dumps(parameters)) == parameters

    def test_one_class_is_refused(self) -> None:
        rows, labels = self.rows()
        with pytest.raises(ValueError, match="one class: 'ant'"):
            self.classifier().fit(rows[labels == "ant"], labels[labels == "ant"])

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_rows_that_are_not_finite_are_refused(self, bad: float) -> None:
        rows, labels = self.rows()
        rows[3, 4] = bad
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            self.classifier().fit(rows, labels)

    def test_another_dimension_is_refused(self) -> None:
        rows, labels = self.rows()
        with pytest.raises(ValueError, match="features"):
            self.classifier().fit(rows, labels).predict(rows[:, :-1])

    def test_nothing_is_predicted_before_it_is_fitted(self) -> None:
        with pytest.raises(ValueError, match="not fitted"):
            self.classifier().predict(self.rows()[0])
