"""Numbers that a user passes: what counts as one, and how the others are refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from indexers.errors import BadQuery
from retrieval.checks import check_whole, is_number, is_whole


@pytest.mark.parametrize("value", [0, -3, 2.5, np.float32(0.5), np.int64(7), Fraction(1, 3)])
def test_finite_real_numbers_are_numbers(value: Any) -> None:
    assert is_number(value)


@pytest.mark.parametrize(
    "value", [True, np.float64("nan"), float("inf"), -float("inf"), "1", None, 1j, np.bool_(True), np.array(1.0)]
)
def test_truth_values_texts_and_numbers_without_a_place_on_the_line_are_none(value: Any) -> None:
    assert not is_number(value)


@pytest.mark.parametrize("value", [0, -1, 2**70, np.int8(3), np.uint64(2**63)])
def test_whole_numbers_of_python_and_numpy_are_whole(value: Any) -> None:
    assert is_whole(value)


@pytest.mark.parametrize("value", [1.0, True, np.bool_(True), np.float64(2), "3", None])
def test_a_float_is_not_whole_even_if_its_value_is(value: Any) -> None:
    assert not is_whole(value)


def test_a_checked_number_is_an_int_of_python() -> None:
    value = check_whole(np.uint8(5), "page is")
    assert value == 5
    assert type(value) is int


@pytest.mark.parametrize(("value", "least"), [(1, 1), (0, 0), (-2, -2)])
def test_the_least_number_is_allowed(value: int, least: int) -> None:
    assert check_whole(value, "since is", least) == value


@pytest.mark.parametrize(
    ("value", "least", "message"),
    [
        (0, 1, "page is a whole number of at least 1; got 0"),
        (-1, 0, "page is a whole number of at least 0; got -1"),
        (2.0, 1, "page is a whole number of at least 1; got 2.0"),
        (True, 1, "page is a whole number of at least 1; got True"),
        ("2", 1, "page is a whole number of at least 1; got '2'"),
        (None, 1, "page is a whole number of at least 1; got None"),
    ],
)
def test_any_other_value_is_refused_by_its_description(value: Any, least: int, message: str) -> None:
    with pytest.raises(BadQuery) as raised:
        check_whole(value, "page is", least)
    assert str(raised.value) == message
