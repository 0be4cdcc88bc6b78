"""What every index checks of vectors, ids and k, and how it orders an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.errors import BadQuery, BadSetting, BadVector
from indexers.types import Ids, Neighbours, Vectors
from indexers.vectors.base import (
    VectorIndex,
    break_ties,
    check_k,
    check_vectors,
    make_empty_answer,
    pair_with_ids,
    prepare_vectors,
)


class Empty(VectorIndex):
    """An index that holds nothing: what a member gets from its base."""

    metrics = frozenset({"cosine", "minkowski"})

    def __len__(self) -> int:
        return 0

    def ids(self) -> Ids:
        return np.empty(0, np.int64)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        raise NotImplementedError

    def remove(self, ids: Ids) -> None:
        raise NotImplementedError

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> Neighbours:
        return Neighbours(*make_empty_answer(len(queries), k), self.position)

    def save(self, path: Path) -> None:
        raise NotImplementedError

    def load(self, path: Path) -> None:
        raise NotImplementedError


def test_a_member_starts_at_position_and_generation_zero() -> None:
    index = Empty(3)
    assert (index.dimension, index.metric, index.position, index.generation) == (3, "cosine", 0, 0)
    assert index.exact_scores
    index.flush()


def test_metrics_are_known_by_their_family_and_stored_by_their_one_name() -> None:
    assert Empty.supports_metric("minkowski:3")
    assert not Empty.supports_metric("l1")
    assert Empty(3, "minkowski:3.0").metric == "minkowski:3"
    with pytest.raises(BadSetting, match="Empty does not support the metric 'l2'; it supports: cosine, minkowski"):
        Empty(3, "euclidean")


@pytest.mark.parametrize("dimension", [0, -1])
def test_a_dimension_below_one_is_refused(dimension: int) -> None:
    with pytest.raises(BadSetting, match=f"dimension is {dimension}"):
        Empty(dimension)


def test_vectors_become_rows_of_float32() -> None:
    array = check_vectors([1, 2, 3])
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 2, 3]]
    assert check_vectors(np.asfortranarray(np.ones((3, 2)))).flags.c_contiguous
    assert check_vectors(np.empty((0, 5))).shape == (0, 5)


def test_float32_in_order_is_not_copied() -> None:
    array = np.ones((4, 2), np.float32)
    assert check_vectors(array) is array


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1, 2], [3]], "rows of one length"),
        (["a", "b"], "must be numbers"),
        (np.ones((1, 2, 3)), r"got 3 axes, shape \(1, 2, 3\)"),
        ([[1, 2]], "the vectors have 2 coordinates; this collection's have 3"),
        ([[1, 1, 1], [np.nan, 1, 1]], "vector 1 holds nan"),
        ([[1, 1, -np.inf]], "vector 0 holds -inf"),
        ([[1e39, 1, 1]], "vector 0 holds inf"),
        ([[1, 1, 1], [1, 1, 1], [3e19, 0, 0]], "vector 2 is too long for float32"),
        ([[1, 1, 1], [0, 0, 0]], "vector 1 is all zeros; it has no direction"),
    ],
)
def test_vectors_that_can_not_be_compared_are_named(vectors: Any, message: str) -> None:
    with pytest.raises(BadVector, match=message):
        check_vectors(vectors, 3)


def test_vectors_without_coordinates_are_refused() -> None:
    with pytest.raises(BadVector, match="no coordinates"):
        check_vectors(np.empty((2, 0)))


def test_zeros_have_a_distance() -> None:
    assert check_vectors([[0, 0]], 2, "l2").tolist() == [[0, 0]]


def test_only_the_cosine_needs_unit_length() -> None:
    np.testing.assert_allclose(prepare_vectors([[3, 4]], 2, "cosine"), [[0.6, 0.8]], rtol=1e-6)
    assert prepare_vectors([[3, 4]], 2, "ip").tolist() == [[3, 4]]
    np.testing.assert_allclose(Empty(2).prepare([0, 5]), [[0, 1]])


def test_ids_stay_beside_their_vectors() -> None:
    vectors = np.array([[1], [2], [3]], np.float32)
    ids, rows = pair_with_ids([9, 2, 5], vectors)
    assert ids.dtype == np.int64
    assert ids.tolist() == [9, 2, 5]
    assert rows.tolist() == [[1], [2], [3]]


def test_of_an_id_that_comes_twice_the_last_vector_counts() -> None:
    ids, rows = pair_with_ids([4, 7, 4, 7, 1], np.arange(5, dtype=np.float32)[:, None])
    assert dict(zip(ids.tolist(), rows[:, 0].tolist(), strict=True)) == {4: 2, 7: 3, 1: 4}


@pytest.mark.parametrize(
    ("ids", "message"),
    [([1], "1 ids came with 2 vectors"), ([1, 2, 3], "3 ids came with 2 vectors"), ([3, -5], "-5 can't be the id")],
)
def test_ids_that_do_not_fit_are_refused(ids: list[int], message: str) -> None:
    with pytest.raises(BadVector, match=message):
        pair_with_ids(ids, np.ones((2, 3), np.float32))


def test_k_is_at_least_one() -> None:
    assert check_k(np.int64(3)) == 3
    for k in (0, -2):
        with pytest.raises(BadQuery, match=f"k is {k}; ask for at least 1"):
            check_k(k)


def test_an_empty_answer_is_filled_with_no_neighbour() -> None:
    ids, scores = make_empty_answer(2, 3)
    assert ids.tolist() == [[-1] * 3] * 2
    assert scores.tolist() == [[-np.inf] * 3] * 2
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)


def test_equal_scores_come_by_id() -> None:
    ids = np.array([[5, 9, 2, 3], [4, 3, 2, 1]])
    scores = np.array([[0.9, 0.5, 0.5, 0.5], [0.4, 0.3, 0.2, 0.1]], np.float32)
    ordered_ids, ordered_scores = break_ties(ids, scores)
    assert ordered_ids.tolist() == [[5, 2, 3, 9], [4, 3, 2, 1]]
    assert ordered_scores.tolist() == scores.tolist()
