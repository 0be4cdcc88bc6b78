"""Long conditions, answered part by part, hold for the same items as in one statement, and leave nothing behind."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from indexers.catalogue import lookup
from indexers.catalogue.conditions import count_tests, merge_tests, select_ids
from indexers.errors import BadFilter
from retrieval import Collection
from retrieval.filters import parse_filter

pytestmark = pytest.mark.databases

VALUES: list[Any] = [0, 1, 2.5, True, False, None, "a", "b", "A", ""]


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """200 items, each with some of the keys a to d, some with lists."""
    draw = random.Random(1)
    rows = [
        {key: draw.choice([*VALUES, ["a", 1], []]) for key in "abcd" if draw.random() < 0.7} | {"n": number}
        for number in range(200)
    ]
    with Collection.open(tmp_path_factory.mktemp("numbers") / "c", create=True) as collection:
        collection.add_vectors([None] * 200, keys=[f"k{number}" for number in range(200)], metadata=rows)
        yield collection


def draw_filter(draw: random.Random, depth: int = 0) -> dict[str, Any]:
    if depth < 3 and draw.random() < 0.6:
        parts = [draw_filter(draw, depth + 1) for _ in range(draw.randrange(1, 6))]
        return {"$not": parts[0]} if draw.random() < 0.2 else {draw.choice(["$and", "$or"]): parts}
    key, few = draw.choice(["a", "b", "c", "d", "n", "key", "id"]), draw.randrange(1, 6)
    if key in ("n", "id"):
        operator = draw.choice(["$lt", "$gte", "$eq", "$ne"])
        return {key: {operator: draw.randrange(200)}}
    if key == "key":
        return {key: {draw.choice(["$in", "$nin"]): [f"k{draw.randrange(220)}" for _ in range(few)]}}
    operator = draw.choice(["$eq", "$ne", "$in", "$nin", "$exists", "$empty", "$contains"])
    if operator in ("$in", "$nin"):
        return {key: {operator: draw.choices(VALUES, k=few)}}
    if operator in ("$exists", "$empty"):
        return {key: {operator: draw.random() < 0.5}}
    return {key: {operator: "a" if operator == "$contains" else draw.choice(VALUES)}}


@pytest.mark.parametrize("seed", range(60))
def test_parts_give_what_one_statement_gives(numbers: Collection, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    condition = parse_filter(draw_filter(random.Random(seed)))
    if condition is None:
        return
    with numbers._catalogue.snapshot() as snapshot:
        connection = snapshot._connection
        expected = lookup._read_ids(connection, select_ids(condition)).tolist()
        merged = merge_tests(condition)
        assert lookup._read_ids(connection, select_ids(merged)).tolist() == expected
        for tests, values, size in ((1, 1, 1), (2, 3, 2), (3, 2, 512)):
            monkeypatch.setattr(lookup, "MAX_TESTS", tests)
            monkeypatch.setattr(lookup, "MAX_VALUES", values)
            monkeypatch.setattr(lookup, "LIST_SIZE", size)
            assert lookup.find_ids(connection, condition).tolist() == expected
            assert snapshot.count(condition) == len(expected)
            middle = expected[len(expected) // 2] if expected else 0
            page = [row.id for row in snapshot.page(condition, middle, 3)]
            assert page == [item_id for item_id in expected if item_id > middle][:3]


def test_many_values_of_one_field_are_one_test(numbers: Collection) -> None:
    started = time.perf_counter()
    where = {"$or": [{"n": number} for number in range(20_000)]}
    condition = parse_filter(where)
    assert condition is not None
    assert count_tests(condition) == 1
    assert numbers.count(where=where) == 200
    assert numbers.count(where={"$and": [{"n": {"$ne": number}} for number in range(10, 20_000)]}) == 10
    assert numbers.count(where={"key": {"$in": [f"k{number}" for number in range(30_000)]}}) == 200
    assert time.perf_counter() - started < 30


def test_words_are_looked_for_among_the_items_of_a_long_filter(tmp_path: Any) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(np.eye(4), texts=["a boat", "a boat", "a house", "a boat"], metadata=[{"n": 1}] * 4)
        first = collection.search(query="boat", where={"$or": [{"id": 2}, {"n": {"$gt": 5}}]})
        where = {"$or": [{"id": 2}, *({"n": {"$gt": bound}} for bound in range(5, 60))]}
        assert [hit.item for hit in collection.search(query="boat", where=where)] == [hit.item for hit in first] == [2]


def test_long_filters_leave_no_statements_behind(numbers: Collection) -> None:
    with numbers._catalogue.snapshot() as snapshot:
        cache = snapshot._connection.engine._compiled_cache
    numbers.count(where={"$or": [{f"x{part}": {"$gt": part}} for part in range(30)]})
    before = len(cache)
    for count in range(31, 61):
        numbers.count(where={"$or": [{f"x{part}": {"$gt": part}} for part in range(count)]})
    assert len(cache) - before <= lookup.MAX_TESTS


def test_a_filter_may_be_given_a_time(numbers: Collection) -> None:
    where = {"$or": [{"a": {"$icontains": f"{number}"}} for number in range(50)]}
    with lookup.limit_time(60):
        assert numbers.count(where=where) == 0
    with lookup.limit_time(0), pytest.raises(BadFilter, match="takes too long"):
        numbers.count(where=where)
    assert numbers.count(where=where) == 0


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"$or": [{f"x{part}": 1} for part in range(300)]}, "300 parts"),
        ({"$and": [{"a": {"$gt": part}} for part in range(20_000)]}, "20,000 parts"),
        ({"$and": [{"a": {"$in": list(range(20_000))}}, {"b": {"$nin": list(range(20_000))}}]}, "40,000 values"),
        ({"$or": [{"a": part} for part in range(30_001)]}, "30,001 values"),
    ],
)
def test_filters_beyond_all_measure_are_refused(numbers: Collection, where: dict[str, Any], message: str) -> None:
    with pytest.raises(BadFilter, match=message):
        numbers.count(where=where)
