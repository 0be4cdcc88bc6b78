"""Cuts of a tree of six items in the plane, at 0, 2, 30, 34, 100 and 170 degrees."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.tree import cuts
from indexers.tree.cluster_tree import ClusterTree
from tests.support.trees import angles


@pytest.fixture
def tree() -> ClusterTree:
    tree = ClusterTree(2)
    tree.update(np.arange(6), angles(0, 2, 30, 34, 100, 170))
    return tree


def members(tree: ClusterTree, nodes: np.ndarray) -> list[list[int]]:
    """Return the items of each node."""
    return [tree.members(int(node)).tolist() for node in nodes]


def test_merges_are_ordered_from_the_most_similar_to_the_root(tree: ClusterTree) -> None:
    ordered = cuts.order_merges(tree.nodes)
    assert members(tree, ordered) == [[0, 1], [2, 3], [0, 1, 2, 3], [4, 5], [0, 1, 2, 3, 4, 5]]
    assert (np.diff(tree.heights(ordered)) < 0).all()


def test_merges_are_selected_by_similarity_or_by_the_clusters_that_they_leave(tree: ClusterTree) -> None:
    ordered = cuts.order_merges(tree.nodes)
    for last in range(5):
        threshold = float(tree.heights(ordered)[last])
        assert sorted(cuts.select_merges_at(tree.nodes, threshold)) == sorted(ordered[: last + 1])
        assert cuts.select_merges_for_count(tree.nodes, 5 - last).tolist() == ordered[: last + 1].tolist()
    assert cuts.select_merges_at(tree.nodes, 1.01).tolist() == []
    assert cuts.select_merges_for_count(tree.nodes, 99).tolist() == []


def test_the_topmost_nodes_are_those_of_the_merges_that_are_made(tree: ClusterTree) -> None:
    ordered, leaf = cuts.order_merges(tree.nodes), tree.items.leaf[:6].astype(np.int64)
    assert cuts.find_tops(tree.nodes, ordered[:0])[leaf].tolist() == leaf.tolist()
    top = cuts.find_tops(tree.nodes, ordered[:3])
    assert top[leaf].tolist() == [ordered[2]] * 4 + leaf[4:].tolist()
    assert top[ordered[0]] == ordered[2]


def test_leaves_and_stored_sums_of_a_node_cover_its_items(tree: ClusterTree) -> None:
    ordered = cuts.order_merges(tree.nodes)
    assert tree.items.in_leaves(cuts.find_leaves(tree.nodes, int(ordered[2]))).tolist() == [0, 1, 2, 3]
    leaf = int(tree.items.leaf[4])
    assert cuts.find_leaves(tree.nodes, leaf).tolist() == [leaf] == tree.nodes.find_summed_nodes(leaf).tolist()
    summed = tree.nodes.find_summed_nodes(int(ordered[-1]))
    assert sorted(item for items in members(tree, summed) for item in items) == [0, 1, 2, 3, 4, 5]
    assert (tree.nodes.row[summed] >= 0).all()
