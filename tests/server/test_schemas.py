"""Schemas: records by their own fields and docstrings, request bodies without guesswork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from indexers.types import Json
from retrieval.records.base import Record
from retrieval.records.items import Item
from retrieval.server.schemas import JsonId, RequestBody, build_answer, build_list, build_model, describe_fields


@dataclass(frozen=True, slots=True)
class Sample(Record):
    """A sample, in which `both` is only mentioned. `name`: what it is called; `left`, `right`: both
    sides. `size`: bytes (None: unknown)."""

    name: str
    left: int
    right: int
    both: int
    size: int | None
    """Bytes on
    disk."""
    extra: Json


class Body(RequestBody):
    number: JsonId
    flag: bool = False
    """Whether it counts."""


def test_fields_are_described_by_the_docstring_of_the_class_and_by_their_own() -> None:
    assert describe_fields(Sample) == {
        "name": "What it is called.",
        "left": "Both sides.",
        "right": "Both sides.",
        "size": "Bytes on disk.",
    }


def test_a_class_without_source_is_described_by_its_docstring() -> None:
    made = type("Made", (), {"__doc__": "`a`: the first.", "__module__": "nowhere"})
    assert describe_fields(made) == {"a": "The first."}


def test_a_record_becomes_a_schema_of_its_public_fields() -> None:
    schema = build_model(Item).model_json_schema()
    assert set(schema["required"]) == set(schema["properties"])
    assert schema["properties"]["uris"]["items"] == {"type": "string"}
    assert {kind["type"] for kind in schema["properties"]["width"]["anyOf"]} == {"integer", "null"}
    assert "missing" not in build_model(Item, "missing").model_json_schema()["properties"]
    assert build_model(Item) is build_model(Item)


def test_an_answer_has_the_fields_of_its_base_and_its_own() -> None:
    base = build_answer("Base", count=int)
    assert set(build_answer("More", base, change=int).model_json_schema()["properties"]) == {"count", "change"}


def test_a_list_of_records_refers_to_their_schema() -> None:
    schema = build_list("items", Item, "The items.", total=int).model_json_schema()
    assert schema["title"] == "ItemList"
    assert schema["properties"]["items"] == {
        "items": {"$ref": "#/$defs/Item"},
        "type": "array",
        "title": "Items",
        "description": "The items.",
    }


@pytest.mark.parametrize("value", [0, 7, 7.0, 2**53 - 1])
def test_whole_numbers_are_ids_however_json_writes_them(value: Any) -> None:
    assert TypeAdapter(JsonId).validate_python(value) == int(value)


@pytest.mark.parametrize("value", [True, "1", 1.5, -1, 2**53, None, [1]])
def test_nothing_else_is_an_id(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(JsonId).validate_python(value)


def test_a_body_takes_no_unknown_fields_and_no_other_types() -> None:
    assert Body.model_validate({"number": 1.0}).number == 1
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Body.model_validate({"number": 1, "k": 2})
    with pytest.raises(ValidationError, match="bool_type"):
        Body.model_validate({"number": 1, "flag": "yes"})


def test_a_body_is_described_by_its_docstrings() -> None:
    assert Body.model_json_schema()["properties"]["flag"]["description"] == "Whether it counts."
