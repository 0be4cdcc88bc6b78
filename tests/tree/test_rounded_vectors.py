from __future__ import annotations

import numpy as np
import pytest

from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import FLOAT32_DIMENSION, round_vectors
from indexers.tree.rounded_vectors import RoundedVectors

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.standard_normal((300, 8))
ROWS[3:60] = ROWS[2]  # a leaf whose sum is long
ROWS[60:65] = ROWS[61]


@pytest.fixture
def vectors() -> RoundedVectors:
    """Those of 200 items in a tree, one of which gets another vector, and of 100 that come."""
    tree = ClusterTree(8)
    tree.update(np.arange(200), ROWS[:200])
    tree.update(removed=[7, 100, 150])
    tree.update([100], ROWS[100][None])
    return RoundedVectors(tree, np.array([*range(299, 199, -1), 5]), np.concatenate([ROWS[299:199:-1], ROWS[:1]]))


def find_row(item: int) -> np.ndarray:
    return round_vectors(ROWS[0 if item == 5 else item][None])[0]


def test_items_have_the_vectors_that_they_will_have(vectors: RoundedVectors) -> None:
    items = np.array([250, 2, 40, 5, 61, 299, 100, 0])
    assert (vectors.take(items) == [find_row(item) for item in items.tolist()]).all()
    assert vectors.take(items[:0]).shape == (0, 8)


def test_blocks_hold_every_item_once(vectors: RoundedVectors) -> None:
    vectors.block = 64
    items = RANDOM.permutation(np.setdiff1d(np.arange(300), [7, 150]))
    found = {}
    for places, rows in vectors.blocks(items):
        assert len(places) == len(rows) <= 64
        found |= dict(zip(items[places].tolist(), rows.tolist(), strict=True))
    assert found == {item: find_row(item).tolist() for item in items.tolist()}
    assert not list(vectors.blocks(items[:0]))


def test_vectors_of_the_tree_that_lie_side_by_side_are_not_copied() -> None:
    tree = ClusterTree(8)
    tree.update(np.arange(50), RANDOM.standard_normal((50, 8)))
    vectors = RoundedVectors(tree, np.empty(0, np.int64), np.empty((0, 8)))
    assert all(np.shares_memory(rows, tree.nodes.sums.narrow) for _, rows in vectors.blocks(np.arange(50)))


def test_products_are_whole_numbers(vectors: RoundedVectors) -> None:
    left, right = RANDOM.integers(200, 300, 50), RANDOM.integers(8, 100, 50)
    expected = [find_row(a).astype(int) @ find_row(b).astype(int) for a, b in zip(left, right, strict=True)]
    assert vectors.multiply_pairs(left, right).tolist() == expected


@pytest.mark.parametrize("dimension", [FLOAT32_DIMENSION, FLOAT32_DIMENSION + 1])
def test_products_are_exact_at_any_dimension(dimension: int) -> None:
    """At the largest one at which float32 is exact, rounding can lengthen a vector to 4096."""
    tree, row = ClusterTree(dimension), np.full(dimension, 20.5001)
    row[:5000] += 0.0001
    vectors = RoundedVectors(
        tree, np.array([1, 2]), np.stack([row, row * np.where(np.arange(dimension) % 2, 1, 1.001)])
    )
    a, b = vectors.rounded.astype(int)
    assert vectors.multiply_pairs(np.array([1]), np.array([2])).tolist() == [np.float32(a @ b)]
    assert (vectors.float == "f4") == (dimension == FLOAT32_DIMENSION)
