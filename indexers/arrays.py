"""Operations on arrays and sequences that several rooms share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
NO_INTS: Ints = np.empty(0, np.int64)

Value = TypeVar("Value")
CHUNK = 1000
"""Values in one IN list of SQL: far below every database's limit, and still few statements."""


def split_chunks(values: Sequence[Value], size: int = CHUNK) -> Iterator[Sequence[Value]]:
    """Yield slices of up to `size` values, in order."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def take_chunks(values: Iterable[Value], size: int) -> Iterator[list[Value]]:
    """Yield lists of up to `size` values of an iterable, in order; no value is drawn before its list is asked for."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def sort_unique(values: Ints) -> Ints:
    """Return the values sorted, each once; the same array if it is so already. np.unique takes twenty times as long."""
    if len(values) < 2 or bool((values[1:] > values[:-1]).all()):
        return values
    values = np.sort(values)
    is_first = np.empty(len(values), bool)
    is_first[0] = True
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    return values[is_first]


def contains(sorted_values: Ints, values: Ints) -> NDArray[np.bool_]:
    """Return for each of `values` whether it is among `sorted_values`."""
    if not len(sorted_values):
        return np.zeros(len(values), bool)
    place = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    is_among: NDArray[np.bool_] = sorted_values[place] == values
    return is_among


def grow_array(array: NDArray[Any], capacity: int, fill: object = 0) -> NDArray[Any]:
    """Return a copy with `capacity` rows, the new ones filled with `fill`."""
    larger = np.empty((capacity, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    larger[len(array) :] = fill
    return larger


def scale_to_unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the rows scaled to Euclidean length 1, float32; a row of zeros stays zero."""
    lengths = compute_lengths(vectors)
    lengths[lengths == 0] = 1
    return (vectors / lengths[:, None]).astype(np.float32, copy=False)


def compute_lengths(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the Euclidean length of each row, in the dtype of the vectors.

    Squares are summed in float64: in float32 those of 1e-25 vanish, and those of 1e30 overflow.
    """
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    lengths: NDArray[np.floating] = np.sqrt(squares).astype(vectors.dtype, copy=False)
    return lengths


def measure_spread(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return the mean and the standard deviation of values (n,), n > 0, in float64.

    For few values, numpy takes three times as long."""
    rest = values.astype(np.float64)
    mean = float(np.add.reduce(rest)) / len(rest)
    rest -= mean
    return mean, math.sqrt(float(rest @ rest) / len(rest))
