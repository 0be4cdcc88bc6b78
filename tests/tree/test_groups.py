from __future__ import annotations

import numpy as np
import pytest

from indexers.tree import groups as module
from indexers.tree.fixed_point import UNIT, compute_fingerprints, hash_contents, round_vectors
from indexers.tree.groups import GroupMerges, Groups, choose_best_links, find_components, merge_groups
from indexers.tree.nodes import Nodes
from tests.support.trees import angles


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def leaves(*degrees: float) -> Nodes:
    """Return nodes of one item each, in slots 0, 1, 2 ..., whose keys are in the order of their slots."""
    nodes, vectors = Nodes(2), round_vectors(angles(*degrees))
    slots = nodes.allocate(len(degrees))
    nodes.size[slots], nodes.key[slots], nodes.least[slots] = 1, slots, slots
    nodes.content[slots] = hash_contents(compute_fingerprints(vectors), np.ones(len(slots), np.int64))
    nodes.row[slots] = nodes.sums.add(vectors)
    return nodes


def test_groups_are_read_as_they_were_added() -> None:
    groups = Groups()
    numbers = groups.add(4, ints(2, 3), ints(7, 8, 1, 2, 3), ints(8, -1, 2, -1, 2))
    assert groups.round[numbers].tolist() == [4, 4]
    assert [part.tolist() for part in groups.read(numbers[1:])] == [[1, 2, 3], [2, -1, 2]]
    assert [part.tolist() for part in groups.read(numbers[::-1])] == [[1, 2, 3, 7, 8], [2, -1, 2, 8, -1]]


def test_released_groups_are_used_again() -> None:
    groups = Groups(capacity=1)
    first = groups.add(0, ints(1, 1), ints(5, 6), ints(-1, -1))
    groups.release(first[:1])
    assert groups.round[first].tolist() == [-1, 0]
    assert [part.tolist() for part in groups.read(first)] == [[6], [-1]]
    assert groups.add(3, ints(1), ints(9), ints(-1)).tolist() == first[:1].tolist()


def test_a_node_is_found_in_its_group_of_a_round() -> None:
    groups, nodes = Groups(), leaves(0, 1, 2)
    early, late = groups.add(2, ints(2), ints(0, 1), ints(1, -1)), groups.add(5, ints(2), ints(1, 2), ints(2, -1))
    nodes.groups.write(ints(0, 1, 2), ints(1, 2, 1), np.concatenate([early, early, late, late]))
    assert groups.find_groups(nodes, ints(0, 1, 2), 2).tolist() == early.tolist()
    assert groups.find_groups(nodes, ints(1), 5).tolist() == late.tolist()
    assert groups.find_groups(nodes, ints(0), 5).tolist() == []


def test_a_node_links_to_the_most_similar_and_among_equals_to_the_smallest_key() -> None:
    nodes = leaves(0, 1, 2, 3)
    nodes.key[:4] = [9, 5, 7, 1]
    source, target = choose_best_links(nodes, ints(0, 0, 0, 2), ints(1, 2, 3, 0), np.array([0.5, 0.8, 0.8, 0.1]))
    assert (source.tolist(), target.tolist()) == ([0, 2], [3, 0])


def test_linked_nodes_are_one_component() -> None:
    nodes = ints(3, 5, 8, 11, 20, 21)
    root = find_components(nodes, ints(3, 5, 8, 20, 21), ints(5, 3, 5, 21, 20))
    assert root[0] == root[1] == root[2]
    assert root[3] == 3  # nothing links to it
    assert root[4] == root[5] != root[0]


def merge(nodes: Nodes, members: np.ndarray, lengths: np.ndarray, threshold: float, cap: float = 1) -> GroupMerges:
    return merge_groups(nodes, members, lengths, threshold * UNIT, cap)


def test_each_group_merges_on_its_own() -> None:
    """0 and 3 are nearest, but in two groups."""
    nodes = leaves(0, 10, 60, 1, 20)
    merges = merge(nodes, ints(0, 1, 2, 3, 4), ints(3, 2), np.cos(np.radians(30)))
    pairs = {(int(a), int(b)) for a, b in zip(merges.left, merges.right, strict=True)}
    assert pairs == {(0, 1), (3, 4)}
    by_left = dict(zip(merges.left.tolist(), merges.height.tolist(), strict=True))
    assert by_left == pytest.approx({0: np.cos(np.radians(10)), 3: np.cos(np.radians(19))}, abs=1e-3)


def test_a_merge_of_merges_adds_up_what_they_hold() -> None:
    nodes = leaves(0, 2, 20, 23)
    merges = merge(nodes, ints(0, 1, 2, 3), ints(4), 0)
    assert list(zip(merges.left.tolist(), merges.right.tolist(), strict=True)) == [(0, 1), (2, 3), (4, 5)]
    assert merges.size.tolist() == [2, 2, 4]
    assert merges.least.tolist() == [0, 2, 0]
    assert merges.content[2] == nodes.content[:4].sum() == merges.content[:2].sum()
    assert merges.height[2] == pytest.approx(np.cos(np.radians([20, 23, 18, 21])).mean(), abs=1e-3)


def test_heights_are_at_most_the_cap() -> None:
    assert merge(leaves(0, 1), ints(0, 1), ints(2), -1, cap=0.5).height.tolist() == [0.5]


def test_groups_of_many_lengths_merge_as_one_by_one_in_whatever_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = ints(1, 2, 9, 3, 17, 2)
    nodes = leaves(*np.random.default_rng(0).uniform(0, 40, lengths.sum()))
    members = np.arange(lengths.sum())
    starts = np.cumsum(lengths) - lengths

    def describe(merges: GroupMerges) -> list[tuple[int, float]]:
        return sorted(zip(merges.content.tolist(), merges.height.tolist(), strict=True))

    single = []
    for start, length in zip(starts, lengths, strict=True):
        single += describe(merge(nodes, members[start : start + length], ints(length), 0.9))
    assert describe(merge(nodes, members, lengths, 0.9)) == sorted(single)
    monkeypatch.setattr(module, "FEW_CELLS", 0)
    monkeypatch.setattr(module, "MAX_CELLS", 30)
    assert describe(merge(nodes, members, lengths, 0.9)) == sorted(single)


def test_no_groups_have_no_merges() -> None:
    assert len(merge(leaves(0), ints(), ints(), 0).left) == 0
