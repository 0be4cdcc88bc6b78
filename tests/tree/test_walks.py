"""Against a count of links node by node."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.cuts import find_leaves
from indexers.tree.walks import Walk, find_root, link_leaves
from tests.support.trees import blobs, link_nearest


def check(walk: Walk, tree: ClusterTree) -> None:
    """Every number of every node is what a count gives."""
    nodes, links = tree.nodes, link_leaves(tree.nodes, 4)
    source, column = np.nonzero(links.near >= 0)
    target = links.near[source, column]
    alive = np.flatnonzero(nodes.size)
    for node in alive.tolist():
        leaves = find_leaves(nodes, node)
        starts, stops = np.isin(source, leaves), np.isin(target, leaves)
        assert walk.ends[node] == starts.sum() + stops.sum()
        assert walk.inside[node] == 2 * (starts & stops).sum()
        assert walk.count[node] == len(leaves)
        assert sorted(walk.find_leaves(np.array([node])).tolist()) == leaves.tolist()
    for leaf in np.flatnonzero(links.leaf >= 0).tolist():
        held = {leaf, *links.near[leaf][links.near[leaf] >= 0].tolist()}
        if len(held) == 1:
            continue
        holding = [node for node in alive.tolist() if held <= set(find_leaves(nodes, node).tolist())]
        assert walk.reach[leaf] == min(holding, key=lambda node: nodes.size[node])


@pytest.mark.parametrize("seed", range(4))
def test_a_walk_that_is_kept_counts_what_a_count_gives(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = blobs(90, 6, 3, seed)[0]
    rows[7:10] = rows[3]
    vectors = dict(enumerate(rows[:50]))
    tree, walk, pairs = ClusterTree(3, limit=20), Walk(), set()
    for turn in range(6):
        removed = random.choice(list(vectors), turn, replace=False).tolist()
        added = {50 + 7 * turn + place: rows[50 + 7 * turn + place] for place in range(turn)} if turn else dict(vectors)
        vectors = {item: vector for item, vector in vectors.items() if item not in removed} | added
        after = link_nearest(vectors, 4)
        gone = {pair for pair in pairs if pair not in after}
        items = sorted(added)
        tree.update(items, np.array([added[item] for item in items]), removed, sorted(after - pairs), sorted(gone))
        pairs = after
        part = walk.update(tree.nodes, link_leaves(tree.nodes, 4))
        is_fresh = walk.is_fresh[part.slots]
        assert is_fresh[part.merges].all()
        check(walk, tree)
    assert len(walk.update(tree.nodes, link_leaves(tree.nodes, 4)).slots) == 1  # nothing is different
    assert not walk.is_fresh.any()
    assert walk.count_ends(tree.nodes) == walk.ends[find_root(tree.nodes)[0]]


def test_a_tree_that_loses_everything_has_no_order() -> None:
    tree, walk = ClusterTree(2), Walk()
    tree.update([1, 2, 3], np.eye(3)[:, :2] + 0.1, new_pairs=[(1, 2), (2, 3)])
    walk.update(tree.nodes, link_leaves(tree.nodes, 4))
    assert len(walk.order) == 3
    tree.update(removed=[1, 2, 3], gone_pairs=[(1, 2), (2, 3)])
    walk.update(tree.nodes, link_leaves(tree.nodes, 4))
    assert len(walk.order) == walk.count_ends(tree.nodes) == 0


def test_places_that_dead_leaves_had_are_not_read() -> None:
    """Where a leaf has fewer links than others may have, in a tree that was larger."""
    tree, walk = ClusterTree(2), Walk()
    tree.update([1, 2, 3], np.array([[1, 0], [1, 0.2], [0, 1]]), new_pairs=[(1, 2), (2, 3)])
    walk.update(tree.nodes, link_leaves(tree.nodes, 4))
    walk.rank[tree.nodes.size[: len(walk.rank)] == 0] = walk.rank[-1] = 1000
    tree.update(removed=[3], gone_pairs=[(2, 3)])
    walk.update(tree.nodes, link_leaves(tree.nodes, 4))
    check(walk, tree)
