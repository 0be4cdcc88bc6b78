from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.classifiers.logistic import Logistic
from indexers.testing import ClassifierContract


class TestLogistic(ClassifierContract):
    def classifier(self, **more: object) -> Logistic:
        return Logistic(**more)  # type: ignore[arg-type]


@parametrize_with_checks([Logistic()])
def test_it_passes_the_checks_of_scikit_learn(estimator: Logistic, check: object) -> None:
    check(estimator)  # type: ignore[operator]
