from __future__ import annotations

import numpy as np

from indexers.tree.fixed_point import UNIT, round_vectors
from indexers.tree.linkage import average_linkage
from tests.support.trees import angles


def test_linkage_stops_at_the_threshold_and_takes_groups_of_several_sizes() -> None:
    rows = angles(0, 3, 60, 62, 150).round(6)
    fixed = round_vectors(rows).astype(np.int64)
    dots = np.stack([fixed @ fixed.T, fixed @ fixed.T])
    sizes = np.ones((2, 5), np.int64)
    sizes[1, 2:] = 0
    merges = average_linkage(dots, sizes, 0.9 * UNIT)
    assert sorted(zip(merges.group.tolist(), merges.left.tolist(), merges.right.tolist(), strict=True)) == [
        (0, 0, 1),
        (0, 2, 3),
        (1, 0, 1),
    ]


def test_averages_are_over_all_pairs_of_items() -> None:
    """Node 0 holds two items: similarity 180 / 2 to node 1; then both together (60 + 30) / 3 to node 2."""
    dots = np.array([[[400, 180, 60], [180, 100, 30], [60, 30, 100]]])
    merges = average_linkage(dots, np.array([[2, 1, 1]]), -1)
    assert (merges.left.tolist(), merges.right.tolist()) == ([0, 3], [1, 2])
    assert merges.similarity.tolist() == [90, 30]
    assert merges.waves == [1, 1]


def test_among_equals_the_first_is_the_best() -> None:
    dots = np.full((1, 4, 4), 50)
    merges = average_linkage(dots, np.ones((1, 4), np.int64), 0)
    assert list(zip(merges.left.tolist(), merges.right.tolist(), strict=True)) == [(0, 1), (4, 2), (5, 3)]


def test_mutual_pairs_merge_in_one_wave() -> None:
    fixed = round_vectors(angles(0, 2, 90, 92)).astype(np.int64)
    merges = average_linkage((fixed @ fixed.T)[None], np.ones((1, 4), np.int64), -UNIT)
    assert merges.waves == [2, 1]
    assert (merges.left.tolist(), merges.right.tolist()) == ([0, 2, 4], [1, 3, 5])


def test_nothing_merges_below_the_least_similarity() -> None:
    merges = average_linkage(np.full((2, 2, 2), 10), np.ones((2, 2), np.int64), 11)
    assert (len(merges.group), merges.waves) == (0, [])
