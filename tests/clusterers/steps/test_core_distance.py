from __future__ import annotations

import numpy as np
import pytest

from indexers.clusterers import Hdbscan
from indexers.testing import ClustererContract


def noisy() -> np.ndarray:
    """Three groups, one of exact copies, and noise around."""
    random = np.random.default_rng(0)
    centres = np.array([[0, 0], [10, 0], [0, 10]]).repeat(30, axis=0)
    groups = centres + 0.3 * random.standard_normal((90, 2)) * (np.arange(90) < 60)[:, None]
    return np.concatenate([groups, random.uniform(-5, 15, (40, 2))]).astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_rows_are_predicted_into_their_own_cluster(metric: str) -> None:
    rows, _ = ClustererContract().rows()
    fitted = Hdbscan(metric=metric).fit(rows)
    np.testing.assert_array_equal(fitted.predict(rows), fitted.labels_)


def test_copies_and_noise_are_predicted_as_they_are() -> None:
    fitted = Hdbscan().fit(noisy())
    assert (fitted.labels_ < 0).any()
    np.testing.assert_array_equal(fitted.predict(noisy()), fitted.labels_)


def test_a_new_row_joins_within_the_core_distance_of_its_nearest_row_only() -> None:
    fitted = Hdbscan().fit(noisy())
    inner = int(np.flatnonzero(fitted.labels_ == 0)[np.argmin(fitted.rows_[fitted.labels_ == 0].sum(1))])
    towards = np.array([-1, -1]) / np.sqrt(2) * fitted.core_distances_[inner]
    near, far = fitted.rows_[inner] + 0.9 * towards, fitted.rows_[inner] + 1.1 * towards
    assert fitted.predict([near, far, [1000, 1000]]).tolist() == [0, -1, -1]


def test_the_core_distance_is_that_to_the_fifth_row_counting_itself() -> None:
    fitted = Hdbscan(min_samples=5).fit(noisy())
    distance = np.sort(np.linalg.norm(noisy()[:, None].astype(np.float64) - noisy(), axis=2), axis=1)
    np.testing.assert_allclose(fitted.core_distances_, distance[:, 4], atol=1e-6)
