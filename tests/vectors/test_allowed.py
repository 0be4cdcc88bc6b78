"""A prepared restriction, and the cache of its gathered rows."""

from __future__ import annotations

from weakref import ref

import numpy as np

from indexers.vectors.allowed import Allowed, MatrixCache


def make_allowed(rows: list[int], ids: list[int] | None = None) -> Allowed:
    return Allowed(np.array(rows if ids is None else ids, np.int64), np.array(rows, np.int64), 0.5, 1, True)


def test_a_restriction_knows_ids_that_are_not_stored() -> None:
    allowed = make_allowed([0, 3], ids=[10, 20, 30])
    assert len(allowed) == 2
    assert 20 in allowed
    assert 15 not in allowed
    assert 99 not in allowed
    assert allowed.has(np.array([[10, 11], [30, -1]])).tolist() == [[True, False], [True, False]]


def test_nothing_allowed_holds_nothing() -> None:
    allowed = make_allowed([])
    assert len(allowed) == 0
    assert 0 not in allowed
    assert allowed.has(np.array([[1, 2]])).tolist() == [[False, False]]
    assert allowed.run_starts.tolist() == []


def test_runs_of_neighbouring_rows_are_found() -> None:
    assert make_allowed([4]).run_starts.tolist() == [0]
    assert make_allowed([1, 2, 3]).run_starts.tolist() == [0]
    assert make_allowed([1, 2, 5, 6, 7, 9]).run_starts.tolist() == [0, 2, 5]


def test_the_cache_gives_back_what_it_holds() -> None:
    cache, allowed = MatrixCache(100), make_allowed([1])
    matrix = np.ones((1, 5), np.float32)  # 20 bytes
    assert cache.get(allowed) is None
    cache.store(allowed, matrix)
    assert cache.get(allowed) is matrix
    assert cache.used_bytes == 20


def test_the_least_recently_used_goes_first() -> None:
    cache = MatrixCache(100)
    first, second, third = (make_allowed([row]) for row in range(3))
    for allowed in (first, second):
        cache.store(allowed, np.ones((2, 5), np.float32))  # 40 bytes each
    assert cache.get(first) is not None  # now the second one is the older
    cache.store(third, np.ones((2, 5), np.float32))
    assert cache.get(second) is None
    assert cache.get(first) is not None
    assert cache.get(third) is not None
    assert cache.used_bytes == 80


def test_a_matrix_larger_than_the_cache_is_not_held() -> None:
    cache, small, large = MatrixCache(50), make_allowed([1]), make_allowed([2])
    cache.store(small, np.ones((1, 5), np.float32))
    cache.store(large, np.ones((3, 5), np.float32))
    assert cache.get(large) is None
    assert cache.get(small) is not None


def test_a_matrix_is_counted_once_though_two_searches_gather_it() -> None:
    cache, allowed = MatrixCache(100), make_allowed([1])
    for _ in range(2):
        cache.store(allowed, np.ones((1, 5), np.float32))
    assert cache.used_bytes == 20


def test_clearing_releases_everything() -> None:
    cache, allowed = MatrixCache(100), make_allowed([1])
    cache.store(allowed, np.ones((1, 5), np.float32))
    cache.clear()
    assert cache.used_bytes == 0
    assert allowed.matrix is None
    cache.store(allowed, np.ones((1, 5), np.float32))
    assert cache.used_bytes == 20


def test_a_table_goes_with_its_restriction() -> None:
    cache, kept = MatrixCache(10_000), make_allowed([0])
    cache.store(kept, np.ones((1, 5), np.float32))
    tables = []
    for row in range(100):  # nobody holds these, and their ids in memory come again
        allowed, table = make_allowed([row]), np.full((2, 5), row, np.float32)
        assert cache.get(allowed) is None
        cache.store(allowed, table)
        assert cache.get(allowed) is table
        tables.append(ref(table))
    del allowed, table
    assert not any(table() is not None for table in tables)
    assert cache.used_bytes == 20
    assert cache.get(kept) is not None
