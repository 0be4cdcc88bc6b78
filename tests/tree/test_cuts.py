"""Cuts of a tree of six items in the plane, at 0, 2, 30, 34, 100 and 170 degrees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexers.tree import cuts
from indexers.tree.cluster_tree import ClusterTree
from tests.support.trees import angles, blobs


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


def test_a_threshold_lies_in_the_middle_between_two_merges() -> None:
    heights = np.array([0.9, 0.7, 0.1])
    assert [cuts.choose_threshold(heights, last) for last in (0, 1, 2)] == pytest.approx([0.8, 0.4, 0.1])


def test_a_threshold_for_a_count_counts_clusters_of_five_items_or_more() -> None:
    """Three bundles of six; the two at 0 and 20 degrees merge long before the one at 90."""
    degrees = [centre + step for centre in (0, 20, 90) for step in np.arange(6) / 2]
    tree = ClusterTree(2)
    tree.update(np.arange(18), angles(*degrees))
    for count in (3, 2, 1):
        nodes = tree.cut(threshold=tree.find_threshold(count)).nodes
        assert np.count_nonzero(np.bincount(nodes) >= cuts.MIN_CLUSTER_SIZE) == count
    assert tree.find_threshold(50) == tree.find_threshold(3)  # the most there are
    assert tree.find_threshold(2) == pytest.approx(np.mean([tree.heights(tree.merges())[place] for place in (15, 16)]))


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_threshold_for_a_count_lies_below_that_with_the_most_clusters(items: int, groups: int, seed: int) -> None:
    tree = ClusterTree(3)
    tree.update(np.arange(items), blobs(items, groups, 3, seed)[0])

    def describe_cut(threshold: float) -> tuple[int, int]:
        sizes = np.bincount(tree.cut(threshold=threshold).nodes)
        large = sizes[sizes >= cuts.MIN_CLUSTER_SIZE]
        return len(large), items - int(large.sum())

    possible = [describe_cut(float(height)) for height in np.unique(tree.heights(tree.merges()))]  # the root's first
    most = max(clusters for clusters, _ in possible)
    loose_at_peak = next(loose for clusters, loose in possible if clusters == most)
    for count in range(1, most + 3):
        clusters, loose = describe_cut(tree.find_threshold(count))
        assert abs(clusters - count) == min(abs(other - count) for other, _ in possible)
        assert loose <= loose_at_peak


def test_a_tree_without_merges_has_threshold_zero() -> None:
    assert cuts.find_threshold(ClusterTree(3).nodes, 4) == 0
    single = ClusterTree(3)
    single.update([5], np.ones((1, 3)))
    assert cuts.find_threshold(single.nodes, 1) == 0
