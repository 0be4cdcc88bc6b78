from __future__ import annotations

import numpy as np
import pytest

from indexers.tree.neighbour_lists import SPARE, NeighbourLists, encode_links

KEYS = np.arange(100, 120, dtype=np.uint64)


@pytest.fixture
def lists() -> NeighbourLists:
    """Lists of two neighbours and the spare ones; that of node 0 is full, that of node 1 names three."""
    lists = NeighbourLists(2)
    lists.grow(20)
    lists.begin()
    owner = np.array([0] * 9 + [1] * 3)
    offered = np.array([*range(1, 10), 0, 2, 3])
    lists.merge(owner, offered, np.array([*range(90, 81, -1), 90, 80, 70], np.float32), KEYS)
    lists.begin()
    return lists


def near(lists: NeighbourLists, slot: int) -> list[int]:
    return lists.near[slot, : int(lists.lengths(np.array([slot]))[0])].tolist()


def test_a_list_keeps_the_nearest_and_some_to_spare(lists: NeighbourLists) -> None:
    assert lists.width == 2 + SPARE
    assert near(lists, 0) == [1, 2, 3, 4, 5, 6, 7]
    assert near(lists, 1) == [0, 2, 3]
    assert lists.similarity[1].tolist() == [90, 80, 70, *[-np.inf] * 4]
    assert lists.lengths(np.array([0, 1, 2])).tolist() == [7, 3, 0]


def test_equally_near_nodes_are_ordered_by_fingerprint_and_named_once(lists: NeighbourLists) -> None:
    lists.merge(np.array([1, 1, 1]), np.array([5, 4, 2]), np.array([80, 80, 80], np.float32), KEYS)
    assert near(lists, 1) == [0, 2, 4, 5, 3]


def test_a_node_enters_a_list_only_before_what_the_list_names_last(lists: NeighbourLists) -> None:
    similarity, keys = lists.find_last(np.array([0, 1, 2]), 19, KEYS)
    assert similarity.tolist() == [84, 70, np.inf]
    assert keys[:2].tolist() == [107, 103]
    similarity, _ = lists.find_last(np.array([0, 1]), 3, KEYS)
    assert similarity.tolist() == [84, -np.inf]  # the list of node 1 names all others there are


def test_nodes_that_go_leave_all_lists_and_spare_ones_move_up(lists: NeighbourLists) -> None:
    shortened = lists.remove(np.array([2, 7]))
    assert shortened.tolist() == [0, 1]
    assert near(lists, 0) == [1, 3, 4, 5, 6]
    assert near(lists, 1) == [0, 3]
    won, lost = lists.compare()
    assert won.tolist() == [0 * 20 + 3, 1 * 20 + 3]
    assert lost.tolist() == [0 * 20 + 2, 1 * 20 + 2]


def test_an_edge_lasts_as_long_as_one_of_its_nodes_names_the_other(lists: NeighbourLists) -> None:
    lists.clear(np.array([1]))
    won, lost = lists.compare()
    assert not len(won)
    assert lost.tolist() == [1 * 20 + 2]  # node 0 still names node 1
    assert lists.links().tolist() == [1, 2]


def test_links_are_sorted_numbers() -> None:
    rows = np.array([[4, -1], [0, 3]], np.int32)
    assert encode_links(np.array([2, 1]), rows, 10).tolist() == [10, 13, 24]
