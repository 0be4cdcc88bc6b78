from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_mutual_info_score

from indexers.arrays import scale_to_unit
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.codes import MOST_LOOSE
from indexers.tree.level_cut import FEW, LevelLabels
from indexers.tree.level_parameters import LARGE, SMALL, LevelParameters
from indexers.tree.neighbour_graph import NeighbourGraph
from indexers.tree.rounded_vectors import RoundedVectors
from indexers.tree.walks import link_leaves


def nested(families: int, groups: int, members: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, float32, of groups within families, and the group of each."""
    random = np.random.default_rng(seed)
    above = np.repeat(random.standard_normal((families, 64)), groups, axis=0)
    centres = above + 0.7 * random.standard_normal(above.shape)
    label = np.repeat(np.arange(families * groups), members)
    return scale_to_unit(centres[label] + 0.5 * random.standard_normal((len(label), 64))), label


def tree_of(rows: np.ndarray, k: int = 15) -> ClusterTree:
    tree = ClusterTree(rows.shape[1])
    tree.update(np.arange(len(rows)), rows, new_pairs=build_edges(find_neighbours(rows, k)))
    return tree


def cut(tree: ClusterTree) -> LevelLabels:
    return tree.cut_levels(tree.choose_levels())


def are_same_partition(left: np.ndarray, right: np.ndarray) -> bool:
    """Return True if two labellings are the same partition, under whatever names."""
    pairs = np.unique(np.stack([left, right]), axis=1).shape[1]
    return pairs == len(np.unique(left)) == len(np.unique(right))


def test_medium_finds_groups_smaller_than_a_neighbourhood_and_coarse_their_families() -> None:
    rows, label = nested(12, 8, LARGE.nearest + 2)
    levels = cut(tree_of(rows))
    assert are_same_partition(levels.medium, label)
    assert are_same_partition(levels.coarse, label // 8)
    assert are_same_partition(levels.fine, label)  # noise within a group is not split


def test_groups_of_very_different_sizes_and_densities_are_all_found() -> None:
    rows, label = nested(30, 1, 200)
    sizes = np.tile([200, 60, 20, 12, 9, 8], 5)
    kept = np.concatenate([np.flatnonzero(label == group)[:size] for group, size in enumerate(sizes)])
    assert are_same_partition(cut(tree_of(rows[kept])).medium, label[kept])
    random = np.random.default_rng(1)
    label = np.repeat(np.arange(12), 40)
    spread = np.repeat(np.geomspace(0.02, 0.6, 12), 40)[:, None]
    rows = scale_to_unit(random.standard_normal((12, 32))[label] + spread * random.standard_normal((480, 32)))
    assert are_same_partition(cut(tree_of(rows)).medium, label)  # no single similarity does that


def test_classes_of_digits_are_found() -> None:
    pixels, label = load_digits(return_X_y=True)
    levels = cut(tree_of(scale_to_unit((pixels - pixels.mean(0)).astype(np.float32))))
    agreement = [adjusted_mutual_info_score(label, labels) for labels in levels]
    assert agreement[0] > 0.75  # .81, and .73 of cuts at one similarity
    assert agreement[1] > 0.84  # .86 and .81
    assert agreement[2] > 0.75  # .80 and .34


def test_parts_of_what_stands_apart_are_one_cluster_of_medium_and_several_of_fine() -> None:
    random, label = np.random.default_rng(0), np.repeat(np.arange(6), 80)
    rows = np.concatenate([np.eye(3), -np.eye(3)])[label] + 0.1 * random.standard_normal((480, 3))
    levels = cut(tree_of(scale_to_unit(rows)))
    assert len(np.unique(levels.medium[levels.medium > 0])) == 6
    assert adjusted_mutual_info_score(label, levels.medium) > 0.95
    assert len(np.unique(levels.fine)) > 12


@pytest.mark.parametrize("count", [40, 250, 1500])
def test_noise_is_one_cluster_at_each_level(count: int) -> None:
    rows = scale_to_unit(np.random.default_rng(count).standard_normal((count, 16)))
    for labels in cut(tree_of(rows)):
        assert len(np.unique(labels)) == 1


@pytest.mark.parametrize("size", [6, 30, 400])
def test_perfect_blobs_are_the_clusters_of_each_level(size: int) -> None:
    random = np.random.default_rng(size)
    label = np.repeat(np.arange(5), size)
    rows = scale_to_unit(random.standard_normal((5, 32))[label] + 0.1 * random.standard_normal((5 * size, 32)))
    for labels in cut(tree_of(rows)):
        assert are_same_partition(labels, label)


def test_levels_are_nested_and_fine_leaves_few_items_loose() -> None:
    random = np.random.default_rng(3)
    rows = scale_to_unit(random.standard_normal((2000, 5)) ** 3)  # no clear clusters: pieces of all sizes
    levels = cut(tree_of(rows))
    assert len(np.unique(levels.fine)) > len(np.unique(levels.medium)) > len(np.unique(levels.coarse))
    for inner, outer in ((levels.fine, levels.medium), (levels.medium, levels.coarse)):
        pairs = np.unique(np.stack([inner, outer])[:, inner > 0], axis=1)
        assert len(np.unique(pairs[0])) == pairs.shape[1]
    loose = [np.count_nonzero(labels == 0) / 2000 for labels in levels]
    assert loose[0] <= loose[1] <= loose[2] <= loose[1] + MOST_LOOSE
    for labels in levels:
        assert np.unique(labels[labels > 0], return_counts=True)[1].min() >= 5


def test_coarse_is_medium_where_that_has_few_clusters() -> None:
    for families, is_medium in ((FEW - 1, True), (12, False)):
        rows, label = nested(families, 1, 40)
        levels = cut(tree_of(rows))
        assert are_same_partition(levels.medium, label)
        assert are_same_partition(levels.coarse, label) is is_medium


def grow(rows: np.ndarray) -> ClusterTree:
    """Return the tree to which every seventh row came last."""
    edges, tree = build_edges(find_neighbours(rows, 15)), ClusterTree(rows.shape[1])
    late = np.arange(0, len(rows), 7)
    early = np.setdiff1d(np.arange(len(rows)), late)
    without = ~np.isin(edges, late).any(1)
    tree.update(early, rows[early], new_pairs=edges[without])
    tree.update(late, rows[late], new_pairs=edges[~without])
    return tree


@pytest.mark.parametrize(
    "make",
    [
        lambda: nested(10, 10, 15)[0],
        lambda: scale_to_unit(np.random.default_rng(5).standard_normal((700, 4)) ** 3),
        lambda: nested(5, 4, 9)[0],
    ],
)
def test_levels_depend_on_the_tree_and_not_on_how_it_came_to_be(make: Callable[[], np.ndarray]) -> None:
    rows = make()
    grown, whole = grow(rows), tree_of(rows)
    assert grown.choose_levels() == whole.choose_levels()
    for left, right in zip(cut(grown), cut(whole), strict=True):
        assert are_same_partition(left, right)
        assert np.array_equal(left == 0, right == 0)


def test_the_graphs_links_are_those_that_comparing_finds() -> None:
    rows, _ = nested(6, 8, 12)
    graph, tree, items = NeighbourGraph(), ClusterTree(64), np.arange(len(rows))
    edges = graph.update(np.empty(0, np.int64), RoundedVectors(tree, items, rows)).new
    tree.update(items, rows, new_pairs=edges)
    compared, ours = link_leaves(tree.nodes, 8), graph.link_items(8)
    used = ours.leaf >= 0
    leaf = tree.items.leaf[ours.leaf]
    np.testing.assert_array_equal(leaf[ours.near[used]], compared.near[leaf[used]])
    levels = tree.choose_levels(graph.link_items)
    assert levels == tree.choose_levels()
    for left, right in zip(tree.cut_levels(levels, graph.link_items), tree.cut_levels(levels), strict=True):
        assert np.array_equal(left, right)


def test_levels_of_earlier_versions_are_similarities() -> None:
    tree = tree_of(nested(4, 3, 30)[0])
    levels = LevelParameters(0.0, 0.55, 0.999)
    assert levels.are_similarities
    cuts = tree.cut_levels(levels)
    assert are_same_partition(cuts.medium, tree.cut(threshold=0.55).nodes)
    assert (cuts.fine == 0).all()
    assert not tree.choose_levels().are_similarities


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300])
def test_whatever_a_catalogue_holds_cuts_the_tree(value: float) -> None:
    tree = tree_of(nested(10, 1, 12)[0])
    for levels in (LevelParameters(value, -1, 1), LevelParameters(9, value, 1), LevelParameters(9, -1, value)):
        assert [len(labels) for labels in tree.cut_levels(levels)] == [120] * 3


def test_strangers_are_loose_though_their_neighbours_are_in_a_cluster() -> None:
    rows, label = nested(9, 1, 40)
    strangers = scale_to_unit(np.random.default_rng(9).standard_normal((3, 64)))
    levels = cut(tree_of(np.concatenate([rows, strangers])))
    assert are_same_partition(levels.medium[:-3], label)
    assert (levels.medium[-3:] == 0).all()
    assert (levels.fine[-3:] == 0).all()


def test_the_rule_of_a_small_tree_is_kept_until_levels_are_chosen_again() -> None:
    rows, _ = nested(5, 4, 30)
    few, many = tree_of(rows[::4]).choose_levels(), tree_of(rows).choose_levels()
    assert (few.rule, many.rule) == (SMALL, LARGE)
    assert len(np.unique(tree_of(rows).cut_levels(few).medium)) > 1


def test_a_tree_of_next_to_nothing_has_levels() -> None:
    for count in (0, 1, 2, 3, 6):
        rows = scale_to_unit(np.random.default_rng(count).standard_normal((count, 4)))
        tree = tree_of(rows) if count > 1 else ClusterTree(4)
        if count == 1:
            tree.update([0], rows)
        assert [len(labels) for labels in cut(tree)] == [count] * 3
