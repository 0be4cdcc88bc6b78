from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from indexers.arrays import scale_to_unit
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours
from indexers.errors import UsageError
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import UNIT, round_vectors
from tests.support.trees import angles, blobs, build_at_once, link_nearest


def test_a_tiny_tree_is_as_computed_by_hand() -> None:
    tree = ClusterTree(2)
    tree.update([7, 8, 9], angles(0, 10, 50))
    near = tree.merges()
    assert tree.sizes(near).tolist() == [2, 3]
    assert tree.members(int(near[0])).tolist() == [7, 8]
    assert tree.parent(int(near[0])) == near[1]
    assert tree.parent(int(near[1])) is None
    assert set(tree.children(int(near[1])) or ()) == {near[0], tree.items.leaf[9]}
    expected = [np.cos(np.radians(10)), np.cos(np.radians([50, 40])).mean()]
    np.testing.assert_allclose(tree.heights(near), expected, atol=1e-3)
    np.testing.assert_allclose(tree.sums(near[1:])[0], angles(0, 10, 50).sum(0), atol=1e-3)
    assert tree.roots().tolist() == [near[1]]


def test_cuts_by_threshold_and_count() -> None:
    tree = ClusterTree(2)
    tree.update([1, 2, 3, 4, 5], angles(0, 5, 40, 44, 100))
    for cut in (tree.cut(count=3), tree.cut(threshold=0.9)):
        assert cut.items.tolist() == [1, 2, 3, 4, 5]
        assert cut.nodes[0] == cut.nodes[1] != cut.nodes[2] == cut.nodes[3] != cut.nodes[4]
    assert len(set(tree.cut(count=99).nodes.tolist())) == 5
    assert len(set(tree.cut(threshold=-1).nodes.tolist())) == 1
    with pytest.raises(UsageError, match="one of the two"):
        tree.cut()
    with pytest.raises(UsageError, match="at least one"):
        tree.cut(count=0)


def test_what_changed_is_named_and_nothing_else() -> None:
    tree = ClusterTree(2)
    tree.update([0, 1, 2, 3], angles(0, 2, 90, 93))
    before = {int(content) for content in tree.contents(np.flatnonzero(tree.nodes.size))}
    changed = tree.update([4], angles(94))
    assert sorted(tree.sizes(changed.born).tolist()) == [1, 2, 3, 5]
    assert set(changed.died.tolist()) <= before
    assert len(changed.died) == 2
    back = tree.update(removed=[4])
    assert len(back.born) == 2
    assert {int(content) for content in tree.contents(np.flatnonzero(tree.nodes.size))} == before
    nothing = tree.update()
    assert len(nothing.born) == len(nothing.died) == 0


def test_all_pairs_as_edges_give_the_average_linkage_of_scipy_up_to_the_limit() -> None:
    rows, _ = blobs(120, 9, 6)
    fixed = round_vectors(rows).astype(np.float64)
    distance = 1 - fixed @ fixed.T / UNIT
    np.fill_diagonal(distance, 0)
    expected = linkage(squareform(distance, checks=False), "average")
    tree = ClusterTree(6)
    tree.update(np.arange(120), rows, new_pairs=list(itertools.combinations(range(120), 2)))
    merges = tree.merges()
    np.testing.assert_allclose(1 - tree.heights(merges), expected[:, 2], rtol=1e-9)
    assert tree.sizes(merges).tolist() == expected[:, 3].astype(int).tolist()


def test_heights_fall_towards_the_root_beyond_the_limit_too() -> None:
    rows, _ = blobs(600, 10, 8)
    tree = build_at_once(dict(enumerate(rows)), link_nearest(dict(enumerate(rows)), 3), 8, 10)
    merges = tree.merges()
    for side in (tree.nodes.left, tree.nodes.right):
        assert (tree.heights(side[merges]) >= tree.heights(merges)).all()
    assert len(merges) == 599


def test_levels_find_the_groups_and_are_nested() -> None:
    rows, label = blobs(800, 20, 16)
    table = find_neighbours(scale_to_unit(rows), 8)
    tree = ClusterTree(16, 100)
    tree.update(np.arange(800), rows, new_pairs=build_edges(table))
    levels = tree.cut_levels(tree.choose_levels())
    assert len(np.unique(levels.medium * 20 + label)) <= 24
    assert len(np.unique(np.stack(levels, axis=1), axis=0)) == len(np.unique(levels.fine))
    assert len(np.unique(tree.cut_medium().nodes)) >= len(np.unique(levels.medium))
    empty = ClusterTree(2)
    assert empty.choose_levels() == empty.choose_levels()
    empty.update([3], angles(1))
    assert empty.cut_medium().items.tolist() == [3]
    assert [labels.tolist() for labels in empty.cut_levels(empty.choose_levels())] == [[0]] * 3
