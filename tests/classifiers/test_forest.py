from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.classifiers.forest import Forest
from indexers.testing import ClassifierContract


class TestForest(ClassifierContract):
    def classifier(self, **more: object) -> Forest:
        return Forest(**{"n_estimators": 30, "random_state": 0} | more)  # type: ignore[arg-type]


@pytest.mark.slow
@parametrize_with_checks([Forest(5, random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator: Forest, check: object) -> None:
    check(estimator)  # type: ignore[operator]
