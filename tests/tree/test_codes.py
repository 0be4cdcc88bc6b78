from __future__ import annotations

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.tree.branches import Branches
from indexers.tree.codes import BIT, describe_nodes, find_seldom_left, find_strangers, p_log_p, split_clusters
from indexers.tree.walks import Walk, find_root, link_leaves
from tests.tree.test_levels import nested, tree_of


def test_which_cut_costs_least_is_what_the_map_equation_says() -> None:
    """By its formula over shares of all ends, whatever the number of these."""
    random = np.random.default_rng(0)
    for _ in range(50):
        ends = random.integers(5, 500, 12)
        inside = (ends * random.random(12)).astype(np.int64)
        total, multiplier = int(ends.sum()), float(random.uniform(-10, 2))
        share, leaving = ends / total, 1.4 * (ends - inside) / total
        length = p_log_p(leaving + share) - 2 * p_log_p(leaving) + multiplier * leaving
        cost = describe_nodes(ends, inside, 1.4).price(multiplier + np.log2(total)) / BIT
        # They differ by what each end costs, which all cuts have alike.
        np.testing.assert_allclose(cost / total - share * np.log2(total), length, atol=1e-6)


def test_clusters_are_taken_apart_where_a_walk_stays_in_parts_and_noise_is_not() -> None:
    rows, _ = nested(1, 4, 40)
    for vectors, count in ((rows, 4), (np.random.default_rng(0).standard_normal((160, 16)), 0)):
        tree, walk = tree_of(vectors.astype(np.float32)), Walk()
        walk.update(tree.nodes, link_leaves(tree.nodes, 8))
        root = find_root(tree.nodes)
        parts, part_of = split_clusters(tree.nodes, walk, root, 1.6)
        assert (np.count_nonzero(tree.nodes.size[parts] >= 5), set(part_of.tolist())) == (
            count,
            set(root.tolist()) if count else set(),
        )
        assert tree.nodes.size[parts].sum() == (160 if count else 0)
        leaves = np.flatnonzero(tree.nodes.old.birth[: tree.nodes.used] == 0)
        assert not len(split_clusters(tree.nodes, walk, leaves, 1.6)[0])


def test_a_walk_seldom_leaves_what_stands_apart_and_never_all() -> None:
    random, label = np.random.default_rng(0), np.repeat(np.arange(6), 80)
    centres = np.concatenate([np.eye(3), -np.eye(3)])
    tree, walk = tree_of(scale_to_unit(centres[label] + 0.15 * random.standard_normal((480, 3)))), Walk()
    whole, weight = walk.update(tree.nodes, link_leaves(tree.nodes, 8)), 10.0
    parts = whole.find_least_cut(describe_nodes(walk.ends[whole.slots], walk.inside[whole.slots], 1.4).price(weight))
    within = whole.last[:, None] <= whole.last[parts]
    is_within = (within & (whole.first[:, None] >= whole.first[parts])).any(1)
    is_within[parts] = False
    branches = Branches(tree.nodes, whole.slots[~is_within & (whole.size > 0)])
    found = find_seldom_left(branches, walk, 2.2, weight)
    assert len(parts) > 6 > len(found) > 3
    assert set(tree.nodes.size[found].tolist()) == {80}
    assert not np.isin(find_root(tree.nodes), found).any()


@pytest.mark.parametrize("count", [0, 3])
def test_strangers_are_those_that_came_from_too_far(count: int) -> None:
    rows = np.concatenate([nested(1, 1, 40)[0], np.random.default_rng(9).standard_normal((count, 64))])
    tree = tree_of(rows.astype(np.float32))
    root = find_root(tree.nodes)
    strange, owner = find_strangers(tree.nodes, root)
    assert len(strange) >= bool(count)
    assert (strange == root[0]).any() == bool(count)
    assert set(owner.tolist()) <= set(root.tolist())
