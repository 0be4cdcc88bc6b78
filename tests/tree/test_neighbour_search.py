"""Which lists a search makes exact, and which it only makes better."""

from __future__ import annotations

import numpy as np

from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import compute_fingerprints
from indexers.tree.neighbour_lists import NeighbourLists
from indexers.tree.neighbour_search import QUERIES, NeighbourSearch
from indexers.tree.rounded_vectors import RoundedVectors
from indexers.types import Ids, Vectors


def prepare(count: int, k: int = 3, dimension: int = 5) -> NeighbourSearch:
    """Return a search among nodes whose slots are their items."""
    rows = np.random.default_rng(0).standard_normal((count, dimension))
    items = np.arange(count)
    vectors = RoundedVectors(ClusterTree(dimension), items, rows)
    lists = NeighbourLists(k)
    lists.grow(count)
    lists.begin()
    return NeighbourSearch(lists, items, items.astype(np.int32), compute_fingerprints(vectors.rounded), vectors)


def rank(search: NeighbourSearch, present: Ids) -> np.ndarray:
    """Return the right lists by brute force."""
    rows = search.vectors.rounded.astype(np.int64)
    products = rows[present] @ rows[present].T
    np.fill_diagonal(products, -(2**40))
    keys = search.fingerprints[present]
    return present[[np.lexsort((keys, -row))[: search.lists.width] for row in products]]


def test_inserting_makes_all_lists_exact_also_those_of_other_nodes() -> None:
    search = prepare(QUERIES + 200)
    items = np.arange(QUERIES + 200)
    search.compare(items[:100], items[:0])
    search.compare(items[100:], items[:100])
    assert (search.lists.near == rank(search, items)).all()


def test_looking_again_makes_single_lists_exact() -> None:
    search, items = prepare(60), np.arange(60)
    search.compare(items, items[:0])
    right = search.lists.near.copy()
    search.lists.merge(items[:2], items[3:5], np.array([2**23, 2**23], np.float32), search.fingerprints)
    search.compare(items[:0], items, items[:2])
    assert (search.lists.near == right).all()


def test_lists_are_made_exact_while_new_nodes_come() -> None:
    search, items = prepare(QUERIES + 200), np.arange(QUERIES + 200)
    old, again = items[:80], items[5:80:20]
    search.compare(old, items[:0])
    wrong = np.full(len(again), 2**23, np.float32)
    search.lists.merge(again, (again + 1) % 80, wrong, search.fingerprints)
    search.compare(items[80:], old, again)
    assert (search.lists.near == rank(search, items)).all()


def find_next(items: Ids, count: int) -> tuple[Ids, Vectors]:
    """Find the item itself and the next one."""
    ids = np.full((len(items), count), -1)
    ids[:, 0], ids[:, 1] = items, (items + 1) % 40
    return ids, np.zeros(ids.shape, np.float32)


def test_what_an_index_finds_is_offered_the_one_that_searched() -> None:
    search, items = prepare(40, k=1), np.arange(40)
    search.search(items, find_next, 5, 39)
    named = [set(row[row >= 0].tolist()) for row in search.lists.near]
    assert all(named[item] <= {(item + 1) % 40, (item - 1) % 40} for item in range(40))
    assert any(len(row) == 2 for row in named)


def test_a_node_is_offered_to_those_that_list_its_neighbours() -> None:
    search, items = prepare(200), np.arange(200)
    search.compare(items[:199], items[:0])
    lost = np.array([199])
    search.lists.merge(np.repeat(lost, 3), rank(search, items)[199, :3].astype(np.int64), np.ones(3, np.float32), KEYS)
    search.offer_to_reverse_neighbours(lost, items, 199)
    right = rank(search, items)
    naming = np.flatnonzero((right[:, :3] == 199).any(1))
    found = np.flatnonzero((search.lists.near[:, :3] == 199).any(1))
    assert len(naming)
    assert np.isin(found, naming).all()
    assert len(found) > 0.5 * len(naming)


KEYS = np.arange(200, dtype=np.uint64)
