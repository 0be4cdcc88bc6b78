from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_mutual_info_score

from indexers.tree.cuts import MIN_CLUSTER_SIZE
from tests.support.trees import angles
from tests.tree.test_levels import nested, tree_of


def test_every_count_up_to_the_most_is_met_and_there_are_no_more() -> None:
    tree = tree_of(nested(5, 4, 20, seed=3)[0], 8)
    parameters = tree.choose_levels()
    medium = tree.cut_levels(parameters).medium
    most = len(np.unique(tree.cut_into(parameters, 100_000))) - 1
    assert most > len(np.unique(medium))
    for count in range(1, most + 1):
        labels = tree.cut_into(parameters, count)
        assert len(np.unique(labels[labels > 0])) == count
        assert np.bincount(labels)[labels[labels > 0]].min() >= MIN_CLUSTER_SIZE
    np.testing.assert_array_equal(tree.cut_into(parameters, most + 1), labels)


def test_as_many_as_medium_has_are_those_of_medium_and_more_lie_within_fewer() -> None:
    tree = tree_of(nested(5, 4, 20, seed=3)[0], 8)
    parameters = tree.choose_levels()
    medium = tree.cut_levels(parameters).medium
    same = len(np.unique(medium[medium > 0]))
    np.testing.assert_array_equal(tree.cut_into(parameters, same), medium)
    before = medium
    for count in range(same + 1, same + 10):
        after = tree.cut_into(parameters, count)
        placed = after > 0
        assert len(np.unique(np.stack([before[placed], after[placed]]), axis=1).T) == count
        before = after


def test_a_bundle_is_taken_apart_where_its_halves_are_farthest_from_each_other() -> None:
    """Two bundles far apart, one of which has two halves; of the other every piece is near the next."""
    tree = tree_of(angles(*np.arange(12) / 10, *(60 + np.arange(6) / 10), *(75 + np.arange(6) / 10)), 4)
    labels = tree.cut_into(tree.choose_levels(), 3)
    halves = [set(labels[part].tolist()) for part in (slice(0, 12), slice(12, 18), slice(18, 24))]
    assert all(len(half) == 1 for half in halves)
    assert len(set.union(*halves)) == 3


def test_ten_clusters_of_handwritten_digits_are_the_digits() -> None:
    rows, label = load_digits(return_X_y=True)
    tree = tree_of(rows - rows.mean(0), 8)
    assert adjusted_mutual_info_score(label, tree.cut_into(tree.choose_levels(), 10)) > 0.75


def test_few_items_are_one_cluster_or_none() -> None:
    tree = tree_of(angles(0, 1, 2, 3), 3)
    assert tree.cut_into(tree.choose_levels(), 1).tolist() == [0] * 4
    tree = tree_of(angles(0, 1, 2, 3, 4), 3)
    assert set(tree.cut_into(tree.choose_levels(), 1).tolist()) <= {tree.cut_into(tree.choose_levels(), 1)[0]}
