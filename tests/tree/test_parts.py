"""Parts that no edge joins: what joins them, kept up to date, and what becomes of many bursts."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from indexers.arrays import scale_to_unit
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import round_vectors
from indexers.tree.nodes import Nodes
from indexers.tree.parts import PART_NEIGHBOURS, Parts
from tests.support.slow_tree import build_slowly, is_equal
from tests.support.trees import build_at_once, link_nearest


@pytest.fixture
def nodes() -> Nodes:
    """300 nodes of one to five items each; some have equal sums."""
    random = np.random.default_rng(0)
    nodes = Nodes(4, 300)
    slots = nodes.allocate(300)
    nodes.size[slots] = random.integers(1, 5, 300)
    rows = round_vectors(random.standard_normal((300, 4)))
    rows[100:120] = rows[99]
    nodes.row[slots] = nodes.sums.add(rows.astype(np.int64) * nodes.size[slots, None])
    nodes.key[slots] = random.permutation(300).astype(np.uint64)
    return nodes


def rank(nodes: Nodes, alive: np.ndarray) -> np.ndarray:
    """Return the most similar others of each by brute force, -1 where there are fewer."""
    near = np.full((len(alive), PART_NEIGHBOURS), -1)
    for place, slot in enumerate(alive.tolist()):
        others = alive[alive != slot]
        order = np.lexsort((nodes.key[others], -nodes.similarity(np.full(len(others), slot), others)))
        near[place, : len(others)] = others[order][:PART_NEIGHBOURS]
    return near


def test_each_part_has_edges_to_the_most_similar_ones_whatever_was_there_before(nodes: Nodes) -> None:
    random, parts = np.random.default_rng(1), Parts()
    before: set[tuple[int, ...]] = set()
    for count in (150, 152, 151, 290, 40, 8, 9, 3, 300, 0):
        alive = np.sort(random.choice(300, count, replace=False))
        clean = parts.slots[np.isin(parts.slots, alive)]
        nodes.dirty[:] = True
        nodes.dirty[clean] = False
        edged, *changes = parts.update(nodes, alive)
        new, cut = ({tuple(edge) for edge in edges.tolist()} for edges in changes)
        assert (parts.near == rank(nodes, alive)).all()
        places, column = np.nonzero(parts.near >= 0)
        ends = np.sort(np.stack([alive[places], parts.near[places, column]], 1), axis=1)
        after = {tuple(edge) for edge in ends.tolist()}
        stays = set(clean.tolist())
        assert new == {edge for edge in after - before if stays.issuperset(edge)}
        assert cut == {edge for edge in before - after if stays.issuperset(edge)}
        assert set(edged.tolist()) == {slot for edge in after ^ before for slot in edge} & stays
        assert {tuple(sorted(edge)) for edge in zip(*vars(parts.link(nodes.capacity)).values(), strict=True)} == after
        before = after


def test_parts_can_be_kept_and_taken_up(nodes: Nodes) -> None:
    parts, again = Parts(), Parts()
    parts.update(nodes, np.arange(50, 200))
    again.restore(nodes, parts.slots, parts.near)
    assert (again.similarity == parts.similarity).all()


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_tree_of_many_parts_follows_the_rules(limit: int) -> None:
    """Beside a slow program that was written from the rules alone."""
    for seed in range(8):
        random = np.random.default_rng(seed)
        vectors = dict(enumerate(random.standard_normal((40, 3))))
        pairs = {pair for pair in link_nearest(vectors, 1) if random.random() < 0.7}
        tree = build_at_once(vectors, pairs, 3, limit)
        assert is_equal(tree, *build_slowly(vectors, pairs, limit))


def test_bursts_far_from_each_other_are_joined_to_their_true_groups() -> None:
    random = np.random.default_rng(0)
    above = random.standard_normal((20, 48))
    bursts = np.repeat(above, 10, axis=0) + 0.7 * random.standard_normal((200, 48))
    rows = scale_to_unit(np.repeat(bursts, 17, axis=0) + 0.05 * random.standard_normal((3400, 48))).astype(np.float32)
    tree = ClusterTree(48, limit=100)
    tree.update(np.arange(3400), rows, new_pairs=build_edges(find_neighbours(rows, 15)))
    assert len(tree.parts[1].slots) == 200
    assert len(tree.roots()) == 1
    for count, truth in ((20, np.arange(3400) // 170), (200, np.arange(3400) // 17)):
        assert adjusted_mutual_info_score(tree.cut(count=count).nodes, truth) == 1
