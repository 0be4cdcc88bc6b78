"""Who becomes a candidate: near in one of three ways, and never more than a few dozen."""

from __future__ import annotations

import numpy as np

from indexers.followers.candidates import (
    HASH_BITS,
    MAX_BY_HASH,
    TURNED_BITS,
    are_among,
    find_close,
    find_places,
)

NO_BITS, ALL_BITS = 0, 2**64 - 1


def views(**hashes: int) -> np.ndarray:
    """Return the hashes of eight views; those that are not given are far from 0 and from its opposite."""
    far = 2**32 - 1
    return np.array([hashes.get(f"view{place}", far) for place in range(8)], np.uint64)


def close(hashes: np.ndarray, *words: int) -> list[int]:
    return find_close(hashes, np.array(words, np.uint64)).tolist()


def test_hashes_are_close_within_their_bits() -> None:
    words = [2**HASH_BITS - 1, 2 ** (HASH_BITS + 1) - 1]
    assert close(views(view0=NO_BITS), *words) == [0]
    assert close(views(view1=NO_BITS), *words) == [0]
    assert close(views(view5=NO_BITS), *words) == []
    assert close(views(view5=NO_BITS), 2**TURNED_BITS - 1, 2 ** (TURNED_BITS + 1) - 1) == [0]


def test_the_opposite_hash_is_that_of_an_inverted_picture() -> None:
    words = [ALL_BITS ^ (2**TURNED_BITS - 1), ALL_BITS ^ (2 ** (TURNED_BITS + 1) - 1)]
    assert close(views(view0=NO_BITS), *words) == [0]
    assert close(views(view4=NO_BITS), *words) == []


def test_of_a_crowd_the_closest_are_taken() -> None:
    words = [7] * 50 + [0] * 10 + [1] * 50
    assert close(views(view0=NO_BITS), *words) == [*range(50, 60), *range(60, 60 + MAX_BY_HASH - 10)]


def test_ids_are_found_among_sorted_ones() -> None:
    items = np.array([2, 5, 9])
    assert are_among(np.array([9, 1, 5, 10]), items).tolist() == [True, False, True, False]
    assert find_places(items, [1, 9, 2, 10]) == {9: 2, 2: 0}
    assert are_among(np.array([1]), np.empty(0, np.int64)).tolist() == [False]
