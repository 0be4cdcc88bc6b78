from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import HDBSCAN
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.clusterers import Hdbscan, hdbscan
from indexers.testing import ClustererContract


class TestHdbscan(ClustererContract):
    def clusterer(self, **more: object) -> Hdbscan:
        return Hdbscan(**more)  # type: ignore[arg-type]


@parametrize_with_checks([Hdbscan()])
def test_it_passes_the_checks_of_scikit_learn(estimator: Hdbscan, check: object) -> None:
    check(estimator)  # type: ignore[operator]


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_it_is_the_one_of_scikit_learn(metric: str) -> None:
    rows, _ = TestHdbscan().rows()
    ours = Hdbscan(12, min_samples=4, metric=metric).fit(rows)
    theirs = HDBSCAN(12, min_samples=4, metric=metric, copy=True).fit(rows)
    assert adjusted_rand_score(ours.labels_, theirs.labels_) == 1
    np.testing.assert_array_equal(ours.labels_ < 0, theirs.labels_ < 0)
    np.testing.assert_array_equal(ours.probabilities_, theirs.probabilities_)


def test_more_rows_than_all_pairs_can_be_held_of_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = TestHdbscan().rows()
    monkeypatch.setattr(hdbscan, "LIMIT", 100)
    with pytest.raises(ValueError, match=r"240 rows.*at most 100.*use unit vectors"):
        Hdbscan(metric="cosine").fit(rows)
    assert len(Hdbscan().fit(rows).labels_) == 240
