from __future__ import annotations

import pickle

import numpy as np
import pytest

from indexers.clusterers.incremental_kmeans.centres import MEMORY, Centres, Reservoir


def centres_at(*rows: list[float]) -> Centres:
    centres = Centres(len(rows[0]))
    centres.add(np.array(rows, np.float32))
    return centres


def numbered_rows(start: int, end: int) -> np.ndarray:
    """Rows that hold their own number, twice."""
    return np.repeat(np.arange(start, end, dtype=np.float32)[:, None], 2, axis=1)


def test_ids_are_never_used_twice() -> None:
    centres = centres_at([0, 0], [1, 0])
    assert centres.ids.tolist() == [0, 1]
    assert centres.create_ids(3).tolist() == [2, 3, 4]
    centres.add(np.ones((1, 2), np.float32))
    assert centres.ids.tolist() == [0, 1, 5]
    assert len(centres) == 3
    assert centres.weight.tolist() == [1, 1, 1]


def test_the_nearest_centre_comes_with_its_squared_distance() -> None:
    rows = np.array([[1, 0], [2, 1], [3, 0]], np.float32)
    labels, distance = centres_at([0, 0], [3, 0]).find_nearest(rows)
    assert labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(distance, [1, 2, 0], atol=1e-6)
    assert centres_at([0, 0], [3, 0]).assign(rows).tolist() == [0, 1, 1]


def test_no_squared_distance_is_negative() -> None:
    rows = np.random.default_rng(0).standard_normal((300, 40)).astype(np.float32)
    assert centres_at(*rows.tolist()).find_nearest(rows)[1].min() >= 0


def test_more_rows_than_one_block_find_their_centres() -> None:
    centres = centres_at(*[[10.0 * place] for place in range(1000)])
    rows = np.arange(0, 9990, 4, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(centres.assign(rows), np.rint(rows[:, 0] / 10))


def test_a_centre_is_the_mean_of_its_rows() -> None:
    centres = centres_at([0], [50])
    centres.learn(np.array([[3], [6]], np.float32), np.array([0, 0]))
    assert centres.rows.ravel().tolist() == [3, 50]  # (0 + 3 + 6) / 3; the other learns nothing
    assert centres.weight.tolist() == [3, 1]
    centres.learn(np.array([[15], [52]], np.float32), np.array([0, 1]))
    assert centres.rows.ravel().tolist() == [6, 51]


def test_a_centre_without_weight_forgets_where_it_was() -> None:
    centres = centres_at([70])
    centres.weight[:] = 0
    centres.learn(np.array([[1], [3]], np.float32), np.array([0, 0]))
    assert centres.rows.tolist() == [[2]]


def test_a_centre_can_still_move_after_many_rows() -> None:
    centres = centres_at([0])
    centres.weight[:] = MEMORY
    centres.learn(np.array([[MEMORY + 1]], np.float32), np.array([0]))
    assert centres.rows[0, 0] == pytest.approx(1)
    assert centres.weight.tolist() == [MEMORY]


def test_a_reservoir_holds_all_rows_until_it_is_full() -> None:
    reservoir = Reservoir(2, 10, np.random.default_rng(0))
    reservoir.add(numbered_rows(0, 4), np.arange(4), 0)
    reservoir.add(numbered_rows(4, 9), np.arange(4, 9), 4)
    assert len(reservoir) == 9
    np.testing.assert_array_equal(reservoir.rows[:9], numbered_rows(0, 9))
    np.testing.assert_array_equal(reservoir.label, np.arange(9))


def test_later_rows_replace_others_together_with_their_labels() -> None:
    reservoir = Reservoir(2, 10, np.random.default_rng(0))
    reservoir.add(numbered_rows(0, 7), np.arange(7), 0)
    reservoir.add(numbered_rows(7, 200), np.arange(7, 200), 7)
    assert len(reservoir) == 10
    np.testing.assert_array_equal(reservoir.rows[:, 0], reservoir.label)
    assert len(set(reservoir.label.tolist())) == 10
    assert reservoir.label.max() >= 10


def test_early_and_late_rows_are_held_with_the_same_probability() -> None:
    held = np.zeros(4, np.int64)
    for seed in range(200):
        reservoir = Reservoir(1, 20, np.random.default_rng(seed))
        for start in range(0, 200, 50):
            reservoir.add(np.zeros((50, 1), np.float32), np.full(50, start // 50), start)
        held += reservoir.count_members(4)
    assert held.sum() == 200 * 20
    assert (abs(held - 1000) < 120).all()  # four standard deviations of a fair draw


def test_members_are_those_of_the_clusters_in_random_order() -> None:
    reservoir = Reservoir(1, 300, np.random.default_rng(0))
    labels = np.arange(300) % 3
    reservoir.add(np.zeros((300, 1), np.float32), labels, 0)
    assert reservoir.count_members(5).tolist() == [100, 100, 100, 0, 0]
    second, empty, first = reservoir.draw_members(np.array([2, 4, 0]), 5)
    assert sorted(second.tolist()) == list(range(2, 300, 3))
    assert sorted(first.tolist()) == list(range(0, 300, 3))
    assert len(empty) == 0
    assert second.tolist() != sorted(second.tolist())


def test_a_pickled_reservoir_takes_the_room_of_its_rows_and_goes_on() -> None:
    reservoir = Reservoir(2, 100_000, np.random.default_rng(0))
    reservoir.add(numbered_rows(0, 5), np.arange(5), 0)
    content = pickle.dumps(reservoir)
    assert len(content) < 5000
    copy = pickle.loads(content)
    copy.add(numbered_rows(5, 8), np.arange(5, 8), 5)
    np.testing.assert_array_equal(copy.rows[:8], numbered_rows(0, 8))
    assert (len(copy), len(reservoir)) == (8, 5)


def test_a_cluster_that_is_replaced_gets_a_new_id() -> None:
    centres = Centres(2)
    centres.add(np.eye(2, dtype=np.float32))
    centres.weight[:] = 9
    centres.replace(np.array([1]), np.array([[3, 4]], np.float32))
    assert (centres.rows.tolist(), centres.ids.tolist(), centres.weight.tolist()) == ([[1, 0], [3, 4]], [0, 2], [9, 1])
