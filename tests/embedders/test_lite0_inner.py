"""The inner layers of lite0: every stage counts alike, around centres that never change."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from indexers.embedders.lite0_graph import DIMENSIONS
from indexers.embedders.lite0_inner import BOUNDS, combine_stages, hash_centre, read_centre


def test_the_centres_are_those_of_all_spaces_so_far() -> None:
    """With others, vectors of new pictures could not be compared with stored ones."""
    assert hash_centre() == "88ede0911d69d353d11a89d8f111d0ac939e03e8bd2250426f30c811c17ad455"
    assert read_centre().shape == (DIMENSIONS["inner"],) == (BOUNDS[-1],)
    assert BOUNDS == (0, 112, 304, 624)


def test_vectors_have_length_one_and_each_stage_a_third_of_it() -> None:
    means = np.random.default_rng(0).standard_normal((5, 624)).astype(np.float32)
    vectors = combine_stages(means)
    assert (vectors.shape, vectors.dtype) == ((5, 624), np.float32)
    for start, end in pairwise(BOUNDS):
        np.testing.assert_allclose((vectors[:, start:end] ** 2).sum(axis=1), 1 / 3, atol=1e-6)


def test_the_strength_of_a_stage_does_not_matter() -> None:
    means = np.random.default_rng(1).standard_normal((3, 624)).astype(np.float32)
    louder = means.copy()
    louder[:, : BOUNDS[1]] *= 50
    np.testing.assert_allclose(combine_stages(louder), combine_stages(means), atol=1e-6)


def test_stages_that_say_nothing_give_finite_vectors() -> None:
    """The mean of a stage may be zero, or lie in the centre itself."""
    for means in (np.zeros((1, 624), np.float32), read_centre()[None]):
        vectors = combine_stages(means)
        assert np.isfinite(vectors).all()
        assert np.linalg.norm(vectors) > 0.5
