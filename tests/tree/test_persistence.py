from __future__ import annotations

import numpy as np
import pytest

from indexers.errors import UsageError
from indexers.tree.cluster_tree import ClusterTree
from tests.support.trees import angles, blobs, build_at_once, describe_tree, link_nearest


def test_a_kept_tree_is_taken_up_and_goes_on() -> None:
    rows, _ = blobs(200, 9, 6)
    vectors = dict(enumerate(rows))
    tree = build_at_once(vectors, link_nearest(vectors, 3), 6, 20)
    again = ClusterTree.from_arrays(tree.to_arrays())
    assert {**describe_tree(again), "steps": None} == {**describe_tree(tree), "steps": None}
    gone = sorted(edge for edge in link_nearest(vectors, 3) if 0 in edge)
    for kept in (tree, again):
        kept.update(removed=[0], gone_pairs=gone)
    assert describe_tree(again) == describe_tree(tree)
    state = tree.to_arrays()
    state["about"][0] = 99
    with pytest.raises(UsageError, match="format is 99"):
        ClusterTree.from_arrays(state)


def test_the_arrays_are_copies_that_later_updates_do_not_change() -> None:
    tree = ClusterTree(2)
    tree.update([0, 1, 2], angles(0, 10, 50))
    arrays = tree.to_arrays()
    before = {name: array.copy() for name, array in arrays.items()}
    tree.update([3], angles(12), removed=[1])
    assert all(np.array_equal(arrays[name], array) for name, array in before.items())
    assert ClusterTree.from_arrays(arrays).members(int(arrays["seams"][-1])).tolist() == [0, 1, 2]


def test_slots_and_sums_that_were_free_are_used_again() -> None:
    rows, _ = blobs(60, 5, 4)
    tree = ClusterTree(4, 5)
    tree.update(np.arange(60), rows, new_pairs=sorted(link_nearest(dict(enumerate(rows)), 2)))
    tree.update(removed=np.arange(60), gone_pairs=sorted(link_nearest(dict(enumerate(rows)), 2)))
    restored = ClusterTree.from_arrays(tree.to_arrays())
    assert len(restored.nodes.free) == restored.nodes.used == tree.nodes.used > 60
    restored.update([7], rows[:1])
    assert restored.nodes.used == tree.nodes.used
    assert restored.cut(count=1).items.tolist() == [7]


def test_memory_is_counted_by_what_it_is_for() -> None:
    tree = ClusterTree(4)
    assert tree.nbytes["vectors"] == tree.nbytes["graph"] == 0
    tree.update([0, 1, 2], np.eye(4)[:3], new_pairs=[(0, 1), (1, 2)])
    assert tree.nbytes["vectors"] == 3 * 4 * 2  # int16
    assert tree.nbytes["graph"] == 4 * 4  # each edge in both lists, int32
    assert tree.nbytes["tree"] > 0
