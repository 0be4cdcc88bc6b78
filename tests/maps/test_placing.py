"""Places of new vectors among those that stay."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.maps.placing import place_new, turn_to_fit

PLACES = np.array([[0, 0], [0.02, 0], [0, 0.02], [1, 1]], np.float32)


def test_a_new_item_lies_among_its_neighbours_and_not_between_two_places() -> None:
    neighbours, similarity = np.array([[0, 1, 3]]), np.array([[0.9, 0.89, 0.88]], np.float32)
    [place] = place_new(PLACES, neighbours, similarity, np.array([7]))
    assert np.linalg.norm(place - [0.01, 0]) < 0.02
    [far] = place_new(PLACES, np.array([[3, 0, -1]]), np.array([[0.99, 0.5, -1]], np.float32), np.array([7]))
    assert np.linalg.norm(far - [1, 1]) < 0.01


def test_equal_items_do_not_hide_each_other_and_those_without_neighbours_lie_in_the_middle() -> None:
    neighbours, similarity = np.array([[0, 1]] * 5), np.full((5, 2), 0.9, np.float32)
    places = place_new(PLACES, neighbours, similarity, np.arange(5))
    assert len(np.unique(places, axis=0)) == 5
    [alone] = place_new(PLACES, np.array([[-1, -1]]), np.full((1, 2), -1, np.float32), np.array([3]))
    assert np.abs(alone).max() < 0.01


def test_a_new_layout_is_turned_to_lie_as_before() -> None:
    before = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    turn = np.array([[0, 2], [2, 0]], np.float32)  # turned, mirrored and twice as large
    again = before @ turn + 3
    assert turn_to_fit(again, before, again) == pytest.approx(before, abs=1e-5)
    assert np.array_equal(turn_to_fit(again[:2], before[:2], again[:2]), again[:2])
    same = np.ones((4, 2), np.float32)
    assert np.array_equal(turn_to_fit(same, before[:4], same), same)
