"""Against a walk through the same random trees, node by node."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.tree.branches import Branches
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.cuts import find_leaves
from tests.support.trees import blobs


@pytest.fixture(params=range(4))
def tree(request: pytest.FixtureRequest) -> ClusterTree:
    """Return a tree some of whose items share a leaf, and some of whose slots are unused."""
    rows = blobs(60, 5, 3, request.param)[0]
    rows[7:12] = rows[3]
    tree = ClusterTree(3)
    tree.update(np.arange(60), rows)
    tree.update(removed=[1, 7, 30])
    return tree


def test_each_node_is_an_interval_of_its_leaves(tree: ClusterTree) -> None:
    branches = Branches(tree.nodes)
    for node in [*branches.merges.tolist(), *branches.leaves.tolist()]:
        leaves = branches.leaves[branches.first[node] : branches.last[node]]
        assert sorted(leaves.tolist()) == find_leaves(tree.nodes, node).tolist()


def test_the_joint_of_a_link_is_the_lowest_merge_that_holds_both_ends(tree: ClusterTree) -> None:
    branches, random = Branches(tree.nodes), np.random.default_rng(0)
    source, target = random.choice(branches.leaves, (2, 200))
    apart = source != target
    source, target = source[apart], target[apart]
    for start, end, joint in zip(source, target, branches.find_joints(source, target), strict=True):
        node = int(start)
        while end not in find_leaves(tree.nodes, node):
            node = int(tree.nodes.parent[node])
        assert node == joint


def test_values_of_leaves_and_of_merges_are_added_up_within_each_node(tree: ClusterTree) -> None:
    branches, random = Branches(tree.nodes), np.random.default_rng(1)
    for slots in (branches.leaves, branches.merges):
        values = random.integers(0, 100, len(slots))
        value_of = dict(zip(slots.tolist(), values.tolist(), strict=True))
        sums = branches.add_up(values, slots)
        for node in [*branches.merges.tolist(), *branches.leaves.tolist()]:
            within, front = 0, [node]
            while front:
                slot = front.pop()
                within += value_of.get(slot, 0)
                front += [side for side in (tree.nodes.left[slot], tree.nodes.right[slot]) if side >= 0]
            assert sums[node] == within


def test_the_least_cut_is_the_least_of_all(tree: ClusterTree) -> None:
    branches, random = Branches(tree.nodes), np.random.default_rng(2)
    cost = np.int64(1e6 * random.random(tree.nodes.used) * np.sqrt(np.maximum(tree.nodes.size[: tree.nodes.used], 1)))

    def find_least(node: int) -> float:
        children = tree.children(node)
        apart = sum(find_least(child) for child in children) if children else np.inf
        return float(min(cost[node], apart))

    tops = branches.find_least_cut(cost)
    assert cost[tops].sum() == pytest.approx(find_least(int(branches.find_root()[0])))
    assert branches.repeat(tops, tops).shape == branches.leaves.shape
    for leaf, top in zip(branches.leaves.tolist(), branches.repeat(tops, tops).tolist(), strict=True):
        assert leaf in find_leaves(tree.nodes, top)
    inner = branches.find_least_cut(cost, branches.merges[-3:-2])
    assert cost[inner].sum() == pytest.approx(find_least(int(branches.merges[-3])))


def test_an_empty_tree_and_one_of_a_single_leaf_have_branches() -> None:
    tree = ClusterTree(2)
    assert len(Branches(tree.nodes).leaves) == 0
    assert Branches(tree.nodes).find_least_cut(np.zeros(tree.nodes.used)).tolist() == []
    tree.update([4], [[1.0, 0.0]])
    branches = Branches(tree.nodes)
    assert branches.find_least_cut(np.zeros(tree.nodes.used)).tolist() == branches.leaves.tolist() == [0]
