from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.clusterers import Density
from indexers.testing import ClustererContract


class TestDensity(ClustererContract):
    def clusterer(self, **more: object) -> Density:
        return Density(**{"n_clusters": 6} | more)  # type: ignore[arg-type]


@parametrize_with_checks([Density(3), Density(None, min_size=3)])
def test_it_passes_the_checks_of_scikit_learn(estimator: Density, check: object) -> None:
    check(estimator)  # type: ignore[operator]
