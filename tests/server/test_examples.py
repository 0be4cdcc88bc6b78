"""Examples fit the schemas of what they are examples of; test_openapi holds that there is one for everything."""

from __future__ import annotations

from typing import Any

import pytest

from retrieval.server.examples import PROBLEMS, add_examples, compose, find_example, make_problem
from retrieval.server.responses import STATUS_DESCRIPTIONS

SCHEMAS = {
    "Part": {"properties": {"id": {"type": "integer", "examples": [3]}}},
    "Whole": {
        "properties": {
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
            "first": {"anyOf": [{"$ref": "#/components/schemas/Part"}, {"type": "null"}]},
        }
    },
}


def test_an_example_is_found_by_owner_or_by_name_alone() -> None:
    assert find_example("ServedInfo", "items") == 1200
    assert find_example("DuplicateGroup", "items") == [3, 7, 8]
    with pytest.raises(KeyError):
        find_example("Item", "nothing")


def test_an_answer_is_composed_of_its_fields() -> None:
    part = {"id": 3}
    assert compose({"$ref": "#/components/schemas/Whole"}, SCHEMAS) == {"parts": [part], "first": part}


def test_errors_of_every_status_have_an_example() -> None:
    assert set(PROBLEMS) == set(STATUS_DESCRIPTIONS)
    assert make_problem(404)["status"] == 404
    assert make_problem(404)["type"] == "urn:nearkin:item-not-found"


def test_fields_parameters_and_answers_get_one() -> None:
    content = {"schema": {"$ref": "#/components/schemas/Item"}}
    operation: Any = {
        "operationId": "get_item",
        "parameters": [{"name": "item"}],
        "responses": {"200": {"content": {"application/json": content}}, "204": {}},
    }
    item: Any = {"properties": {"id": {}, "key": {"examples": ["own"]}}}
    add_examples({"components": {"schemas": {"Item": item}}, "paths": {"/items/{item}": {"get": operation}}})
    assert item["properties"]["id"] == {"examples": [3]}
    assert operation["parameters"] == [{"name": "item", "example": 3}]
    assert content["example"] == {"id": 3, "key": "own"}
