from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.clusterers import Hvae
from indexers.clusterers.hvae import LOWER, compute_divergence, multiply_gaussians, split_gaussian
from indexers.clusterers.steps.networks import run_network
from indexers.testing import ClustererContract
from tests.clusterers.test_deep import check_tree

pytest.importorskip("torch", reason="training needs torch")


class TestHvae(ClustererContract):
    def clusterer(self, **more: object) -> Hvae:
        return Hvae(**{"n_clusters": 6, "random_state": 0, "device": "cpu", "epochs": 8} | more)  # type: ignore[arg-type]

    def test_it_reconstructs_better_from_round_to_round(self) -> None:
        fitted = digits()
        assert fitted.n_iter_ == len(fitted.round_errors_) >= 2
        assert (np.diff(fitted.round_errors_) < 0).all()

    def test_its_lower_level_lives(self) -> None:
        """Its dimensions tell something of a row beyond what the upper level does."""
        fitted, rows = digits(), load_digits(return_X_y=True)[0][:900]
        projected = fitted._project(rows)
        expected = run_network(fitted.below_, fitted._encode(rows))
        mean, variance = multiply_gaussians(run_network(fitted.bottom_, projected), expected)
        information = compute_divergence(mean, np.log(variance), *split_gaussian(expected)).mean(0)
        assert np.count_nonzero(information > 0.01) >= LOWER / 2

    def test_its_tree_is_where_k_means_began(self) -> None:
        check_tree(digits(), load_digits(return_X_y=True)[0][:900])

    def test_it_says_how_well_a_row_fits(self) -> None:
        fitted = sixfold()
        rows, _ = self.rows()
        np.testing.assert_allclose(fitted.reconstruction_error(rows), fitted.errors_)
        assert fitted.errors_.mean() == fitted.round_errors_[-1] < rows.var(0).mean() / 2
        strange = np.random.default_rng(1).standard_normal((20, 12)).astype(np.float32)
        assert fitted.reconstruction_error(strange).min() > np.median(fitted.errors_)

    def test_the_typical_row_of_a_cluster_is_like_its_mean(self) -> None:
        fitted = sixfold()
        rows, _ = self.rows()
        typical = np.stack([fitted.typical(cluster) for cluster in range(6)])
        assert typical.dtype == np.float32
        means = np.stack([rows[fitted.labels_ == cluster].mean(0) for cluster in range(6)])
        assert np.linalg.norm(typical - means, axis=1).max() < 0.3
        assert fitted.predict(typical).tolist() == list(range(6))

    def test_a_cluster_that_is_not_there_has_nothing_typical(self) -> None:
        fitted = sixfold()
        with pytest.raises(ValueError, match="no cluster 6; there are 0 to 5"):
            fitted.typical(6)

    def test_a_saved_one_reconstructs_the_same(self) -> None:
        fitted = sixfold()
        loaded, rows = Hvae.from_bytes(fitted.to_bytes()), self.rows()[0]
        np.testing.assert_array_equal(loaded.reconstruction_error(rows), fitted.reconstruction_error(rows))
        np.testing.assert_array_equal(loaded.typical(2), fitted.typical(2))


@cache
def digits() -> Hvae:
    rows, _ = load_digits(return_X_y=True)
    return Hvae(10, device="cpu", epochs=3, random_state=0).fit(rows[:900])


@cache
def sixfold() -> Hvae:
    contract = TestHvae()
    return contract.clusterer().fit(contract.rows()[0])  # type: ignore[return-value]


@parametrize_with_checks([Hvae(3, epochs=2, device="cpu", random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator: Hvae, check: object) -> None:
    check(estimator)  # type: ignore[operator]
