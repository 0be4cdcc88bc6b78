from __future__ import annotations

import numpy as np
import pytest
import sklearn.cluster

from indexers.clusterers.steps.descent import Descent, Optimum
from tests.bench.harness import make_nested_vectors

ROUNDS = 1000


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return make_nested_vectors(1500, 16)[0]


def check_optimum(optimum: Optimum, rows: np.ndarray) -> None:
    """Assert that this is one of Lloyd's optima, with its true labels and distances."""
    apart = ((rows[:, None].astype(float) - optimum.centres) ** 2).sum(2)
    np.testing.assert_array_equal(optimum.labels, apart.argmin(1))
    np.testing.assert_allclose(optimum.distance, apart.min(1), rtol=1e-3)
    np.testing.assert_allclose(optimum.second_distance, np.sort(apart, 1)[:, 1], rtol=1e-3)
    mean = [rows[optimum.labels == cluster].mean(0) for cluster in range(len(optimum.centres))]
    np.testing.assert_allclose(optimum.centres, mean, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_it_comes_to_where_scikit_learn_comes(rows: np.ndarray, seed: int) -> None:
    start, _ = sklearn.cluster.kmeans_plusplus(rows, 20, random_state=seed)
    theirs = sklearn.cluster.KMeans(20, init=start, n_init=1, max_iter=ROUNDS, tol=0).fit(rows)
    optimum = Descent(rows, start).run_lloyd(ROUNDS).get_optimum()
    check_optimum(optimum, rows)
    np.testing.assert_array_equal(optimum.labels, theirs.labels_)
    assert optimum.inertia == pytest.approx(theirs.inertia_, rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_single_moves_leave_optima_of_lloyd_for_better_ones(rows: np.ndarray, seed: int) -> None:
    few = rows[:200]
    start, _ = sklearn.cluster.kmeans_plusplus(few, 20, random_state=seed)
    before = Descent(few, start).run_lloyd(ROUNDS).get_optimum()
    after = Descent(few, start).run_lloyd(ROUNDS).run_hartigan(ROUNDS).get_optimum()
    check_optimum(after, few)
    assert after.inertia < 0.99 * before.inertia


def test_the_given_centres_stay_as_they_were(rows: np.ndarray) -> None:
    start = rows[:9].copy()
    Descent(rows, start).run_lloyd(5).run_hartigan(5)
    np.testing.assert_array_equal(start, rows[:9])


def test_a_centre_without_rows_goes_where_it_is_needed() -> None:
    rows = np.array([[0.0], [0.1], [10.0], [10.1]])
    optimum = Descent(rows, np.array([[0.0], [50.0]])).run_lloyd(ROUNDS).get_optimum()
    assert sorted(optimum.centres.ravel().tolist()) == pytest.approx([0.05, 10.05])


def test_loss_is_what_the_inertia_grows_by_without_a_centre(rows: np.ndarray) -> None:
    optimum = Descent(rows, rows[:7]).run_lloyd(ROUNDS).get_optimum()
    apart = ((rows[:, None].astype(float) - np.delete(optimum.centres, 4, 0)) ** 2).sum(2)
    assert optimum.removal_cost[4] == pytest.approx(apart.min(1).sum() - optimum.inertia, rel=1e-3)


def test_one_centre_is_the_mean(rows: np.ndarray) -> None:
    optimum = Descent(rows, rows[:1]).run_lloyd(ROUNDS).run_hartigan(ROUNDS).get_optimum()
    np.testing.assert_allclose(optimum.centres[0], rows.mean(0), atol=1e-5)
    assert optimum.removal_cost.tolist() == [np.inf]
