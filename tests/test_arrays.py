from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from indexers.arrays import (
    CHUNK,
    NO_INTS,
    compute_lengths,
    contains,
    grow_array,
    measure_spread,
    scale_to_unit,
    sort_unique,
    split_chunks,
    take_chunks,
)


def test_a_sequence_is_cut_into_slices_of_a_size() -> None:
    assert list(split_chunks([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
    assert list(split_chunks("abcd", 2)) == ["ab", "cd"]
    assert list(split_chunks([], 2)) == []
    assert [len(chunk) for chunk in split_chunks(range(2 * CHUNK + 1))] == [CHUNK, CHUNK, 1]


def test_an_iterable_is_drawn_no_further_than_it_is_asked_for() -> None:
    drawn = []

    def numbers() -> Iterator[int]:
        for number in range(5):
            drawn.append(number)
            yield number

    chunks = take_chunks(numbers(), 2)
    assert drawn == []
    assert next(chunks) == [0, 1]
    assert drawn == [0, 1]
    assert list(chunks) == [[2, 3], [4]]
    assert list(take_chunks([], 2)) == []


@pytest.mark.parametrize("count", [0, 1, 2, 5, 1000])
def test_values_are_sorted_and_each_is_kept_once(count: int) -> None:
    values = np.random.default_rng(count).integers(-5, 5, count)
    before = values.copy()
    assert sort_unique(values).tolist() == sorted(set(values.tolist()))
    assert (values == before).all()


def test_values_that_are_sorted_already_are_not_copied() -> None:
    values = np.array([-2, 0, 7])
    assert sort_unique(values) is values
    assert sort_unique(np.array([0, 7, 7])).tolist() == [0, 7]


def test_each_value_is_looked_up_among_sorted_ones() -> None:
    among = np.array([2, 3, 3, 9])
    assert contains(among, np.array([1, 2, 3, 4, 9, 10])).tolist() == [False, True, True, False, True, False]
    assert contains(NO_INTS, np.array([1, 2])).tolist() == [False, False]
    assert contains(among, NO_INTS).tolist() == []


def test_an_array_grows_by_rows_of_one_value() -> None:
    array = np.array([[1, 2], [3, 4]], np.int32)
    larger = grow_array(array, 4, -1)
    assert larger.tolist() == [[1, 2], [3, 4], [-1, -1], [-1, -1]]
    assert larger.dtype == np.int32
    larger[0] = 9
    assert array[0].tolist() == [1, 2]
    assert grow_array(np.empty(0), 2).tolist() == [0, 0]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_are_scaled_to_length_one_and_zeros_stay(kind: type[np.floating]) -> None:
    rows = np.array([[3, 4], [0, 0], [0, -2]], kind)
    assert compute_lengths(rows).tolist() == [5, 0, 2]
    unit = scale_to_unit(rows)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [0, -1]], rtol=1e-7)
    assert rows.tolist() == [[3, 4], [0, 0], [0, -2]]
    assert scale_to_unit(np.empty((0, 4), kind)).shape == (0, 4)


def test_very_short_and_very_long_float32_rows_have_their_length() -> None:
    rows = np.array([[3e30, 4e30], [1e-25, 0]], np.float32)
    np.testing.assert_allclose(compute_lengths(rows), [5e30, 1e-25], rtol=1e-6)
    np.testing.assert_allclose(scale_to_unit(rows), [[0.6, 0.8], [1, 0]], rtol=1e-6)


@pytest.mark.parametrize("values", [[3.0], [1.0, 1.0], [1e30, -1e30, 2.0], list(range(1000))])
def test_mean_and_deviation_are_those_of_numpy(values: list[float]) -> None:
    array = np.array(values, np.float32)
    mean, spread = measure_spread(array)
    assert mean == pytest.approx(array.mean(dtype=np.float64), rel=1e-12, abs=1e-6)
    assert spread == pytest.approx(array.std(dtype=np.float64), rel=1e-12)
    assert array.dtype == np.float32
    assert array.tolist() == np.array(values, np.float32).tolist()
