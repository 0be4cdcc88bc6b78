from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.classifiers.knn import Knn
from indexers.testing import ClassifierContract


class TestKnn(ClassifierContract):
    def classifier(self, **more: object) -> Knn:
        return Knn(**more)  # type: ignore[arg-type]


@pytest.mark.slow
@parametrize_with_checks([Knn()])
def test_it_passes_the_checks_of_scikit_learn(estimator: Knn, check: object) -> None:
    check(estimator)  # type: ignore[operator]
