from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from indexers.clusterers.steps.dendrogram import apply_merges, count_leaves, limit_to_distinct_rows, sort_merges


def tree(count: int = 50) -> np.ndarray:
    return linkage(np.random.default_rng(0).standard_normal((count, 3)), "average")


def test_a_cut_is_the_one_of_scipy() -> None:
    merges = tree()
    for clusters in (1, 2, 7, 49, 50):
        ours = apply_merges(merges[: 50 - clusters, :2].astype(np.int64), 50)
        assert ours.max() + 1 == clusters
        height = merges[49 - clusters, 2] if clusters < 50 else 0  # by "maxclust", SciPy 1.11 makes 48 clusters of 49
        assert adjusted_rand_score(ours, fcluster(merges, height, "distance")) == 1


def test_clusters_are_numbered_by_their_first_rows() -> None:
    assert apply_merges(np.array([[1, 3], [0, 4]]), 5).tolist() == [0, 1, 2, 1, 0]


def test_merges_that_came_in_rounds_are_put_in_order() -> None:
    children, distances = sort_merges(np.array([[0, 1], [2, 3], [5, 4], [7, 6]]), np.array([3.0, 1.0, 5.0, 5.0]), 5)
    assert children.tolist() == [[2, 3], [0, 1], [4, 6], [5, 7]]
    assert distances.tolist() == [1, 3, 5, 5]


def test_sizes_are_those_of_scipy() -> None:
    merges = tree()
    counts = count_leaves(merges[:, :2].astype(np.int64), 50)
    np.testing.assert_array_equal(counts[50:], merges[:, 3])
    assert counts[:50].tolist() == [1] * 50


def test_copies_do_not_count_as_clusters() -> None:
    rows = np.array([[0.0, 1], [-0.0, 1], [2, 3], [2, 3]])
    assert [limit_to_distinct_rows(rows, wanted) for wanted in (1, 2, 3)] == [1, 2, 2]
