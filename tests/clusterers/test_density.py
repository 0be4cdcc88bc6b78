from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.arrays import scale_to_unit
from indexers.clusterers import Density
from indexers.clusterers.steps.neighbours import find_neighbours
from indexers.testing import ClustererContract


class TestDensity(ClustererContract):
    def clusterer(self, **more: object) -> Density:
        return Density(**{"n_clusters": 6} | more)  # type: ignore[arg-type]


@parametrize_with_checks([Density(3), Density(None, min_size=3)])
def test_it_passes_the_checks_of_scikit_learn(estimator: Density, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def groups(sizes: list[int], spread: float = 0.05, dimension: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Groups of unit vectors around the axes."""
    label = np.repeat(np.arange(len(sizes)), sizes)
    noise = np.random.default_rng(0).standard_normal((len(label), dimension))
    return scale_to_unit((np.eye(dimension)[label] + spread * noise).astype(np.float32)), label


def test_a_density_is_the_mean_and_the_shrunk_variance_of_its_rows() -> None:
    rows, label = groups([40, 60])
    fitted = Density(2, shrinkage=7.0).fit(rows)
    assert adjusted_rand_score(label, fitted.labels_) == 1
    for one in range(2):
        inside = rows[fitted.labels_ == one].astype(np.float64)
        own = ((inside - inside.mean(0)) ** 2).sum(1).mean()
        np.testing.assert_allclose(fitted.centers_[one], inside.mean(0), atol=1e-6)
        shrunk = (len(inside) * own + 7 * fitted.variance_) / (len(inside) + 7)
        assert fitted.variances_[one] == pytest.approx(shrunk, rel=1e-4)


def test_a_new_row_joins_the_likeliest_density_not_the_nearest_mean() -> None:
    tight, loose = groups([200, 1], 0.01)[0][:200], groups([0, 200], 0.2)[0]
    fitted = Density(2, shrinkage=1.0).fit(np.concatenate([tight, loose]))
    between = fitted.centers_[0] / np.linalg.norm(fitted.centers_[0]) * 0.8
    between += fitted.centers_[1] / np.linalg.norm(fitted.centers_[1]) * 0.6
    assert (fitted.centers_ @ between).argmax() == 0
    assert fitted.predict(between[None]).tolist() == [1]


def test_neighbours_that_are_given_are_used() -> None:
    rows, _ = groups([700, 500, 300])
    near = find_neighbours(rows, 15)
    found = Density(3).fit(rows)
    given = Density(3, n_neighbors=1).fit(rows, neighbours=near)
    np.testing.assert_array_equal(found.children_, given.children_)
    ragged = np.where(np.arange(15) < np.random.default_rng(0).integers(8, 16, (len(rows), 1)), near, -1)
    ragged = np.concatenate([np.arange(len(rows))[:, None], ragged], 1)  # a row may be named among its own
    assert adjusted_rand_score(found.labels_, Density(3).fit(rows, neighbours=ragged).labels_) == 1


def test_rows_without_neighbours_are_clustered_all_the_same() -> None:
    rows, label = groups([20, 30])
    assert adjusted_rand_score(label, Density(2).fit(rows, neighbours=np.full((50, 3), -1)).labels_) == 1


def test_a_cut_is_by_count_by_threshold_or_by_size() -> None:
    rows, label = groups([100, 60, 40])
    fitted = Density(3).fit(rows)
    assert fitted.distances_.shape == (199,)
    assert (np.diff(fitted.distances_) >= 0).all()
    between = float(fitted.distances_[-3:-1].mean())
    for other in (Density(None, distance_threshold=between), Density(None, min_size=35)):
        assert adjusted_rand_score(label, other.fit(rows).labels_) == 1
        assert other.n_clusters_ == 3


def test_small_clusters_join_the_likeliest_and_change_no_density() -> None:
    rows, label = groups([100, 80, 3, 1])
    fitted = Density(4).fit(rows)
    assert adjusted_rand_score(label, fitted.labels_) == 1
    between = float(fitted.distances_[-4:-2].mean())
    joined = Density(None, distance_threshold=between, min_size=5).fit(rows)
    assert adjusted_rand_score(label[:180], joined.labels_[:180]) == 1
    assert joined.sizes_.tolist() == [100, 80]
    np.testing.assert_array_equal(joined.centers_, fitted.centers_[:2])
    np.testing.assert_array_equal(joined.labels_[180:], joined.predict(rows[180:]))


def test_small_clusters_do_not_count() -> None:
    rows, label = groups([100, 80, 3, 1])
    found = Density(2, min_size=5).fit(rows)
    assert found.n_clusters_ == 2
    assert adjusted_rand_score(label[:180], found.labels_[:180]) == 1


def test_fewer_rows_than_the_smallest_size_are_one_cluster() -> None:
    assert Density(2, min_size=9).fit(groups([3, 3])[0]).labels_.tolist() == [0] * 6


def test_copies_lie_together_before_anything_else() -> None:
    rows = np.repeat(groups([1, 1, 1])[0], 40, axis=0)
    found = Density(50).fit(rows)
    assert found.labels_.tolist() == [0] * 40 + [1] * 40 + [2] * 40


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_clusters": 3, "distance_threshold": 0.5}, "at most one"),
        ({"n_clusters": None}, "when to stop"),
        ({"shrinkage": 0}, "shrinkage"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Density(**settings).fit(groups([9, 9])[0])  # type: ignore[arg-type]
