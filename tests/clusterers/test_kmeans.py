from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans as Theirs
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.clusterers import KMeans
from indexers.testing import ClustererContract


class TestKMeans(ClustererContract):
    def clusterer(self, **more: object) -> KMeans:
        return KMeans(**{"n_clusters": 6, "random_state": 0} | more)  # type: ignore[arg-type]


@parametrize_with_checks([KMeans(3, random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator: KMeans, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_it_is_the_one_of_scikit_learn() -> None:
    rows = np.random.default_rng(0).standard_normal((300, 5))
    ours, theirs = KMeans(7, random_state=3).fit(rows), Theirs(7, n_init=3, random_state=3).fit(rows)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_array_equal(ours.predict(rows), theirs.labels_)
    assert ours.inertia_ == theirs.inertia_
