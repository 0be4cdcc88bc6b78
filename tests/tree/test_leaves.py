from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from indexers.errors import BadVector, UsageError
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.leaves import Items, TreeChange, apply_change
from indexers.tree.nodes import Nodes
from indexers.tree.rounds import NodeChanges
from tests.support.trees import angles, describe_tree, is_clean


def test_exact_copies_share_a_leaf_and_weigh_as_many() -> None:
    tree = ClusterTree(2)
    tree.update([0, 1, 2], np.concatenate([angles(0, 30) * 5, angles(0)]))
    assert tree.items.leaf[0] == tree.items.leaf[2]
    root = tree.merges()
    assert tree.sizes(root).tolist() == [3]
    assert tree.members(int(tree.items.leaf[0])).tolist() == [0, 2]
    tree.update(removed=[0])
    assert tree.members(int(tree.items.leaf[2])).tolist() == [2]
    assert tree.sizes(tree.merges()).tolist() == [2]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"added": [5], "vectors": np.ones((1, 3))}, BadVector, "shape"),
        ({"added": [5], "vectors": np.full((1, 2), np.nan)}, BadVector, "NaN"),
        ({"added": [-1], "vectors": np.ones((1, 2))}, UsageError, "-1"),
        ({"added": [5, 5], "vectors": np.ones((2, 2))}, UsageError, "twice"),
        ({"removed": [9]}, UsageError, "item 9 is to be removed"),
        ({"new_pairs": [(0, 9)]}, UsageError, "names item 9"),
        ({"removed": [2], "gone_pairs": [(1, 2)], "new_pairs": [(0, 2)]}, UsageError, "names item 2"),
        ({"gone_pairs": [(0, 2)]}, UsageError, "does not have"),
        ({"gone_pairs": [(0, 1), (1, 0)]}, UsageError, "does not have"),
        ({"removed": [2]}, UsageError, "not all of its pairs"),
        ({"added": [2], "vectors": angles(77)}, UsageError, "not all of its pairs"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(
    arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    tree = ClusterTree(2, limit=2)
    tree.update([0, 1, 2], angles(0, 10, 50), new_pairs=[(0, 1), (1, 2)])
    before = describe_tree(tree)
    with pytest.raises(error, match=words):
        tree.update(**arguments)  # type: ignore[arg-type]
    assert describe_tree(tree) == before
    assert is_clean(tree)


def items_in(*leaves: int) -> tuple[Nodes, Items]:
    """Return items 0, 1, 2 ... in the given leaves, whose keys are ten times their slots."""
    nodes, items = Nodes(2), Items()
    nodes.key[:] = 10 * np.arange(nodes.capacity)
    items.restore(nodes, np.arange(len(leaves)), np.array(leaves, np.int64))
    return nodes, items


def test_items_know_their_leaves_and_leaves_their_items() -> None:
    _, items = items_in(4, 2, 4, 4)
    assert items.ids().tolist() == [0, 1, 2, 3]
    assert items.leaves == {40: 4, 20: 2}
    assert items.in_leaves(np.array([4])).tolist() == [0, 2, 3]
    assert items.in_leaves(np.array([4, 2])).tolist() == [0, 1, 2, 3]
    assert items.has(np.array([-1, 0, 3, 4, 10**9])).tolist() == [False, True, True, False, False]


def test_items_move_with_their_leaf_and_others_leave_or_come() -> None:
    _, items = items_in(4, 2, 4, 4)
    items.move(np.array([0]), np.array([4]), np.array([5]), np.array([90]), np.array([2]))
    assert items.in_leaves(np.array([5])).tolist() == [2, 3]
    assert items.in_leaves(np.array([2])).tolist() == [1, 90]
    assert items.ids().tolist() == [1, 2, 3, 90]


def test_a_change_says_which_leaves_and_edges_are_new_and_which_vanish() -> None:
    nodes, items = Nodes(2), Items()

    def change(added: list[int], degrees: list[float], removed: list[int], new: Any, gone: Any) -> NodeChanges:
        pairs = [np.array(part, np.int64).reshape(-1, 2) for part in (new, gone)]
        arrays = np.array(added, np.int64), angles(*degrees), np.array(removed, np.int64)
        changes = apply_change(nodes, items, TreeChange(*arrays, *pairs))
        nodes.old.birth[:], nodes.old.death[:] = nodes.new.birth, nodes.new.death
        return changes

    first = change([0, 1, 2, 3], [0, 20, 40, 60], [], [(0, 1), (1, 2), (2, 3)], [])
    assert sorted(first.dirty.tolist()) == sorted(items.leaf[[0, 1, 2, 3]].tolist())
    assert len(first.gone) == len(first.edged) == len(first.cut) == 0
    leaf = items.leaf[:4].tolist()
    second = change([4], [0], [3], [(0, 2)], [(2, 3), (1, 2)])
    assert sorted(second.gone.tolist()) == sorted([leaf[0], leaf[3]])  # two items are another leaf than one
    assert second.dirty.tolist() == [items.leaf[0]] == [items.leaf[4]]
    assert nodes.size[items.leaf[4]] == 2
    assert sorted(second.edged.tolist()) == sorted([leaf[1], leaf[2]])
    assert second.new.tolist() == []  # its one end is dirty
    assert [set(edge) for edge in second.cut.tolist()] == [{leaf[1], leaf[2]}]
    owner, near = nodes.near.get(items.leaf[[0, 2]].astype(np.int64))
    assert [set(near[owner == place].tolist()) for place in (0, 1)] == [{leaf[1], leaf[2]}, {items.leaf[0]}]
