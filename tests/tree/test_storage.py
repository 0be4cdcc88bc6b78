from __future__ import annotations

import numpy as np

from indexers.tree.fixed_point import round_vectors
from indexers.tree.storage import EdgeTable, SlotLists, Sums, round_products


def test_large_sums_stay_exact() -> None:
    """Copies by the hundred thousand bring products beyond what float64 holds."""
    random = np.random.default_rng(0)
    rows = round_vectors(random.standard_normal((4, 8)))
    copies = np.array([1, 3, 200_000, 300_000])
    sums = Sums(8)
    number = sums.add(rows.astype(np.int64) * copies[:, None])
    a, b = np.array([0, 1, 2, 2]), np.array([1, 2, 3, 2])
    products = sums.multiply_pairs(number[a], number[b], copies[a] * copies[b])
    for place, (i, j) in enumerate(zip(a, b, strict=True)):
        expected = sum(int(x) * int(y) for x, y in zip(rows[i], rows[j], strict=True)) * int(copies[i]) * int(copies[j])
        assert products[place] == expected
    crossed = sums.multiply_all(number, number, copies, copies)
    assert [crossed[i, j] for i, j in zip(a, b, strict=True)] == products.tolist()


def test_lists_grow_move_and_are_packed() -> None:
    random = np.random.default_rng(0)
    lists, expected = SlotLists(20), {slot: [] for slot in range(20)}  # type: ignore[var-annotated]
    for _ in range(300):
        slots = random.choice(20, 5, replace=False)
        lengths = random.integers(0, 60, 5)
        values = random.integers(0, 1000, lengths.sum())
        lists.write(slots, lengths, values)
        for slot, part in zip(slots.tolist(), np.split(values, np.cumsum(lengths)[:-1]), strict=True):
            expected[slot] = part.tolist()
    owner, value = lists.get(np.arange(20))
    assert [value[owner == slot].tolist() for slot in range(20)] == list(expected.values())
    assert len(lists.data) < 10_000  # of 45,000 that were put


def test_a_row_beyond_int16_is_stored_wide_and_read_the_same() -> None:
    sums = Sums(2)
    rows = np.array([[1, -2], [40_000, 5], [32_767, -32_767]])
    numbers = sums.add(rows)
    assert (numbers % 2).tolist() == [0, 1, 0]
    assert sums.get(numbers[::-1], "i8").tolist() == rows[::-1].tolist()
    assert sums.get(numbers).dtype == np.float64


def test_rows_can_be_chosen_and_places_that_were_given_back_are_used_again() -> None:
    sums = Sums(1)
    numbers = sums.add(np.array([[7], [8], [9]], np.int16), np.array([2, 0]))
    assert sums.get(numbers, "i8").tolist() == [[9], [7]]
    sums.remove(numbers[:1])
    assert sums.add(np.array([[5]])).tolist() == numbers[:1].tolist()
    assert sums.get(numbers, "i8").tolist() == [[5], [7]]


def test_no_pairs_have_no_products() -> None:
    nothing = np.empty(0, np.int64)
    assert Sums(3).multiply_pairs(nothing, nothing, nothing).tolist() == []


def test_an_emptied_list_keeps_its_room() -> None:
    lists = SlotLists(2)
    lists.write(np.array([0, 1]), np.array([2, 1]), np.array([4, 5, 6]))
    lists.clear(np.array([0]))
    assert [values.tolist() for values in lists.get(np.array([1, 0]))] == [[0], [6]]
    lists.write(np.array([0]), np.array([1]), np.array([9]))
    assert lists.end == 3
    lists.grow(3)
    assert lists.get(np.array([2, 0]))[1].tolist() == [9]


def test_edges_are_found_by_either_end() -> None:
    table = EdgeTable(np.array([7, 2, 2, 5]), np.array([2, 7, 5, 2]))
    owner, target = table.get(np.array([2, 3, 7]))
    assert owner.tolist() == [0, 0, 2]
    assert target.tolist() == [5, 7, 2]
    assert [part.tolist() for part in EdgeTable(owner[:0], owner[:0]).get(np.array([2]))] == [[], []]


def test_only_products_that_float64_holds_are_rounded() -> None:
    weight = np.array([0, 1, 2**28 - 1, 2**28])
    assert round_products(np.array([1e30, 3.2, -7.0, 1e19]), weight).tolist() == [0, 3, -7, 0]
