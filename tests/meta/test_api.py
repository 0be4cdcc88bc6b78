"""The public door: sorted, importable, documented, and the same in the plan, the code and its types."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

import retrieval
from retrieval import Collection
from retrieval.records import base, clusters, duplicates, evaluation, items, reports, search

CLASSES = [getattr(retrieval, name) for name in retrieval.__all__ if inspect.isclass(getattr(retrieval, name))]


def test_names_are_sorted() -> None:
    assert retrieval.__all__ == sorted(retrieval.__all__)
    assert len(set(retrieval.__all__)) == len(retrieval.__all__)


@pytest.mark.parametrize("name", retrieval.__all__)
def test_every_name_can_be_had(name: str) -> None:
    assert getattr(retrieval, name) is not None
    assert name in dir(retrieval)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(str(retrieval.__file__)).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == set(retrieval.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Colection'"):
        _ = retrieval.Colection


def members(kind: type) -> list[tuple[str, Any]]:
    candidates = inspect.getmembers(kind, lambda value: inspect.isfunction(value) or inspect.ismethod(value))
    return [
        (name, value)
        for name, value in candidates
        if not name.startswith("_") and value.__qualname__.startswith(kind.__name__)
    ]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_and_method_is_documented(kind: type) -> None:
    assert inspect.getdoc(kind)
    for name, value in members(kind):
        if name != "to_dict":
            assert inspect.getdoc(value) or name == "close", f"{kind.__name__}.{name}"


def test_the_methods_of_the_plan_exist() -> None:
    plan = (
        "open close add add_vectors sync search search_many get items count update remove catch_up info verify export"
    )
    assert not [name for name in plan.split() if not callable(getattr(Collection, name, None))]


def test_every_parameter_of_a_collection_has_a_type() -> None:
    for name, value in members(Collection):
        signature = inspect.signature(value)
        untyped = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
        ]
        assert not untyped, name
        assert signature.return_annotation is not signature.empty, name


RECORDS = {
    kind.__name__: kind
    for room in (clusters, duplicates, evaluation, items, reports, search)
    for kind in vars(room).values()
    if inspect.isclass(kind) and issubclass(kind, base.Record) and hasattr(kind, "__dataclass_params__")
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_frozen_and_become_dictionaries(name: str) -> None:
    kind = RECORDS[name]
    assert kind.__dataclass_params__.frozen
    assert callable(kind.to_dict)


FIXED = {
    "Hit": "item key score uri metadata clusters",
    "Hits": "as_of",
    "Item": "id key hash uri uris width height format text taken_at added_at metadata",
    "AddReport": "added known failed failures change",
    "Info": "items dimension space change",
    "Report": "ok problems repaired",
}


@pytest.mark.parametrize("name", FIXED)
def test_the_fields_of_the_plan_exist(name: str) -> None:
    assert set(FIXED[name].split()) <= set(RECORDS[name].__dataclass_fields__)


def test_packages_are_typed() -> None:
    root = Path(str(retrieval.__file__)).parents[1]
    assert (root / "retrieval" / "py.typed").is_file()
    assert (root / "indexers" / "py.typed").is_file()
