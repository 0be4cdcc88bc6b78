from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.classifiers.tree import Tree
from indexers.testing import ClassifierContract


class TestTree(ClassifierContract):
    def classifier(self, **more: object) -> Tree:
        return Tree(**{"random_state": 0} | more)  # type: ignore[arg-type]


@pytest.mark.slow
@parametrize_with_checks([Tree(random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator: Tree, check: object) -> None:
    check(estimator)  # type: ignore[operator]
