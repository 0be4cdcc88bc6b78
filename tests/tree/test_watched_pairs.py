from __future__ import annotations

import numpy as np
import pytest

from indexers.tree.fixed_point import UNIT, round_vectors
from indexers.tree.nodes import Nodes
from indexers.tree.rounds import NodeChanges
from indexers.tree.watched_pairs import WatchedPairs
from tests.support.trees import angles


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def edges(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)


@pytest.fixture
def nodes() -> Nodes:
    """Leaves 0 to 5 at 0, 10, 20 ... degrees, each beside the next; alive in all rounds."""
    nodes = Nodes(2)
    slots = nodes.allocate(6)
    nodes.size[slots] = 1
    nodes.row[slots] = nodes.sums.add(round_vectors(angles(0, 10, 20, 30, 40, 50)))
    nodes.new.birth[slots], nodes.new.death[slots] = 0, 99
    neighbours = [[1], [0, 2], [1, 3], [2, 4], [3, 5], [4]]
    nodes.near.write(slots, ints(*map(len, neighbours)), ints(*(near for row in neighbours for near in row)))
    return nodes


def start(nodes: Nodes, dirty: np.ndarray, new: np.ndarray, cut: np.ndarray, full: bool = False) -> WatchedPairs:
    nodes.dirty[dirty] = True
    edged = np.unique(np.concatenate([new, cut]))
    return WatchedPairs(nodes, NodeChanges(dirty, ints(), edged[~np.isin(edged, dirty)], new, cut), full)


def watched(pairs: WatchedPairs) -> set[tuple[int, int]]:
    return set(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True))


def test_pairs_of_dirty_nodes_and_new_edges_are_watched(nodes: Nodes) -> None:
    pairs = start(nodes, ints(1), edges((3, 4)), edges())
    assert watched(pairs) == {(0, 1), (1, 2), (3, 4)}
    np.testing.assert_allclose(pairs.similarity / UNIT, np.cos(np.radians(10)), atol=1e-3)


def test_nodes_whose_edges_changed_are_marked_until_they_are_released(nodes: Nodes) -> None:
    pairs = start(nodes, ints(), edges((3, 4)), edges((0, 1)))
    assert np.flatnonzero(nodes.marked).tolist() == [0, 1, 3, 4]
    pairs.release()
    assert not nodes.marked.any()


def test_an_edge_is_cut_in_both_directions(nodes: Nodes) -> None:
    pairs = start(nodes, ints(), edges(), edges((4, 3)))
    assert pairs.are_cut(ints(3, 4, 3), ints(4, 3, 2)).tolist() == [True, True, False]
    assert start(nodes, ints(), edges(), edges()).are_cut(ints(3), ints(4)).tolist() == [False]


def test_pairs_follow_their_nodes_into_joints_and_end_inside_them(nodes: Nodes) -> None:
    """1 is dirty and merges with 0; the joint is dirty from round 1 on."""
    pairs = start(nodes, ints(1), edges(), edges((3, 4)))
    [joint] = nodes.allocate(1).tolist()
    nodes.size[joint], nodes.row[joint] = 2, nodes.sums.add(nodes.sums.get(nodes.row[:2], "i8").sum(0)[None])[0]
    nodes.left[joint], nodes.right[joint] = 0, 1
    nodes.new.birth[joint], nodes.new.death[joint] = 1, 99
    nodes.new.death[:2], nodes.new.above[:2] = 0, joint
    nodes.dirty[1], nodes.dirty[joint] = False, True
    pairs.advance(1, ints(joint), ints(joint), ints())
    assert watched(pairs) == {(2, joint)}
    assert nodes.near.get(ints(joint))[1].tolist() == [2]
    assert pairs.similarity / UNIT == pytest.approx(np.cos(np.radians([20, 10])).mean(), abs=1e-3)
    assert pairs.cut.tolist() == [[3, 4]]
    assert not nodes.scratch.any()


def test_a_pair_of_clean_nodes_is_no_longer_watched(nodes: Nodes) -> None:
    pairs = start(nodes, ints(1), edges(), edges())
    nodes.dirty[1] = False  # it came out as it was
    pairs.advance(1, ints(), ints(), ints())
    assert watched(pairs) == set()


def test_a_full_run_watches_every_pair(nodes: Nodes) -> None:
    pairs = start(nodes, np.arange(6), edges(), edges(), full=True)
    pairs.advance(1, ints(), ints(), ints())
    assert watched(pairs) == {(place, place + 1) for place in range(5)}
