from __future__ import annotations

import numpy as np
import pytest

from indexers.tree.cluster_tree import ClusterTree
from tests.support.slow_tree import SlowTree, is_equal
from tests.support.trees import angles, blobs, build_at_once, build_weighted, describe_tree, link_nearest


def test_any_order_of_the_same_additions_gives_the_same_tree() -> None:
    rows, _ = blobs(90, 7, 5)
    vectors = dict(enumerate(rows))
    edges = link_nearest(vectors, 3)
    whole = describe_tree(build_at_once(vectors, edges, 5, 12))
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(90)
        tree, known = ClusterTree(5, 12), set[int]()
        for part in np.split(order, [1, 3, 30, 31, 80]):
            known |= set(part.tolist())
            new = sorted(edge for edge in edges if set(edge) <= known and set(edge) & set(part.tolist()))
            tree.update(part, rows[part], new_pairs=new)
        assert describe_tree(tree) == whole


def test_links_follow_edges_only_beyond_the_limit_and_then_join_what_no_edge_joins() -> None:
    """Items 0 and 1 are nearest, but no edge joins them."""
    edges = [(0, 2), (1, 3)]
    bounded, whole = ClusterTree(2, limit=1), ClusterTree(2, limit=4)
    for tree in (bounded, whole):
        tree.update([0, 1, 2, 3], angles(0, 1, -20, 21), new_pairs=edges)
    *halves, root = bounded.merges().tolist()
    assert sorted(bounded.members(half).tolist() for half in halves) == [[0, 2], [1, 3]]
    assert bounded.roots().tolist() == [root]
    assert whole.members(int(whole.merges()[0])).tolist() == [0, 1]


@pytest.mark.parametrize("largest", [10, 22, 27])
def test_no_number_of_items_is_too_large(largest: int) -> None:
    """Beside a tree in Python's whole numbers: products of sums pass 2^62 where two nodes have 2^19 items each."""
    for seed in range(12):
        random = np.random.default_rng(seed)
        count, limit = int(random.integers(2, 25)), int(random.choice([1, 3, 12, 30]))
        rows = np.abs(random.standard_normal((3, 4)))[random.integers(0, 3, count)]
        rows += random.choice([0.01, 0.1, 0.5]) * random.standard_normal(rows.shape)
        counts = (2.0 ** random.uniform(0, largest, count)).astype(np.int64)
        pairs = link_nearest(dict(enumerate(rows)), int(random.integers(1, 4)))
        tree = build_weighted(rows, counts, pairs, limit)
        assert is_equal(tree, SlowTree(rows, counts.tolist(), pairs, limit), [{place} for place in range(count)])


@pytest.mark.parametrize("half", [2**18, 2**18 + 1, 760_001, 2**30])
def test_halves_in_nearly_one_direction_merge_at_their_similarity(half: int) -> None:
    """Sums of 760,001 items each wrapped: two nodes merged at -.9966 that are similar by .9998."""
    rows = angles(0, 1, 90)
    tree = build_weighted(rows, np.array([half, half, 3]), {(0, 1), (1, 2)}, 1000)
    low, high = sorted(tree.heights(tree.merges()).tolist(), reverse=True)
    assert low == pytest.approx(np.cos(np.radians(1)), abs=1e-3)
    assert high == pytest.approx(np.cos(np.radians(89)) / 2, abs=1e-3)


def test_an_update_examines_what_the_change_concerns_and_no_more() -> None:
    rows, _ = blobs(2000, 100, 8)
    vectors = dict(enumerate(rows))
    edges = link_nearest(vectors, 5)
    tree = build_at_once(vectors, edges, 8, 20)
    later = link_nearest(vectors | {2000: rows[0] + 1e-3}, 5)
    result = tree.update([2000], rows[:1] + 1e-3, new_pairs=sorted(later - edges), gone_pairs=sorted(edges - later))
    whole = ClusterTree(8, 20).update(np.arange(2000), rows, new_pairs=sorted(edges))
    assert 0 < result.examined < whole.examined / 10


def test_a_group_of_which_all_items_leave_dies_and_comes_back_the_same() -> None:
    rows, label = blobs(300, 6, 8)
    vectors = dict(enumerate(rows))
    tree = build_at_once(vectors, link_nearest(vectors, 4), 8, 12)
    before = describe_tree(tree)
    stay = {item: vector for item, vector in vectors.items() if label[item] != 0}
    all_edges, edges = link_nearest(vectors, 4), link_nearest(stay, 4)
    gone = sorted(vectors.keys() - stay.keys())
    tree.update(removed=gone, new_pairs=sorted(edges - all_edges), gone_pairs=sorted(all_edges - edges))
    assert describe_tree(tree) == describe_tree(build_at_once(stay, edges, 8, 12))
    tree.update(gone, rows[gone], new_pairs=sorted(all_edges - edges), gone_pairs=sorted(edges - all_edges))
    assert describe_tree(tree) == before
