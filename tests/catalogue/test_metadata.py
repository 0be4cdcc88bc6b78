"""Metadata: what JSON can hold, and the rows that filters read."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.catalogue.full_text import list_texts
from indexers.catalogue.metadata import check_metadata, flatten_metadata
from indexers.errors import BadMetadata

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc.", min_size=1), inner),
)


@given(st.dictionaries(st.text("abc", min_size=1), VALUES))
def test_what_json_can_hold_is_kept_as_it_is(metadata: Any) -> None:
    assert json.loads(json.dumps(check_metadata(metadata))) == metadata
    list(flatten_metadata(metadata))


def test_the_copy_does_not_change_with_the_original() -> None:
    original = {"a": [1], "b": {"c": 1}}
    copy = check_metadata(original)
    original["a"].append(2)  # type: ignore[attr-defined]
    original["b"]["c"] = 2  # type: ignore[call-overload, index]
    assert copy == {"a": [1], "b": {"c": 1}}


def test_what_stands_for_json_becomes_json() -> None:
    original = MappingProxyType({"a": (1, 2), "b": np.int64(3), "c": np.float32(0.5), "d": np.bool_(True)})
    copy = check_metadata(original)
    assert copy == {"a": [1, 2], "b": 3, "c": 0.5, "d": True}
    assert [type(value) for value in copy.values()] == [list, int, float, bool]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("album", "metadata is an object such as .*'album'"),
        ([("a", 1)], "metadata is an object"),
        ({"a": float("nan")}, "metadata.a is nan; JSON has no such number"),
        ({"a": {"b": [0, float("inf")]}}, r"metadata.a.b\[1\] is inf"),
        ({"a": np.float64("nan")}, "metadata.a is nan"),
        ({"a": 2**1024}, "metadata.a is a number of 1025 bits"),
        ({"a": {1, 2}}, "metadata.a is a set; metadata holds texts, numbers"),
        ({"a": np.zeros(3)}, "metadata.a is a ndarray"),
        ({"a": b"x"}, "metadata.a is a bytes"),
        ({1: 2}, "metadata has the key 1; keys are texts"),
        ({"": 2}, "metadata has the key ''"),
        ({"a": {"$gt": 2}}, r"metadata.a has the key '\$gt'"),
        ({"a": {"$apart": 2}}, r"metadata.a has the key '\$apart'"),
        ({"$apart": {"a": {1}}}, r"\$apart.a is a set"),
        ({"a": "x\0y"}, r"metadata.a holds 'x\\x00y'"),
        ({"a": "\ud800"}, r"metadata.a holds '\\ud800'"),
        ({"\udcff": 1}, r"metadata holds '\\udcff'"),
    ],
)
def test_what_json_can_not_hold_is_named(metadata: Any, words: str) -> None:
    with pytest.raises(BadMetadata, match=words):
        check_metadata(metadata)


def test_what_is_kept_apart_comes_back_and_is_not_looked_at() -> None:
    metadata = {"a": 1, "$apart": {"node": "words", "deep": [1, {"b": None}]}}
    assert check_metadata(metadata) == metadata
    assert list(flatten_metadata(metadata)) == list(flatten_metadata({"a": 1}))
    assert list_texts("text", metadata) == ["text", "1"]


def test_depth_has_an_end() -> None:
    nest: Any = 1
    for _ in range(40):
        nest = [nest]
    with pytest.raises(BadMetadata, match="nested more than 32 deep"):
        check_metadata({"a": nest})


def make_row(key: str, value: Any = None, element: bool = False) -> dict[str, Any]:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return {
        "key": key,
        "element": element,
        "number": number,
        "text": value if isinstance(value, str) else None,
        "flag": value if isinstance(value, bool) else None,
    }


@pytest.mark.parametrize(
    ("metadata", "rows"),
    [
        ({}, []),
        ({"a": 1}, [make_row("a", 1)]),
        ({"a": 1.5, "b": "x", "c": True, "d": None},
         [make_row("a", 1.5), make_row("b", "x"), make_row("c", True), make_row("d")]),
        ({"a": ["x", 2, [3]]}, [make_row("a", "x", True), make_row("a", 2, True), make_row("a", None, True)]),
        ({"a": {"b": {"c": 1}, "d": 2}}, [make_row("a.b.c", 1), make_row("a.d", 2)]),
        ({"a": []}, [make_row("a", None, True)]),
        ({"a": {}}, [make_row("a", None, True)]),
        ({"a": 2**63}, [make_row("a", float(2**63))]),
        ({"a": 2**63 - 1}, [make_row("a", 2**63 - 1)]),
    ],
)  # fmt: skip
def test_one_row_a_value(metadata: Any, rows: Any) -> None:
    assert list(flatten_metadata(metadata)) == rows
