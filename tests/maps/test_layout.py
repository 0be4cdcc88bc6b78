"""The places of many vectors at once."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.maps.layout import find_axes, fit_square, lay_out


def test_few_vectors_lie_along_their_principal_axes() -> None:
    vectors = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0.2], [0, 0.9, 0]], np.float32)
    none = np.empty((4, 0), np.int64), np.empty((4, 0), np.float32)
    places = lay_out(vectors, *none)
    assert places.shape == (4, 2)
    assert np.array_equal(places, lay_out(vectors, *none))
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    assert apart[0, 1] < apart[0, 2]
    assert np.abs(places).max() <= 1.1


def test_axes_of_one_direction_and_of_nothing() -> None:
    assert find_axes(np.ones((3, 1), np.float32)).shape == (3, 2)
    assert fit_square(np.zeros((0, 2))).shape == (0, 2)
    assert fit_square(np.zeros((3, 2))).tolist() == [[0, 0]] * 3


def test_groups_lie_apart_and_the_same_each_time() -> None:
    pytest.importorskip("openTSNE", reason="needs the extra map")
    draw = np.random.default_rng(0)
    vectors = np.repeat(np.eye(3, 8), 20, axis=0) + 0.05 * draw.standard_normal((60, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    neighbours = np.argsort(-similarity, axis=1)[:, :10]
    steps: list[tuple[int, int]] = []
    nearest = np.take_along_axis(similarity, neighbours, 1)
    places = lay_out(vectors, neighbours, nearest, lambda *step: steps.append(step))
    assert steps[-1] == (750, 750)
    assert np.array_equal(places, lay_out(vectors, neighbours, nearest))
    centres = places.reshape(3, 20, 2).mean(1)
    spread = np.linalg.norm(places.reshape(3, 20, 2) - centres[:, None], axis=2).max()
    assert min(np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > spread
