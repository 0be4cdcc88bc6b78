"""Schemas: records by their own fields and docstrings; request bodies without guesswork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from indexers.types import Json
from retrieval import Collection
from retrieval.records.base import Record
from retrieval.records.items import Item
from retrieval.server.schemas import (
    JsonId,
    RequestBody,
    build_answer,
    build_list,
    build_model,
    describe_fields,
    find_odd_text,
    refuse_odd_texts,
)
from tests.support.serving import open_client


@dataclass(frozen=True, slots=True)
class Sample(Record):
    """A sample."""

    name: str
    """What it is called."""
    size: int | None
    """Bytes on
    disk."""
    extra: Json


class Body(RequestBody):
    number: JsonId
    flag: bool = False
    """Whether it counts."""


def test_fields_are_described_by_the_docstrings_below_them() -> None:
    assert describe_fields(Sample) == {"name": "What it is called.", "size": "Bytes on disk."}


def test_a_class_without_source_has_no_descriptions() -> None:
    assert describe_fields(type("Made", (), {"__module__": "nowhere"})) == {}


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


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\udfff x", "\0"])
def test_texts_that_no_database_can_store_are_refused_wherever_they_are(text: str) -> None:
    for value in (text, [1, text], {"a": {"b": [text]}}, {text: 1}):
        assert find_odd_text(value) == text
        with pytest.raises(ValidationError, match="half a surrogate"):
            Loose.model_validate({"anything": value})
        with pytest.raises(RequestValidationError):
            refuse_odd_texts(value, "where")
    assert find_odd_text({"a": ["é", "😀", None, 1.5, True]}) is None


class Loose(RequestBody):
    """Takes anything."""

    anything: Any = None


def test_every_door_for_texts_answers_422(discs: Collection) -> None:
    with open_client(discs) as client:
        for text in ("\\u0000", "a\\ud800", "\\udc00b"):
            odd = f'"{text}"'
            requests = [
                ("POST", "/v1/search", f'{{"query": {odd}}}'),
                ("POST", "/v1/search", f'{{"item": {odd}}}'),
                ("POST", "/v1/search", f'{{"item": 1, "where": {{{odd}: 1}}}}'),
                ("POST", "/v1/search", f'{{"item": 1, "where": {{"a": {{"$in": [{odd}]}}}}}}'),
                ("POST", "/v1/search", f'{{"mix": [{{"item": {odd}}}]}}'),
                ("POST", "/v1/search", f'{{"item": 1, "level": {odd}, "group": true}}'),
                ("POST", "/v1/search", f'{{"item": 1, "space": {odd}}}'),
                ("POST", "/v1/search", f'{{"item": 1, "metric": {odd}}}'),
                ("PATCH", "/v1/items/1", f'{{"metadata": {{"a": {odd}}}}}'),
                ("PATCH", "/v1/items/1", f'{{"text": {odd}}}'),
                ("POST", "/v1/items/remove", f'{{"items": [{odd}]}}'),
                ("POST", "/v1/items/remove", f'{{"where": {{"a": {odd}}}}}'),
                ("POST", "/v1/clusterings", f'{{"name": {odd}}}'),
                ("POST", "/v1/clusterings", f'{{"name": "a", "settings": {{"b": {odd}}}}}'),
                ("POST", "/v1/jobs/add", f'{{"paths": [{odd}]}}'),
                ("PATCH", "/v1/clusters/1", f'{{"name": {odd}}}'),
            ]
            for method, path, body in requests:
                answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
                assert answer.status_code == 422, (path, body, answer.text)
            for path in ("/v1/items", "/v1/count"):
                assert client.get(path, params={"where": f'{{"a": {odd}}}'}).status_code == 422
