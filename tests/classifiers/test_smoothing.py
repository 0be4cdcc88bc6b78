from __future__ import annotations

import numpy as np

from indexers.classifiers.smoothing import smooth_rows


def test_each_is_averaged_with_its_neighbours_both_ways() -> None:
    rows = np.float32([[1, 0], [0, 1], [-1, 0]])
    neighbours = np.array([[1, -1], [-1, -1], [1, -1]])
    smooth = smooth_rows(rows, neighbours)
    assert smooth.dtype == np.float32
    np.testing.assert_allclose(smooth[0], np.array([1, 1]) / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(smooth[1], [0, 1], atol=1e-6)  # the first and the third outweigh each other
    np.testing.assert_allclose(np.linalg.norm(smooth, axis=1), 1, rtol=1e-6)


def test_a_row_without_neighbours_stays() -> None:
    rows = np.float32([[0.6, 0.8], [1, 0]])
    np.testing.assert_allclose(smooth_rows(rows, np.full((2, 3), -1)), rows, rtol=1e-6)
