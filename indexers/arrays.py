"""Operations on arrays and lists that several rooms share"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
NONE: Ints = np.empty(0, np.int64)

T = TypeVar("T")
CHUNK = 1000  # values in one IN list: far below every database's limit, and few statements all the same


def chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def distinct(values: Ints) -> Ints:
    """The values sorted and without repetition: np.unique without its overhead, which counts in small updates."""
    if len(values) < 2:
        return values
    values = np.sort(values)
    keep = np.empty(len(values), bool)
    keep[0] = True
    np.not_equal(values[1:], values[:-1], out=keep[1:])
    return values[keep]


def contains(sorted_values: Ints, values: Ints) -> NDArray[np.bool_]:
    """Which of `values` are among `sorted_values`."""
    if not len(sorted_values):
        return np.zeros(len(values), bool)
    place = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    found: NDArray[np.bool_] = sorted_values[place] == values
    return found


def grown(array: NDArray[Any], capacity: int, fill: object = 0) -> NDArray[Any]:
    found = np.empty((capacity, *array.shape[1:]), array.dtype)
    found[: len(array)] = array
    found[len(array) :] = fill
    return found
