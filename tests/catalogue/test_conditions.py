"""Conditions against a brute-force reading of what they mean, on random metadata."""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.conditions import All, Either, Not, select_ids
from indexers.catalogue.conditions import FieldTest as Condition
from indexers.catalogue.metadata import fold_text
from indexers.types import Arrival, FoundFile, ItemRow, PictureFacts
from retrieval.filters import parse_filter

Json = dict[str, Any]

NUMBERS: list[Any] = [
    0, 1, -1, 1.0, 1.5, -0.0, 2020, 2**53, 2**53 + 1, 2.0**53, -(2**53) - 1, 2**63 - 1, 2**63 - 2, -(2**63) + 1,
    1e300, -1e300, 5e-324,
]  # fmt: skip
TEXTS = ["ß", "ΣΑΣ", "İ", "", "a", "A", "ab", "cat", "cats", "2020", "true", "é", "e\u0301", "😀", "\uffff", "%", "_"]
SCALARS = st.sampled_from([None, True, False, *NUMBERS, *TEXTS])
KEYS = st.sampled_from(["x", "y", "tags", "width", "a.b", "é"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["p", "q"]), inner, max_size=2),
    max_leaves=4,
)
METADATA = st.dictionaries(KEYS, VALUES, max_size=4)
FIELDS = st.sampled_from(["x", "y", "tags", "metadata.width", "a.b", "é", "x.p", "x.q", "tags.p", "nobody"])


def operands() -> st.SearchStrategy[Any]:
    comparable = st.sampled_from([*NUMBERS, *TEXTS])
    return st.one_of(
        SCALARS,
        st.fixed_dictionaries({"$eq": SCALARS}),
        st.fixed_dictionaries({"$ne": SCALARS}),
        st.fixed_dictionaries({}, optional=dict.fromkeys(ORDERS, comparable)).filter(bool),
        st.fixed_dictionaries({"$in": st.lists(SCALARS, max_size=4)}),
        st.fixed_dictionaries({"$nin": st.lists(SCALARS, max_size=4)}),
        st.fixed_dictionaries({"$contains": SCALARS.filter(lambda value: value is not None)}),
        st.fixed_dictionaries({"$icontains": st.sampled_from([*TEXTS, "É", "CAT", "SS", "σας", "i"])}),
        st.fixed_dictionaries({"$exists": st.booleans()}),
        st.fixed_dictionaries({"$empty": st.booleans()}),
    ).flatmap(lambda test: st.sampled_from([test, {"$not": test}]))


ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$lt": operator.lt, "$lte": operator.le, "$gt": operator.gt, "$gte": operator.ge,
}  # fmt: skip
FILTERS = st.recursive(
    st.dictionaries(FIELDS, operands(), min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$not": inner}),
    ),
    max_leaves=5,
)

# ---- what a filter means, in plain Python


def holds(where: Any, metadata: Json) -> bool:
    return all(entry_holds(key, value, metadata) for key, value in where.items())


def entry_holds(key: str, value: Any, metadata: Json) -> bool:
    if key == "$and":
        return all(holds(part, metadata) for part in value)
    if key == "$or":
        return any(holds(part, metadata) for part in value)
    if key == "$not":
        return not holds(value, metadata)
    tests = value if isinstance(value, dict) else {"$eq": value}
    return all(operator_holds(key, op, operand, metadata) for op, operand in tests.items())


def operator_holds(key: str, op: str, operand: Any, metadata: Json) -> bool:
    values = list(find_values(metadata, key.removeprefix("metadata.")))
    match op:
        case "$not":
            return not entry_holds(key, operand, metadata)
        case "$ne":
            return not operator_holds(key, "$eq", operand, metadata)
        case "$nin":
            return not operator_holds(key, "$in", operand, metadata)
        case "$exists":
            return bool(values) == operand
        case "$empty":
            return any(map(is_filled, values)) != operand
        case "$icontains":
            return any(isinstance(value, str) and fold_text(operand) in fold_text(value) for value in values)
        case "$eq":
            return any(is_same(value, operand) for value in values)
        case "$in":
            return any(is_same(value, choice) for value in values for choice in operand)
        case "$contains":
            return any(_contains(value, operand) for value in values)
    return any(
        name_type(value) == name_type(operand) and ORDERS[op](compose(value), compose(operand)) for value in values
    )


def is_filled(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(is_filled, value.values()))
    if isinstance(value, list):
        return any(is_filled(element) for element in value if not isinstance(element, dict | list))
    return value is not None and value != ""


