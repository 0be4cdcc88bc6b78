from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.arrays import scale_to_unit
from indexers.clusterers import KMeans, Sampled
from indexers.clusterers.steps.neighbours import find_neighbours
from indexers.errors import UnknownPlugin
from indexers.testing import ClustererContract

SIX = {"n_clusters": 6}


class TestSampled(ClustererContract):
    def clusterer(self, **more: object) -> Sampled:
        return Sampled(**{"parameters": SIX, "count": 60, "random_state": 0} | more)  # type: ignore[arg-type]


class TestSampledWithOutliers(ClustererContract):
    def clusterer(self, **more: object) -> Sampled:
        how = {"method": "genetic", "parameters": SIX | {"generations": 10}, "outliers": 0.02, "random_state": 0}
        return Sampled(**how | {"predict_outliers": False} | more)  # type: ignore[arg-type]


@parametrize_with_checks([Sampled(parameters={"n_clusters": 3}, random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator: Sampled, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_many_copies_of_one_group_do_not_take_the_clusters_of_the_others() -> None:
    """Six groups; the rows of one of them come forty times, so that k-means alone spends clusters on them."""
    rows, label = ClustererContract().rows(300)
    first = np.flatnonzero(label == 0)
    noise = np.random.default_rng(0).standard_normal((40 * len(first), rows.shape[1]))
    many = scale_to_unit((np.repeat(rows[first], 40, axis=0) + 0.01 * noise).astype(np.float32))
    rows, label = np.concatenate([rows, many]), np.concatenate([label, np.zeros(len(many), int)])
    found = (
        Sampled("kmeans", SIX | {"n_init": 1}, random_state=0).fit(rows, neighbours=find_neighbours(rows, 15)).labels_
    )
    assert adjusted_rand_score(label, found) > 0.99
    assert adjusted_rand_score(label, KMeans(6, n_init=1, random_state=0).fit(rows).labels_) < 0.9


def test_all_that_was_not_chosen_is_predicted_and_copies_follow() -> None:
    rows, _ = ClustererContract().rows(400)
    rows = np.concatenate([rows, rows[:50]])
    found = Sampled("kmeans", SIX, count=40, random_state=0).fit(rows)
    assert len(found.sample_.rows) == 40
    np.testing.assert_array_equal(found.labels_[400:], found.labels_[:50])
    np.testing.assert_array_equal(found.labels_[found.sample_.rows], found.clusterer_.labels_)
    alone = found.sample_.representative == np.arange(450)
    np.testing.assert_array_equal(found.labels_[alone], found.predict(rows)[alone])


@pytest.mark.parametrize("predicted", [True, False])
def test_outliers_are_predicted_or_in_no_cluster(predicted: bool) -> None:
    rows, _ = ClustererContract().rows(300)
    stray = scale_to_unit(np.random.default_rng(0).standard_normal((5, rows.shape[1])).astype(np.float32))
    rows = np.concatenate([rows, stray])
    kind = Sampled("kmeans", SIX, copies=None, outliers=5 / 305, predict_outliers=predicted, random_state=0)
    found = kind.fit(rows).labels_
    assert (found[300:] >= 0).all() == predicted
    assert (found[:300] >= 0).all()


def test_progress_and_random_state_reach_the_clusterer() -> None:
    rows, _ = ClustererContract().rows()
    seen: list[int] = []
    found = Sampled("genetic", SIX | {"generations": 3}, random_state=5)
    found.fit(rows, progress=lambda done, total, what: seen.append(done))
    assert seen == [1, 2, 3]
    assert found.clusterer_.random_state == 5
    assert Sampled("kmeans", {"random_state": 2}, random_state=5).fit(rows).clusterer_.random_state == 2


def test_one_that_can_not_predict_is_refused() -> None:
    with pytest.raises(ValueError, match="method='agglomeration' can't predict"):
        Sampled("agglomeration").fit(ClustererContract().rows()[0])


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(UnknownPlugin, match="no clusterer 'averages'"):
        Sampled("averages").fit(ClustererContract().rows()[0])
