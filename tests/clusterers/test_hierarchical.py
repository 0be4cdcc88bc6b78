from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.clusterers import Hierarchical, hierarchical
from indexers.testing import ClustererContract

KINDS = [
    (linkage, metric)
    for linkage in ("single", "complete", "average", "ward")
    for metric in ("euclidean", "cosine", "manhattan")
    if linkage != "ward" or metric == "euclidean"
]


class TestHierarchical(ClustererContract):
    def clusterer(self, **more: object) -> Hierarchical:
        return Hierarchical(**{"n_clusters": 6} | more)  # type: ignore[arg-type]


@parametrize_with_checks([Hierarchical(3, linkage="ward"), Hierarchical(3, linkage="single", metric="cosine")])
def test_it_passes_the_checks_of_scikit_learn(estimator: Hierarchical, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def rows(count: int = 200) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 5)) + 1


@pytest.mark.parametrize(("linkage", "metric"), KINDS)
def test_the_tree_is_the_one_of_scikit_learn(linkage: str, metric: str) -> None:
    ours = Hierarchical(9, linkage=linkage, metric=metric).fit(rows())
    theirs = AgglomerativeClustering(9, linkage=linkage, metric=metric, compute_distances=True).fit(rows())
    np.testing.assert_array_equal(np.sort(ours.children_), np.sort(theirs.children_))
    np.testing.assert_allclose(ours.distances_, theirs.distances_, atol=1e-7)
    assert adjusted_rand_score(ours.labels_, theirs.labels_) == 1
    assert ours.n_clusters_ == 9


@pytest.mark.parametrize("linkage", ["single", "complete", "average", "ward"])
def test_a_threshold_cuts_where_that_of_scikit_learn_cuts(linkage: str) -> None:
    ours = Hierarchical(None, distance_threshold=1.7, linkage=linkage).fit(rows())
    theirs = AgglomerativeClustering(None, distance_threshold=1.7, linkage=linkage).fit(rows())
    assert ours.n_clusters_ == theirs.n_clusters_
    assert adjusted_rand_score(ours.labels_, theirs.labels_) == 1


@pytest.mark.parametrize(("linkage", "metric"), KINDS)
def test_a_new_row_joins_by_the_linkage(linkage: str, metric: str) -> None:
    known, new = rows(), np.random.default_rng(1).standard_normal((40, 5)) + 1
    fitted = Hierarchical(6, linkage=linkage, metric=metric).fit(known)
    distance = cdist(new, known, "cityblock" if metric == "manhattan" else metric)
    members = [np.flatnonzero(fitted.labels_ == one) for one in range(6)]
    if linkage == "ward":
        means = np.array([known[one].mean(0) for one in members])
        cost = cdist(new, means) ** 2 * [len(one) / (len(one) + 1) for one in members]
    else:
        within = {"single": np.min, "complete": np.max, "average": np.mean}[linkage]
        cost = np.stack([within(distance[:, one], axis=1) for one in members], 1)
    np.testing.assert_array_equal(fitted.predict(new), cost.argmin(1))


def test_rows_of_single_linkage_are_predicted_into_their_own_cluster() -> None:
    fitted = Hierarchical(20, linkage="single").fit(rows())
    np.testing.assert_array_equal(fitted.predict(rows()), fitted.labels_)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_clusters": None}, "exactly one"),
        ({"n_clusters": 3, "distance_threshold": 0.5}, "exactly one"),
        ({"linkage": "ward", "metric": "cosine"}, "'euclidean' only"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Hierarchical(**settings).fit(rows())  # type: ignore[arg-type]


def test_more_rows_than_all_pairs_can_be_held_of_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hierarchical, "LIMIT", 100)
    with pytest.raises(ValueError, match=r"200 rows.*at most 100.*use Density"):
        Hierarchical(3).fit(rows())
    assert Hierarchical(3, linkage="single").fit(rows()).n_clusters_ == 3
