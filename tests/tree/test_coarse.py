from __future__ import annotations

import numpy as np

from indexers.tree.coarse import ClusterSums, count_groups, join_clusters
from indexers.tree.fixed_point import SCALE
from indexers.tree.level_cut import LevelCut
from tests.support.trees import blobs
from tests.tree.test_levels import nested, tree_of


def cut_medium(rows: np.ndarray):  # type: ignore[no-untyped-def]
    tree = tree_of(rows)
    cut = LevelCut(tree.choose_levels())
    cut.update_medium(tree.nodes, tree._make_link_finder(None))
    return tree, cut.make_cut_tree(tree.nodes)


def test_clusters_are_joined_to_the_families_and_the_loose_lie_with_what_is_beside_them() -> None:
    rows, label = nested(12, 8, 10)
    tree, cut = cut_medium(rows)
    assert count_groups(cut) == 12
    numbers = join_clusters(cut, 12, ClusterSums())
    assert len(numbers) == len(cut.branches.leaves)
    group = np.zeros(len(rows), np.int64)
    for top, number in zip(cut.branches.slots[cut.branches.leaves].tolist(), numbers.tolist(), strict=True):
        group[tree.members(top)] = number
    assert len({*zip((label // 8).tolist(), group.tolist(), strict=True)}) == 12
    for number in set(numbers.tolist()):  # it names the leaf of the smallest key
        members = np.flatnonzero(tree.nodes.least[: tree.nodes.used] == number - 1)
        keys = tree.nodes.key[tree.items.leaf[np.flatnonzero(group == number)]]
        assert tree.nodes.key[members[0]] == keys.min()


def test_more_clusters_than_ward_joins_are_joined_as_the_tree_joins_them_first() -> None:
    rows, label = nested(5, 40, 12)
    tree, cut = cut_medium(rows)
    assert np.count_nonzero(tree.nodes.size[cut.branches.slots[cut.branches.leaves]] >= 5) > 128
    numbers = join_clusters(cut, 5, ClusterSums())
    family = [set((label[tree.members(int(top))] // 40).tolist()) for top in cut.branches.slots[cut.branches.leaves]]
    assert len({(number, *sorted(families)) for number, families in zip(numbers.tolist(), family, strict=True)}) == 5


def test_sums_that_are_known_are_those_that_adding_up_gives() -> None:
    rows, _ = blobs(200, 10, 8)
    tree, cut = cut_medium(rows.astype(np.float32))
    sums, random = ClusterSums(), np.random.default_rng(0)
    for _ in range(5):
        places = random.permutation(len(cut.branches.slots))[:30]
        ours, sizes = sums.add_up(cut.branches, places)
        slots = cut.branches.slots[places]
        np.testing.assert_array_equal(ours, tree.nodes.add_up_each(slots) / SCALE)
        np.testing.assert_array_equal(sizes, tree.nodes.size[slots])
