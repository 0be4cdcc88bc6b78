from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.clusterers import GraphAgglomeration
from indexers.tree.fixed_point import UNIT, round_vectors


def blobs(count: int, groups: int = 12, dimension: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = np.arange(count) % groups
    centres = random.standard_normal((groups, dimension))
    return centres[label] + 0.25 * random.standard_normal((count, dimension)), label


@parametrize_with_checks([GraphAgglomeration(), GraphAgglomeration(n_clusters=3, limit=8)])
def test_it_passes_the_checks_of_scikit_learn(estimator: GraphAgglomeration, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_few_rows_give_the_average_linkage_of_scikit_learn() -> None:
    rows, _ = blobs(300)
    ours = GraphAgglomeration(n_clusters=12).fit(rows)
    fixed = round_vectors(rows).astype(np.float64)
    theirs = AgglomerativeClustering(
        n_clusters=12, metric="precomputed", linkage="average", compute_distances=True
    ).fit(1 - fixed @ fixed.T / UNIT)
    np.testing.assert_allclose(ours.distances_, theirs.distances_, rtol=1e-9)
    np.testing.assert_array_equal(ours.children_, np.sort(theirs.children_, 1))
    assert adjusted_rand_score(ours.labels_, theirs.labels_) == 1


def test_rows_in_several_batches_give_the_tree_of_one() -> None:
    rows, _ = blobs(400)
    whole = GraphAgglomeration(n_neighbors=6, n_clusters=12, limit=30).fit(rows)
    parts = GraphAgglomeration(n_neighbors=6, n_clusters=12, limit=30)
    for start, end in ((0, 1), (1, 4), (4, 150), (150, 151), (151, 400)):
        parts.partial_fit(rows[start:end])
    np.testing.assert_array_equal(parts.labels_, whole.labels_)
    np.testing.assert_array_equal(parts.distances_, whole.distances_)


def test_groups_are_found_by_count_by_threshold_and_by_itself() -> None:
    rows, label = blobs(600)
    by_count = GraphAgglomeration(n_clusters=12, limit=50).fit(rows)
    assert adjusted_rand_score(label, by_count.labels_) > 0.99
    cut = (by_count.distances_[-12] + by_count.distances_[-11]) / 2
    by_threshold = GraphAgglomeration(distance_threshold=cut, limit=50).fit(rows)
    np.testing.assert_array_equal(by_threshold.labels_, by_count.labels_)
    assert by_threshold.n_clusters_ == 12
    assert adjusted_rand_score(label, GraphAgglomeration(limit=50).fit_predict(rows)) > 0.9


def test_distances_never_fall_and_every_row_is_merged_once() -> None:
    rows, _ = blobs(500, groups=3)
    fitted = GraphAgglomeration(n_neighbors=4, limit=10).fit(rows)
    assert (np.diff(fitted.distances_) >= 0).all()
    assert np.array_equal(np.sort(fitted.children_.ravel()), np.arange(2 * 500 - 2))
    assert (fitted.children_ < 500 + np.arange(499)[:, None]).all()


def test_exact_copies_are_merged_first_at_distance_zero() -> None:
    rows, _ = blobs(20, groups=4)
    fitted = GraphAgglomeration(n_clusters=4).fit(np.concatenate([rows, rows[:5] * 3, rows[:2]]))
    assert (fitted.distances_[:7] == 0).all()
    assert (fitted.distances_[7:] > 0).all()
    np.testing.assert_array_equal(fitted.labels_[:5], fitted.labels_[20:25])
    assert GraphAgglomeration(n_clusters=27).fit(np.concatenate([rows, rows[:5], rows[:2]])).n_clusters_ == 27


def test_parts_that_no_edge_joins_are_put_together_last() -> None:
    random = np.random.default_rng(0)
    axes = np.repeat(np.eye(8), 6, axis=0)
    fitted = GraphAgglomeration(n_neighbors=3, n_clusters=8, limit=1).fit(
        axes + 0.01 * random.standard_normal(axes.shape)
    )
    assert fitted.distances_[-7:] == pytest.approx(1, abs=0.03)
    assert (np.diff(fitted.distances_) >= 0).all()
    np.testing.assert_array_equal(fitted.labels_, np.repeat(np.arange(8), 6))


def test_rows_without_a_direction_are_at_distance_one_of_all() -> None:
    rows, _ = blobs(40, groups=4)
    fitted = GraphAgglomeration(n_clusters=5).fit(np.concatenate([rows, np.zeros((2, 16))]))
    assert fitted.distances_[0] == 0
    assert 1 in fitted.distances_
    assert fitted.labels_[40] == fitted.labels_[41]
    assert np.count_nonzero(fitted.labels_ == fitted.labels_[40]) == 2


def test_what_cannot_be_is_refused() -> None:
    rows, _ = blobs(10)
    with pytest.raises(ValueError, match="at most one"):
        GraphAgglomeration(n_clusters=2, distance_threshold=0.5).fit(rows)
    with pytest.raises(ValueError, match="only n_samples=10"):
        GraphAgglomeration(n_clusters=11).fit(rows)
