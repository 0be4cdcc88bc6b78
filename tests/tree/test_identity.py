"""Which cluster is which: ids last, and what happened is said."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexers.tree.identity import CarriedIds, carry_ids, find_touched
from indexers.types import ClusterEventRow


def carry(*moves: tuple[int, int, int]) -> CarriedIds:
    """Carry ids over moves of items, each (old cluster, new cluster, number of items)."""
    before = np.concatenate([np.full(count, old) for old, _, count in moves])
    after = np.concatenate([np.full(count, new) for _, new, count in moves])
    return carry_ids(before, after, 100, "fine")


def describe_events(carried: CarriedIds) -> list[tuple[int | None, str, tuple[int, ...]]]:
    return [(event.cluster_id, event.kind, event.related) for event in carried.events]


def test_a_cluster_that_gains_five_and_loses_three_of_fifty_is_the_same() -> None:
    carried = carry((7, 1, 47), (7, -1, 2), (7, 0, 1), (0, 1, 5), (8, 2, 20))
    assert carried.born == ()
    assert carried.cluster_ids.tolist() == [7] * 47 + [0] * 3 + [7] * 5 + [8] * 20
    assert carried.events == (ClusterEventRow(7, "fine", "grew", (), 5, 3, 52),)


def test_one_that_splits_keeps_its_id_on_the_larger_part_and_says_so() -> None:
    carried = carry((7, 3, 20), (7, 9, 30))
    assert carried.cluster_ids.tolist() == [100] * 20 + [7] * 30
    assert describe_events(carried) == [(7, "split", (100,)), (100, "born", (7,))]


def test_what_comes_back_revives_the_cluster_that_had_ended() -> None:
    """9 had gone into 7; four of its items come back, and it is taken out of 7 again."""
    before = np.repeat([7, 7, 9, 9], [40, 36, 4, 1])
    after = np.repeat([1, 2, 2, 1], [40, 36, 4, 1])
    ended = np.array([3, 9])
    carried = carry_ids(before, after, 100, "fine", ended)
    assert carried.born == ()
    assert carried.cluster_ids.tolist() == [7] * 40 + [9] * 40 + [7]
    assert carry_ids(before, after, 100, "fine").born == (100,)
    whole = carry_ids(before, np.ones(81, np.int64), 100, "fine", ended)  # no other one is born
    assert set(whole.cluster_ids.tolist()) == {7}


def test_of_two_that_merge_the_larger_one_lives_on() -> None:
    carried = carry((7, 3, 20), (9, 3, 30))
    assert set(carried.cluster_ids.tolist()) == {9}
    assert describe_events(carried) == [(7, "died", (9,)), (9, "merged", (7,))]


def test_one_that_dissolves_dies_into_nothing_and_one_from_nothing_is_born() -> None:
    carried = carry((7, 0, 9), (0, 4, 9))
    assert describe_events(carried) == [(7, "died", ()), (100, "born", ())]


def test_shards_of_less_than_half_are_not_what_the_cluster_was() -> None:
    carried = carry((7, 1, 10), (7, 2, 9), (7, 3, 8), (0, 1, 30))
    assert 7 not in carried.cluster_ids
    assert (7, "died", ()) in describe_events(carried)


def test_nothing_happened_where_nothing_moved() -> None:
    assert carry((7, 5, 9), (8, 4, 9), (0, 0, 3)).events == ()


def test_new_ids_follow_the_items_and_not_the_numbers_of_nodes() -> None:
    assert carry((0, 9, 5), (0, 2, 5)).cluster_ids.tolist() == carry((0, 2, 5), (0, 9, 5)).cluster_ids.tolist()


moves = st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 5)), max_size=60)


@given(moves)
def test_every_set_has_one_id_and_every_id_one_set(rows: list[tuple[int, int]]) -> None:
    before, after = (np.array([row[side] for row in rows], np.int64) for side in (0, 1))
    carried = carry_ids(before, after, 100, "coarse")
    assert (carried.cluster_ids[after <= 0] == 0).all()
    pairs = {(int(a), int(b)) for a, b in zip(after, carried.cluster_ids, strict=True) if a > 0}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    old = set(before.tolist())
    assert all(cluster_id in old or cluster_id in carried.born for _, cluster_id in pairs)
    for event in carried.events:
        size = int((carried.cluster_ids == event.cluster_id).sum())
        assert event.size == size
        assert event.size == int((before == event.cluster_id).sum()) + event.gained - event.lost
        assert (event.kind == "died") == (size == 0)


@given(moves, st.randoms(use_true_random=False))
def test_the_answer_depends_on_the_sets_alone(rows: list[tuple[int, int]], random: object) -> None:
    before, after = (np.array([row[side] for row in rows], np.int64) for side in (0, 1))
    names = list(range(1, 7))
    random.shuffle(names)  # type: ignore[attr-defined]
    renamed = np.where(after > 0, np.array([0, *names])[np.maximum(after, 0)], after)
    first, second = carry_ids(before, after, 100, "fine"), carry_ids(before, renamed.astype(np.int64), 100, "fine")
    np.testing.assert_array_equal(first.cluster_ids, second.cluster_ids)
    assert first.events == second.events


@given(st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 5)), max_size=30))
def test_ids_are_carried_by_the_items_of_touched_clusters_alone(labels: list[tuple[int, int]]) -> None:
    before, after = np.array(labels, np.int64).reshape(-1, 2).T
    place = np.full(len(before), -2, np.int32)
    for unknown in (False, True):
        touched = find_touched(place if unknown else before.astype(np.int32), after.astype(np.int32))
        assert not unknown or len(touched) == len(before)
        old_ids = np.maximum(before, 0) * 10
        whole, part = carry_ids(old_ids, after, 100, "fine"), carry_ids(old_ids[touched], after[touched], 100, "fine")
        ids = old_ids.copy()
        ids[touched] = part.cluster_ids
        np.testing.assert_array_equal(ids, whole.cluster_ids)
        assert (part.born, part.events) == (whole.born, whole.events)
