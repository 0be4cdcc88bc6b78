"""The filter grammar: what it becomes, and how errors are worded; catalogue/test_conditions.py shows what it means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from indexers.catalogue.conditions import ITEM_FIELDS, All, Either, Not
from indexers.catalogue.conditions import FieldTest as Condition
from indexers.errors import BadFilter
from retrieval import Collection, filters
from retrieval.filters import parse_filter


@pytest.mark.parametrize(
    ("where", "condition"),
    [
        (None, None),
        ({}, None),
        ({"x": 1}, Condition("x", "$eq", 1)),
        ({"metadata.x": 1}, Condition("x", "$eq", 1)),
        ({"metadata.width": 1}, Condition("width", "$eq", 1)),
        ({"width": 1}, Condition("width", "$eq", 1, of_item=True)),
        ({"x": {"$ne": 1}}, Not(Condition("x", "$eq", 1))),
        ({"x": {"$nin": [1]}}, Not(Condition("x", "$in", (1,)))),
        ({"x": {"$in": np.array([1, 2])}}, Condition("x", "$in", (1, 2))),
        ({"x": {"$in": range(2)}}, Condition("x", "$in", (0, 1))),
        ({"x": {"$in": {1: 2}.keys()}}, Condition("x", "$in", (1,))),
        ({"x": {"$in": {1: 2}.values()}}, Condition("x", "$in", (2,))),
        ({"x": np.array(2.5)}, Condition("x", "$eq", 2.5)),
        ({"x": {"$exists": np.True_}}, Condition("x", "$exists", True)),
        ({"uri": PurePosixPath("/a/b.png")}, Condition("uri", "$eq", "/a/b.png", of_item=True)),
        ({"x": {"$exists": False}}, Not(Condition("x", "$exists", True))),
        ({"x": {"$not": {"$gt": 1}}}, Not(Condition("x", "$gt", 1))),
        ({"x": {"$not": 1}}, Not(Condition("x", "$eq", 1))),
        ({"x": 1, "y": 2}, All((Condition("x", "$eq", 1), Condition("y", "$eq", 2)))),
        ({"$or": [{"x": 1}, {}]}, Either((Condition("x", "$eq", 1), All(())))),
        ({"x": 2**70}, Condition("x", "$eq", float(2**70))),
        ({"hash": "ff"}, Condition("hash", "$eq", b"\xff", of_item=True)),
        ({"added_at": "1970-01-02"}, Condition("added_at", "$eq", 86_400_000_000, of_item=True)),
    ],
)
def test_what_a_filter_becomes(where: Any, condition: Any) -> None:
    assert parse_filter(where) == condition


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ([], "a filter is an object such as .* got []"),
        ("x=1", "a filter is an object such as .* got 'x=1'"),
        ({"$xor": []}, "unknown operator '$xor'; expected $and, $or, $not or the name of a field"),
        ({1: 2}, "unknown operator 1;"),
        ({"x": {"$like": "a"}}, "unknown operator '$like' at 'x'; the operators are: $eq, $ne"),
        ({"x": {"y": 1}}, "unknown operator 'y' at 'x'"),
        ({"x": {}}, "'x' has an empty condition; to test for its presence, use {\"$exists\": true}"),
        ({"$and": []}, "$and takes a list of filters with at least one in it; got []"),
        ({"$or": {"x": 1}}, "$or takes a list of filters"),
        ({"$or": [1]}, "a filter is an object such as .* got 1"),
        ({"$not": 3}, "a filter is an object such as .* got 3"),
        ({"x": {"$in": "abc"}}, "$in and $nin at 'x' take a list; got 'abc'"),
        ({"x": {"$in": {1: 2}}}, "$in and $nin at 'x' take a list"),
        ({"x": {"$in": np.ones((2, 2))}}, "$in and $nin at 'x' take a list"),
        ({"x": {"$in": [0] * 30_001}}, "$in and $nin at 'x' take up to 30000 values; got 30001"),
        ({"x": {"$in": [[1]]}}, "the filter on 'x' compares with [1]; for lists there are $in and $contains"),
        ({"x": {"$eq": {"a": 1}}}, "the filter on 'x' compares with {'a': 1}"),
        ({"x": b"a"}, "the filter on 'x' compares with b'a'"),
        ({"x": {"$exists": 1}}, "$exists at 'x' takes true or false; got 1"),
        ({"x": {"$contains": None}}, "$contains at 'x' takes a text, a number, true or false; got None"),
        ({"x": {"$lt": True}}, "$lt at 'x' compares with a number or a text; got True"),
        ({"x": {"$gte": None}}, "$gte at 'x' compares with a number or a text; got None"),
        ({"x": float("nan")}, "the filter on 'x' compares with NaN, which equals nothing"),
        ({"x": 10**400}, "the filter on 'x' compares with a number of 1329 bits"),
        ({"x": "\ud800"}, r"the filter on 'x' compares with '\\ud800', which is not text that UTF-8 can carry"),
        ({"\ud800": 1}, r"the field '\\ud800' is not text"),
        ({"width": "wide"}, "the field 'width' is a number; got 'wide'"),
        ({"width": True}, "the field 'width' is a number; got True"),
        ({"format": 3}, "the field 'format' is a text; got 3"),
        ({"key": {"$in": ["a", 1]}}, "the field 'key' is a text; got 1"),
        ({"width": {"$contains": 1}}, "$contains does not apply to the field 'width'"),
        ({"hash": {"$contains": "ff"}}, "$contains does not apply to the field 'hash'"),
        ({"hash": "xyz"}, "the field 'hash' is compared with hexadecimal digits; got 'xyz'"),
        ({"added_at": "yesterday"}, "the field 'added_at' is compared with a date such as 2026-01-31; got 'yesterday'"),
        ({"missing": "yes"}, "\"missing\" is true or false; got $eq 'yes'"),
        ({"missing": {"$in": [True]}}, '"missing" is true or false; got $in'),
    ],
)
def test_what_is_wrong_is_named(where: Any, words: str) -> None:
    with pytest.raises(BadFilter) as raised:
        parse_filter(where)
    assert re.search(re.escape(words).replace(r"\.\*", ".*").replace(r"\\\\", r"\\"), str(raised.value))


def test_depth_has_an_end() -> None:
    where: Any = {"x": 1}
    for _ in range(filters.DEPTH - 1):
        where = {"$not": where}
    parse_filter(where)
    for depth in (1, 5000):
        for _ in range(depth):
            where = {"$not": where}
        with pytest.raises(BadFilter, match="nested more than 32 deep"):
            parse_filter(where)


def test_every_field_and_operator_stands_in_the_documentation() -> None:
    documented = str(filters.__doc__)
    for name in (*ITEM_FIELDS, *filters.OPERATORS, "$and", "$or"):
        assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", documented), name


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("STRASSE", ["stra\u00dfe", "Stra\u1e9ee", "strasse"]),
        ("stra\u00dfe", ["STRASSE", "ss"]),
        ("\u0130stanbul", ["istanbul", "ISTANBUL", "\u0130STANBUL", "i\u0307stanbul"]),
        (
            "\u039f\u0394\u039f\u03a3",
            ["\u03bf\u03b4\u03bf\u03c2", "\u03bf\u03c3", "\u03bf\u03c2"],
        ),
        ("Cafe\u0301", ["CAF\u00c9", "caf\u00e9"]),
        ("\ufb01sh", ["FISH", "fi"]),
    ],
)
def test_case_is_folded_in_every_script(collection: Collection, text: str, parts: list[str]) -> None:
    collection.add_vectors([None], keys=[text], metadata=[{"title": text}], texts=[text])
    for part in parts:
        for field in ("title", "key", "text"):
            assert collection.count(where={field: {"$icontains": part}}) == 1, (field, part)
        assert collection.count(where={"title": {"$icontains": f"{part}x"}}) == 0


AMBIGUOUS: list[dict[str, Any]] = [
    {"a.b": 1},
    {"a": {"b": 1}},
    {"a.b": 2, "a": {"b": 1}},
    {"a.b": 1, "a": {"b": 2}},
    {"a": {"b": {"c": "x"}}, "a.b.c": "y"},
    {"a.b": {"c": ["x", 1.5]}},
    {"metadata": {"x": 1, "width": 9}},
    {"metadata.x": 1},
    {"x": 1},
    {"width": 9},
    {"e\u0301.ö": "Zu\u0308rich"},
    {"é": {"o\u0308": ["Zürich", None, True]}},
    {"a": {"b": None}},
    {"a": {"b": {}}},
    {"a.b": ""},
]


@pytest.mark.parametrize(
    ("where", "places"),
    [
        ({"a.b": 1}, [0, 1, 2, 3]),
        ({'"a.b"': 1}, [0, 3]),
        ({'"a"."b"': 1}, [1, 2]),
        ({'a."b"': 1}, [1, 2]),
        ({'"a.b"': {"$in": [1, 2]}}, [0, 2, 3]),
        ({'"a.b"': {"$gt": 1}}, [2]),
        ({'"a"."b"': {"$gt": 1}}, [3]),
        ({'"a"."b"': {"$ne": 1}}, [0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]),
        ({'"a"."b"': {"$exists": True}}, [1, 2, 3, 4, 12, 13]),
        ({'"a.b"': {"$exists": True}}, [0, 2, 3, 5, 14]),
        ({'"a.b"': {"$empty": False}}, [0, 2, 3, 5]),
        ({'"a"."b"': {"$empty": False}}, [1, 2, 3, 4]),
        ({'"a"."b"': None}, [12]),
        ({'"a.b"': ""}, [14]),
        ({'"a"."b"."c"': "x"}, [4]),
        ({'"a.b"."c"': {"$contains": "x"}}, [5]),
        ({'"a.b"."c"': {"$contains": 1.5}}, [5]),
        ({'"a.b.c"': "y"}, [4]),
        ({'"a.b"."c"': "x"}, []),
        ({"metadata.x": 1}, [8]),
        ({"metadata.metadata.x": 1}, [6, 7]),
        ({'"metadata"."x"': 1}, [6]),
        ({'"metadata.x"': 1}, [7]),
        ({'metadata."x"': 1}, [8]),
        ({'"width"': 9}, [9]),
        ({'"metadata"."width"': 9}, [6]),
        ({'"é.o\u0308"': "Zürich"}, [10]),
        ({'"é"."ö"': {"$contains": "Zu\u0308rich"}}, [11]),
        ({'"é.ö"': {"$icontains": "ZÜR"}}, [10]),
        ({"$or": [{'"a.b"': 1}, {'"a"."b"': 1}, {"x": 1}]}, [0, 1, 2, 3, 8]),
        ({"$and": [{'"a.b"': {"$gte": 1}}, {'"a.b"': {"$lt": 2}}, {"a.b": {"$gt": 1}}]}, [3]),
        ({"$or": [{'"a.b"': number} for number in range(1, 200)] + [{'"a"."b"': 2}]}, [0, 2, 3]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_keys_in_quotes_say_whether_a_dot_is_theirs(
    ambiguous: Collection, where: dict[str, Any], places: list[int]
) -> None:
    assert [item.id - 1 for item in ambiguous.walk(where=where)] == places
    assert ambiguous.count(where=where) == len(places)


@pytest.fixture(scope="module")
def ambiguous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    with Collection.open(tmp_path_factory.mktemp("ambiguous") / "c", create=True) as collection:
        collection.add_vectors([None] * len(AMBIGUOUS), metadata=AMBIGUOUS)
        yield collection
