from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.classifiers.centroid import Centroid
from indexers.testing import ClassifierContract


class TestCentroid(ClassifierContract):
    def classifier(self, **more: object) -> Centroid:
        return Centroid(**more)  # type: ignore[arg-type]


@parametrize_with_checks([Centroid()])
def test_it_passes_the_checks_of_scikit_learn(estimator: Centroid, check: object) -> None:
    check(estimator)  # type: ignore[operator]