def find_values(metadata: Any, key: str) -> Iterator[Any]:
    """What stands under a key, whose dots may be its own or lead into objects."""
    if not isinstance(metadata, dict):
        return
    if key in metadata:
        yield metadata[key]
    for prefix, value in metadata.items():
        if key.startswith(f"{prefix}."):
            yield from find_values(value, key.removeprefix(f"{prefix}."))


def _contains(value: Any, part: Any) -> bool:
    if isinstance(value, list):
        return any(is_same(element, part) for element in value)
    return isinstance(value, str) and isinstance(part, str) and compose(part) in compose(value)


def name_type(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else type(value).__name__


def is_same(a: Any, b: Any) -> bool:
    return name_type(a) == name_type(b) and not isinstance(a, dict | list) and compose(a) == compose(b)


def compose(value: Any) -> Any:
    """Return a text as filters compare it: a letter with an accent is one, however it was typed."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


# ---- against the database


@pytest.fixture(scope="module")
def shared_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    created = Catalogue.create(tmp_path_factory.mktemp("where"))
    yield created
    created.close()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(METADATA, min_size=1, max_size=8), st.lists(FILTERS, min_size=1, max_size=15))
def test_a_filter_means_what_it_means_in_plain_python(
    shared_catalogue: Catalogue, everything: list[Json], filters: list[Json]
) -> None:
    with shared_catalogue.transaction() as writing:
        writing.remove(writing.ids().tolist())
        item_ids = [stored.item_id for stored in writing.put([Arrival(metadata=metadata) for metadata in everything])]
    with shared_catalogue.snapshot() as snapshot:
        for where in filters:
            expected = [
                item_id for item_id, metadata in zip(item_ids, everything, strict=True) if holds(where, metadata)
            ]
            condition = parse_filter(where)
            assert snapshot.ids(condition).tolist() == expected, where
            assert snapshot.count(condition) == len(expected), where
            assert [row.id for row in snapshot.page(condition, 0, 100)] == expected, where


@pytest.mark.databases
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(METADATA, min_size=1, max_size=5), st.lists(METADATA, min_size=1, max_size=5), FILTERS)
def test_a_filter_follows_what_is_merged(
    shared_catalogue: Catalogue, before: list[Json], after: list[Json], where: Json
) -> None:
    with shared_catalogue.transaction() as writing:
        writing.remove(writing.ids().tolist())
        item_ids = [stored.item_id for stored in writing.put([Arrival(metadata=metadata) for metadata in before])]
        for item_id, metadata in zip(item_ids, after, strict=False):
            writing.update(item_id, metadata)
    with shared_catalogue.snapshot() as snapshot:
        rows = snapshot.items(item_ids)
        assert snapshot.ids(parse_filter(where)).tolist() == [row.id for row in rows if holds(where, row.metadata)]


# ---- by hand


def select_item_ids(catalogue: Catalogue, where: Json) -> list[int]:
    with catalogue.snapshot() as snapshot:
        return [int(item_id) for item_id in snapshot.ids(parse_filter(where))]


@pytest.fixture
def three_items(catalogue: Catalogue) -> list[ItemRow]:
    """A picture at two places, a picture that vanished, a ready-made vector without anything."""
    facts = [PictureFacts(640, 480, "JPEG", "2024-05-06T07:08:09"), PictureFacts(100, 200, "PNG")]
    arrivals = [
        Arrival(hash=b"\x01" * 20, facts=facts[0], bytes=1000, uri="/p/a.jpg", text="a red boat"),
        Arrival(hash=b"\x02" * 20, facts=facts[1], bytes=2000, uri="/p/Gone.png", file=FoundFile("", "", 1, 2, 3)),
        Arrival("vector"),
        Arrival(hash=b"\x01" * 20, uri="/q/b.jpg"),
    ]
    with catalogue.transaction() as writing:
        writing.put(arrivals)
        writing.mark_missing(["/p/Gone.png", "/q/b.jpg"])
    with catalogue.snapshot() as snapshot:
        return snapshot.items([1, 2, 3])


@pytest.mark.databases
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"id": 2}, [2]),
        ({"id": {"$in": [1, 3, 99]}}, [1, 3]),
        ({"key": "vector"}, [3]),
        ({"key": {"$contains": "ect"}}, [3]),
        ({"hash": "01" * 20}, [1]),
        ({"hash": {"$exists": False}}, [3]),
        ({"width": {"$gte": 100, "$lt": 640}}, [2]),
        ({"width": None}, [3]),
        ({"width": {"$ne": 640}}, [2, 3]),
        ({"height": 480.0}, [1]),
        ({"format": {"$in": ["PNG", None]}}, [2, 3]),
        ({"format": {"$nin": ["PNG"]}}, [1, 3]),
        ({"bytes": {"$gt": 1000}}, [2]),
        ({"text": {"$contains": "red"}}, [1]),
        ({"text": {"$contains": "Red"}}, []),
        ({"taken_at": {"$gte": "2024-05"}}, [1]),
        ({"taken_at": {"$lt": "2024-05"}}, []),
        ({"added_at": {"$gte": "2020-01-01"}}, [1, 2, 3]),
        ({"added_at": {"$lt": "2020-01-01T00:00:00+02:00"}}, []),
        ({"uri": "/q/b.jpg"}, [1]),
        ({"uri": {"$contains": "/p/"}}, [1, 2]),
        ({"uri": {"$contains": "gone"}}, []),
        ({"uri": {"$ne": "/p/a.jpg"}}, [2, 3]),
        ({"uri": None}, [3]),
        ({"uri": {"$in": [None, "/p/Gone.png"]}}, [2, 3]),
        ({"uri": {"$exists": True}}, [1, 2]),
        ({"uri": {"$lt": "/p/a"}}, [2]),
        ({"missing": True}, [2]),
        ({"missing": False}, [1, 3]),
        ({"missing": {"$ne": True}}, [1, 3]),
        ({"metadata.width": 640}, []),
        ({}, [1, 2, 3]),
        ({"$not": {"format": "JPEG", "width": 640}}, [2, 3]),
        ({"$or": [{"format": "JPEG"}, {"key": "vector"}]}, [1, 3]),
    ],
)
def test_the_items_own_fields(
    catalogue: Catalogue, three_items: list[ItemRow], where: Json, expected: list[int]
) -> None:
    assert select_item_ids(catalogue, where) == expected


@pytest.mark.databases
def test_nothing_and_everything(catalogue: Catalogue, three_items: list[ItemRow]) -> None:
    with catalogue.snapshot() as snapshot:
        assert snapshot.ids(Either(())).tolist() == []
        assert snapshot.ids(All(())).tolist() == [1, 2, 3]
        assert snapshot.ids(Not(All(()))).tolist() == []
        assert snapshot.ids(Condition("x", "$in", ())).tolist() == []


def test_an_ordering_of_a_metadata_key_is_one_range_of_its_index(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival(metadata={"year": year}) for year in range(1900, 2100)])
    condition = parse_filter({"year": {"$gte": 2000, "$lt": 2010}})
    assert condition is not None
    with catalogue.engine.begin() as connection:
        query = select_ids(condition).compile(connection)
        values = tuple(query.params[name] for name in query.positiontup or ())
        plan = " ".join(str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values))
    assert "number>? AND number<?" in plan


def nest_filter(depth: int) -> Json:
    where: Json = {"x": 1}
    for turn in range(depth):
        where = [{"$not": {"$and": [where, {"y": turn}]}}, {"$or": [where, {"y": turn}]}][turn % 2]
    return where


@pytest.mark.databases
def test_a_deep_filter_means_what_it_means(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival(metadata={"x": x, "y": y}) for x in (0, 1) for y in range(15)])
    with catalogue.snapshot() as snapshot:
        for depth in range(1, 16):
            expected = [row.id for row in snapshot.page(None, 0, 100) if holds(nest_filter(depth), row.metadata)]
            assert snapshot.ids(parse_filter(nest_filter(depth))).tolist() == expected
            assert [row.id for row in snapshot.page(parse_filter(nest_filter(depth)), 0, 100)] == expected


@pytest.mark.databases
def test_a_wide_filter_means_what_it_means(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival(metadata={"x": n}) for n in range(100)])
    wide = range(50, 1550)
    assert select_item_ids(catalogue, {"x": {"$in": list(wide)}}) == list(range(51, 101))
    assert select_item_ids(catalogue, {"id": {"$in": list(wide)}}) == list(range(50, 101))
    assert select_item_ids(catalogue, {"$or": [{"x": n} for n in wide]}) == list(range(51, 101))
    assert select_item_ids(catalogue, {"$and": [{"x": {"$ne": n}} for n in wide]}) == list(range(1, 51))
