from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.classifiers.svm import Svm
from indexers.testing import ClassifierContract


class TestSvm(ClassifierContract):
    def classifier(self, **more: object) -> Svm:
        return Svm(**more)  # type: ignore[arg-type]


@pytest.mark.slow
@parametrize_with_checks([Svm()])
def test_it_passes_the_checks_of_scikit_learn(estimator: Svm, check: object) -> None:
    check(estimator)  # type: ignore[operator]
