from __future__ import annotations

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.levels import NEAREST, choose_levels, score_brevity, score_modularity


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


def are_same_partition(left: np.ndarray, right: np.ndarray) -> bool:
    """Return True if two labellings are the same partition, under whatever names."""
    pairs = np.unique(np.stack([left, right]), axis=1).shape[1]
    return pairs == len(np.unique(left)) == len(np.unique(right))


def test_medium_finds_groups_smaller_than_a_neighbourhood_and_coarse_their_families() -> None:
    rows, label = nested(8, 12, NEAREST + 2)
    tree = tree_of(rows)
    levels = tree.choose_levels()
    assert are_same_partition(tree.cut(threshold=levels.medium).nodes, label)
    assert are_same_partition(tree.cut(threshold=levels.coarse).nodes, label // 12)
    assert levels.coarse < levels.medium <= levels.fine


def test_groups_of_very_different_sizes_are_all_found() -> None:
    rows, label = nested(30, 1, 200)
    sizes = np.tile([200, 60, 20, 12, 9, 8], 5)
    kept = np.concatenate([np.flatnonzero(label == group)[:size] for group, size in enumerate(sizes)])
    tree = tree_of(rows[kept])
    assert are_same_partition(tree.cut(threshold=tree.choose_levels().medium).nodes, label[kept])


def test_levels_depend_on_the_tree_and_not_on_how_it_came_to_be() -> None:
    rows, _ = nested(10, 10, 15)
    whole, table = tree_of(rows), find_neighbours(rows, 15)
    edges = build_edges(table)
    grown = ClusterTree(64)
    late = np.arange(0, len(rows), 7)
    early = np.setdiff1d(np.arange(len(rows)), late)
    without = ~np.isin(edges, late).any(1)
    grown.update(early, rows[early], new_pairs=edges[without])
    grown.update(late, rows[late], new_pairs=edges[~without])
    assert grown.choose_levels() == whole.choose_levels()


def test_a_tree_of_next_to_nothing_has_levels() -> None:
    for count in (1, 2, 3, 6):
        rows = scale_to_unit(np.random.default_rng(count).standard_normal((count, 4)))
        levels = choose_levels(tree_of(rows).nodes)
        assert levels.coarse <= levels.medium <= levels.fine


def test_what_makes_a_cut_good_is_what_the_papers_say() -> None:
    share, leaving = np.array([0.5, 0.5]), np.array([0.1, 0.1])
    assert score_modularity(share, leaving) == 1 - 0.2 - 0.5
    # Rosvall and Bergstrom 2008, equation 4, but for the term of the nodes.
    equation = 0.2 * np.log2(0.2) - 2 * 2 * 0.1 * np.log2(0.1) + 2 * 0.6 * np.log2(0.6)
    assert np.isclose(score_brevity(share, leaving), -equation)
    assert score_brevity(np.array([1.0]), np.array([0.0])) == 0
