from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from indexers.tree.ward import FEWEST, MOST, choose_count, join_by_ward
from tests.tree.test_levels import are_same_partition


@pytest.mark.parametrize("seed", range(5))
def test_clusters_of_one_item_are_joined_as_scipy_joins_them(seed: int) -> None:
    points = np.random.default_rng(seed).standard_normal((60, 4))
    for count in (2, 7, 30, 60):
        peer = fcluster(linkage(points, "ward"), count, "maxclust")
        assert are_same_partition(join_by_ward(points, np.ones(60, np.int64), count), peer)


def test_a_cluster_counts_as_all_its_items() -> None:
    random = np.random.default_rng(0)
    points = random.standard_normal((12, 3))
    sizes = random.integers(1, 6, 12)
    repeated = np.repeat(points, sizes, axis=0)
    for count in (2, 4, 8):
        peer = fcluster(linkage(repeated, "ward"), count, "maxclust")
        ours = join_by_ward(points * sizes[:, None], sizes, count)
        assert are_same_partition(np.repeat(ours, sizes), peer)


def test_next_to_nothing_is_joined() -> None:
    for clusters in (0, 1, 3):
        groups = join_by_ward(np.eye(3)[:clusters], np.ones(clusters, np.int64), 5)
        assert groups.tolist() == list(range(clusters))
        assert choose_count(np.eye(3)[:clusters], np.ones(clusters, np.int64)) == FEWEST


def test_the_count_is_near_the_square_root_and_where_joining_gets_dear() -> None:
    random = np.random.default_rng(1)
    centres = 10 * np.eye(9)
    points = np.repeat(centres, 8, axis=0) + 0.1 * random.standard_normal((72, 9))
    assert choose_count(points, np.ones(72, np.int64)) == 9
    for count in (5, 30, 100, 900):
        chosen = choose_count(random.standard_normal((count, 3)), np.ones(count, np.int64))
        assert chosen == min(MOST, max(round(2 * count**0.5), FEWEST)), "noise has no groups"
