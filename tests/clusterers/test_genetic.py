from __future__ import annotations

import numpy as np
import pytest
import sklearn.cluster
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.clusterers import Genetic
from indexers.clusterers.genetic import compute_bic, cross_parents
from indexers.clusterers.steps.descent import Optimum
from indexers.testing import ClustererContract


class TestGenetic(ClustererContract):
    def clusterer(self, **more: object) -> Genetic:
        return Genetic(**{"n_clusters": 6, "generations": 20, "random_state": 0} | more)  # type: ignore[arg-type]


class TestGeneticOfAnyNumber(ClustererContract):
    def clusterer(self, **more: object) -> Genetic:
        return Genetic(**{"n_clusters": None, "generations": 60, "random_state": 0} | more)  # type: ignore[arg-type]


@parametrize_with_checks([Genetic(3, generations=5, random_state=0), Genetic(None, generations=5, random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator: Genetic, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def grid(side: int, each: int = 12) -> np.ndarray:
    """side x side groups on a plane."""
    place = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    noise = np.random.default_rng(0).normal(scale=0.08, size=(side * side * each, 2))
    return np.repeat(place, each, axis=0) + noise


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_what_restarts_do_not(seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((600, 8))
    ours = Genetic(40, random_state=seed).fit(rows)
    restarts = sklearn.cluster.KMeans(40, n_init=20, tol=0, random_state=seed).fit(rows)
    assert ours.inertia_ < 0.98 * restarts.inertia_


def test_its_labels_are_those_of_the_nearest_centres_and_its_inertia_their_distance() -> None:
    rows = np.random.default_rng(0).standard_normal((400, 9))
    fitted = Genetic(12, generations=10, random_state=1).fit(rows)
    np.testing.assert_array_equal(fitted.predict(rows), fitted.labels_)
    apart = rows - fitted.cluster_centers_[fitted.labels_]
    assert fitted.inertia_ == pytest.approx((apart**2).sum())
    mean = [rows[fitted.labels_ == one].mean(0) for one in range(12)]
    np.testing.assert_allclose(fitted.cluster_centers_, mean)


def test_more_generations_are_never_worse() -> None:
    rows = grid(5)
    inertias = [Genetic(25, generations=count, random_state=3).fit(rows).inertia_ for count in (0, 10, 40)]
    assert sorted(inertias, reverse=True) == inertias


def test_it_tells_how_far_it_is() -> None:
    seen: list[tuple[int, int, str]] = []
    Genetic(3, generations=4, random_state=0).fit(grid(2), progress=lambda *step: seen.append(step))
    assert seen == [(done, 4, "generations") for done in (1, 2, 3, 4)]


@pytest.mark.parametrize("side", [2, 3, 4])
def test_the_number_evolves_to_that_of_the_groups(side: int) -> None:
    fitted = Genetic(None, random_state=0).fit(grid(side, each=30))
    assert len(fitted.cluster_centers_) == side**2


def test_the_criterion_is_that_of_a_spherical_mixture() -> None:
    """Against the likelihood written out row by row."""
    rows = np.random.default_rng(0).standard_normal((60, 3))
    label = np.arange(60) % 4
    centres = np.stack([rows[label == one].mean(0) for one in range(4)])
    distance = ((rows - centres[label]) ** 2).sum(1)
    variance = distance.sum() / (3 * 56)
    likelihood = np.log(15 / 60) - 1.5 * np.log(2 * np.pi * variance) - distance / (2 * variance)
    expected = likelihood.sum() - 4 * 4 / 2 * np.log(60)
    assert compute_bic(Optimum(centres, label, distance, distance)) == pytest.approx(expected)


def test_a_child_has_one_centre_of_each_matched_pair() -> None:
    random = np.random.RandomState(0)
    centres = 10.0 * np.eye(6)
    parents = [
        Optimum(centres[order] + shift, np.arange(6), np.zeros(6), np.ones(6))
        for order, shift in ((np.arange(6), 0.0), (random.permutation(6), 0.5))
    ]
    child, loss = cross_parents(parents[0], parents[1], random)
    assert sorted(child.argmax(1).tolist()) == list(range(6))
    assert set(child.min(1).tolist()) == {0.0, 0.5}
    np.testing.assert_array_equal(loss, np.ones(6))


def test_parents_of_different_numbers_have_children_between() -> None:
    random = np.random.RandomState(0)
    few, many = (Optimum(10.0 * np.eye(9)[:k], np.arange(k), np.zeros(k), np.ones(k)) for k in (3, 9))
    counts = [len(cross_parents(few, many, random)[0]) for _ in range(50)]
    assert min(counts) < 6 < max(counts)
    assert 3 <= min(counts) <= max(counts) <= 9


def test_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="population"):
        Genetic(2, population=1).fit(grid(2))
