from __future__ import annotations

import numpy as np
import pytest

from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import UNIT
from indexers.tree.nodes import NEVER, Lifetimes, Nodes
from tests.support.trees import blobs


def slots(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.fixture
def chain() -> Lifetimes:
    """Node 0 is alive in rounds 0 to 2 and lies in 1 afterwards; 1 is alive in rounds 3 to 4 and lies in 2."""
    lifetimes = Lifetimes(4)
    lifetimes.birth[:3], lifetimes.death[:3], lifetimes.above[:3] = [0, 3, 5], [2, 4, 9], [1, 2, -1]
    return lifetimes


def test_nodes_are_alive_from_birth_to_death(chain: Lifetimes) -> None:
    assert [chain.are_alive(slots(0, 1, 3), round_index).tolist() for round_index in (0, 2, 3)] == [
        [True, False, False],
        [True, False, False],
        [False, True, False],
    ]
    assert [chain.find_alive(round_index).tolist() for round_index in (2, 4, 9, 10)] == [[0], [1], [2], []]


def test_a_node_is_held_by_those_above_it_in_later_rounds(chain: Lifetimes) -> None:
    assert [chain.climb(slots(0, 1), round_index).tolist() for round_index in (2, 4, 9)] == [[0, 1], [1, 1], [2, 2]]
    assert chain.step_up(slots(0, 1, 2), 3).tolist() == [1, 1, 2]
    assert chain.climb(slots(0), 9).tolist() == [2]


def test_more_room_holds_nodes_that_do_not_exist(chain: Lifetimes) -> None:
    chain.grow(6)
    assert chain.birth.tolist() == [0, 3, 5, NEVER, NEVER, NEVER]
    assert chain.above.tolist() == [1, 2, -1, -1, -1, -1]


def test_released_slots_are_as_new_and_used_again() -> None:
    nodes = Nodes(2, capacity=2)
    first = nodes.allocate(3)
    assert first.tolist() == [0, 1, 2]
    assert nodes.capacity >= 3
    nodes.size[first], nodes.height[first], nodes.seam[first] = 4, 0.5, True
    nodes.row[first] = nodes.sums.add(np.eye(3, 2, dtype=np.int64))
    nodes.near.write(first, slots(1, 0, 1), slots(2, 0))
    nodes.release(slots(0, 2))
    assert (nodes.size[0], nodes.height[2], nodes.seam[0], nodes.row[2]) == (0, 1, False, -1)
    assert nodes.near.get(slots(0, 2))[1].tolist() == []
    assert sorted(nodes.allocate(3).tolist()) == [0, 2, 3]
    assert sorted(nodes.sums.free[0]) == [0, 2]


def test_similarity_is_the_average_over_all_pairs_of_items() -> None:
    """Two items at (4000, 0) beside one at (2400, 3200): .6 for either pair."""
    nodes = Nodes(2)
    own = nodes.allocate(2)
    nodes.size[own] = [2, 1]
    nodes.row[own] = nodes.sums.add(np.array([[8000, 0], [2400, 3200]]))
    assert nodes.similarity(own[:1], own[1:]).tolist() == [0.6 * UNIT]
    assert nodes.similarity(own, own).tolist() == [UNIT, UNIT]


@pytest.mark.parametrize("count", [2**18, 2**19, 3 * 2**20, 2**28])
def test_similarity_is_exact_for_any_number_of_items(count: int) -> None:
    """Products of sums pass 2^62 where two nodes have 2^19 items each."""
    random = np.random.default_rng(0)
    rows = random.integers(-2000, 2000, (6, 7)).astype(np.int64)
    sizes = count + random.integers(0, 1000, 6)
    nodes = Nodes(7)
    own = nodes.allocate(6)
    nodes.size[own], nodes.row[own] = sizes, nodes.sums.add(rows * sizes[:, None])
    a, b = np.triu_indices(6, 1)
    exact = [int(rows[i] @ rows[j]) for i, j in zip(a.tolist(), b.tolist(), strict=True)]
    assert nodes.similarity(own[a], own[b]) == pytest.approx(exact, rel=1e-15)


@pytest.fixture
def joint() -> Nodes:
    """Leaves 0 to 3, the seams 4 = {0, 1} and 5 = {4, 2}, and the joint 6 = {5, 3}."""
    nodes = Nodes(1)
    nodes.allocate(7)
    nodes.left[4:7], nodes.right[4:7] = [0, 4, 5], [1, 2, 3]
    nodes.seam[4:6] = True
    nodes.size[:7], nodes.content[:7] = [1, 1, 1, 1, 2, 3, 4], [1, 2, 4, 8, 3, 7, 15]
    nodes.old.birth[:4], nodes.old.birth[6] = 0, 1
    nodes.old.above[:4] = nodes.new.above[:4] = 6
    nodes.new.death[:4], nodes.new.death[6] = 0, 9
    return nodes


def test_a_joint_is_made_of_members_and_seams(joint: Nodes) -> None:
    assert sorted(joint.find_seams(slots(6)).tolist()) == [4, 5]
    owner, member = joint.find_members(slots(6))
    assert (owner.tolist(), sorted(member.tolist())) == ([0, 0, 0, 0], [0, 1, 2, 3])


def test_joints_are_found_by_their_content_from_a_leaf_upwards(joint: Nodes) -> None:
    content = np.array([15, 15, 14], np.uint64)
    assert joint.find_joints(slots(0, 3, 0), slots(4, 4, 4), content).tolist() == [6, 6, -1]
    assert joint.find_joints(slots(1), slots(2), np.array([3], np.uint64)).tolist() == [-1]  # a seam is no joint


def test_neighbours_of_a_joint_are_those_of_its_members_outside_of_it(joint: Nodes) -> None:
    joint.allocate(2)  # 7 and 8, leaves beside the joint
    joint.new.birth[7:9], joint.new.death[7:9] = 0, 9
    joint.near.write(slots(0, 1, 3), slots(2, 1, 2), slots(1, 7, 0, 8, 7))
    assert [part.tolist() for part in joint.find_neighbours(slots(0, 3), 0)] == [[0, 0, 1, 1], [1, 7, 7, 8]]
    joint.list_neighbours(slots(6), 1)
    assert joint.near.get(slots(6))[1].tolist() == [7, 8]


def test_sums_of_several_nodes_are_those_of_each() -> None:
    tree = ClusterTree(3, limit=12)
    tree.update(np.arange(90), blobs(90, 6, 3)[0])
    merges = np.flatnonzero(tree.nodes.left[: tree.nodes.used] >= 0)
    sums = tree.nodes.add_up_each(merges)
    assert sums.tolist() == [tree.nodes.add_up(node).tolist() for node in merges.tolist()]
    assert tree.nodes.add_up_each(merges[:0]).shape == (0, 3)
