from __future__ import annotations

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.clusterers.incremental_kmeans.split_merge import (
    MIN_ROWS,
    Merges,
    find_cheapest_merges,
    find_nearest,
    split_in_halves,
    split_into_parts,
)


def test_noise_is_not_split_and_two_groups_are() -> None:
    random = np.random.default_rng(0)
    noise = scale_to_unit(np.ones(64) * 3 + random.standard_normal((400, 64)))
    two = scale_to_unit(
        np.ones(64) * 3
        + random.standard_normal((400, 64))
        + np.sign(np.arange(400) % 2 - 0.5)[:, None] * np.arange(64) / 16
    )
    order = random.permutation(400)
    rows = np.stack([noise, two[order]])
    halves = split_in_halves(rows, np.ones((2, 400), bool))
    assert halves.gain[1] > 0.02
    assert halves.gain[0] < 0.1 * halves.gain[1]
    near = rows[1] @ halves.centres[1].T - (halves.centres[1] ** 2).sum(1) / 2
    assert (near.argmax(1) == order % 2).mean() in (0, 1)
    few = np.zeros((2, 400), bool)
    few[:, :7] = True
    assert split_in_halves(rows, few).gain.tolist() == [0, 0]
    assert split_in_halves(np.ones((1, 20, 3), np.float32), np.ones((1, 20), bool)).gain.tolist() == [0]


def test_the_cheapest_merges_are_those_of_ward_and_apart() -> None:
    centres = np.array([[0, 0], [1, 0], [0, 3], [0, 5]], np.float32)
    none, every = np.empty(0, np.int64), np.arange(4)
    found = find_cheapest_merges(centres, np.array([2, 6, 1, 1]), every, none, 9)
    assert (found.keep.tolist(), found.drop.tolist()) == ([1, 2], [0, 3])
    np.testing.assert_allclose(found.cost, [2 * 6 / 8, 2], rtol=1e-6)
    assert len(find_cheapest_merges(centres, np.array([2, 6, 1, 1]), every, none, 1).cost) == 1
    assert find_cheapest_merges(centres, np.array([2, 6, 0, 1]), every, none, 1).cost.tolist() == [0]
    # Many small ones may go to the same, what has nothing costs nothing, and none goes to where there is nothing.
    lines = np.array([[0], [1], [2], [9]], np.float32)
    found = find_cheapest_merges(lines, np.array([1, 50, 1, 0]), every, none, 9)
    assert (found.keep.tolist(), found.drop.tolist()) == ([2, 1], [3, 0])
    left = find_cheapest_merges(centres, np.array([2, 6, 1, 1]), np.array([0, 2, 3]), np.array([1]), 9)
    assert 1 not in {*left.keep.tolist(), *left.drop.tolist()}
    assert len(find_cheapest_merges(centres[:1], np.array([2]), np.array([0]), none, 1).cost) == 0


def test_merges_with_given_clusters_are_excluded() -> None:
    merges = Merges(np.array([1, 2, 1]), np.array([0, 3, 5]), np.array([0.5, 1.0, 2.0]))
    rest = merges.exclude(np.array([3, 7]))
    assert (rest.keep.tolist(), rest.drop.tolist(), rest.cost.tolist()) == ([1, 1], [0, 5], [0.5, 2])
    assert len(merges.exclude(np.array([1, 2])).cost) == 0
    assert len(merges.exclude(np.empty(0, np.int64)).cost) == 3


def test_no_candidates_or_no_limit_give_no_merges() -> None:
    centres, count, every = np.array([[0], [1]], np.float32), np.array([3, 4]), np.arange(2)
    none = np.empty(0, np.int64)
    assert len(find_cheapest_merges(centres, count, none, none, 5).cost) == 0
    assert len(find_cheapest_merges(centres, count, every, none, 0).cost) == 0


def test_a_chain_of_merges_is_broken_up() -> None:
    """Each cluster is nearest to the one before it; none is dropped into one that is dropped itself."""
    centres = np.array([[0], [1], [2.1], [3.3], [4.6]], np.float32)
    merges = find_cheapest_merges(centres, np.full(5, 10), np.arange(5), np.empty(0, np.int64), 9)
    assert set(merges.keep.tolist()).isdisjoint(merges.drop.tolist())
    assert len(set(merges.drop.tolist())) == len(merges.drop)
    assert merges.cost.tolist() == sorted(merges.cost.tolist())


def test_the_gain_of_halves_is_the_squared_distance_that_a_row_saves() -> None:
    """Half of the rows lie at -1, half at 1: two centres take away a squared distance of 1 from each."""
    rows = np.where(np.random.default_rng(0).permutation(400) % 2, 1, -1).astype(np.float32)[None, :, None]
    halves = split_in_halves(rows, np.ones((1, 400), bool))
    np.testing.assert_allclose(np.sort(halves.centres.ravel()), [-1, 1], rtol=1e-5)
    assert halves.gain[0] == pytest.approx(1, abs=0.05)  # not quite, as the mean of the learning rows is not quite 0


def test_rows_that_are_no_members_are_not_looked_at() -> None:
    random = np.random.default_rng(0)
    rows = np.concatenate([random.standard_normal((40, 3)), np.full((20, 3), 1e6)]).astype(np.float32)
    mask = np.arange(60) < 40
    halves, alone = split_in_halves(rows[None], mask[None]), split_in_halves(rows[None, :40], np.ones((1, 40), bool))
    np.testing.assert_allclose(halves.centres, alone.centres, rtol=1e-5)
    np.testing.assert_allclose(halves.gain, alone.gain, rtol=1e-5)


@pytest.mark.parametrize(("members", "judged"), [(MIN_ROWS - 1, False), (MIN_ROWS, True)])
def test_a_split_of_too_few_rows_is_not_judged(members: int, judged: bool) -> None:
    rows = np.where(np.arange(20) // 2 % 2, 1, -1).astype(np.float32)[None, :, None]
    assert bool(split_in_halves(rows, (np.arange(20) < members)[None]).gain[0]) == judged


def test_parts_save_the_squared_distances_of_the_whole_cluster() -> None:
    """Four corners of a square of side 2: each row is at a squared distance of 2 from the middle."""
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
    rows = np.repeat(corners, 50, axis=0)
    centres, saved = split_into_parts(rows, 4, np.random.default_rng(0))
    assert sorted(centres.round().tolist()) == sorted(corners.tolist())
    assert saved == pytest.approx(2 * 200, rel=0.02)


def test_equal_rows_have_parts_that_save_nothing() -> None:
    centres, saved = split_into_parts(np.ones((30, 2), np.float32), 3, np.random.default_rng(0))
    assert saved == pytest.approx(0)
    np.testing.assert_allclose(centres, 1)


def test_there_are_no_more_parts_than_rows_to_learn_from() -> None:
    rows = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    assert len(split_into_parts(rows, 5, np.random.default_rng(0))[0]) == 3


def test_the_nearest_centre_comes_with_the_squared_distance_less_that_of_the_row() -> None:
    centres = np.array([[0, 0], [3, 0]], np.float32)
    labels, distance = find_nearest(np.array([[1, 0], [2, 1]], np.float32), centres)
    assert labels.tolist() == [0, 1]
    assert distance.tolist() == [1 - 1, 2 - 5]
