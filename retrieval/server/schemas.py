"""Schemas of request bodies and of responses. Those of responses are made from the records themselves, so that the two
can't drift apart; descriptions of fields are their docstrings."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import types
import typing
from functools import cache
from itertools import pairwise
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, create_model, model_validator

from indexers.catalogue.metadata import is_text
from indexers.errors import BadQuery
from retrieval.records.codec import list_fields
from retrieval.records.pictures import THUMBNAIL_EDGES

MAX_JSON_INT = 2**53
"""JSON carries whole numbers below it everywhere."""


def _refuse_bool_and_text(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("a whole number is needed")
    return value


ItemId = Annotated[int, Path(alias="item", ge=0, lt=MAX_JSON_INT, description="The item's id.")]
ClusterId = Annotated[int, Path(alias="cluster", ge=0, lt=MAX_JSON_INT, description="The cluster's id.")]
PartId = Annotated[int, Path(alias="part", ge=0, lt=MAX_JSON_INT, description="The part's id.")]
PartitionId = Annotated[int, Path(alias="partition", ge=0, lt=MAX_JSON_INT, description="The partition's id.")]
DecisionId = Annotated[int, Path(alias="decision", ge=0, lt=MAX_JSON_INT, description="The decision's id.")]
PageNumber = Annotated[int, Query(ge=1, le=2**31, description="Page number.")]
PartKind = Annotated[
    str | None, Query(description="A kind of parts, such as regions: these are clustered, in place of the pictures.")
]
Level = Annotated[str, Query(description="A level (coarse, medium, fine), or the name of a clustering.")]


def _read_edge(
    edge: Annotated[
        int, Query(description="Pixels of the longer edge.", json_schema_extra={"enum": list(THUMBNAIL_EDGES)})
    ] = 320,
) -> int:
    if edge not in THUMBNAIL_EDGES:
        raise BadQuery(f"edge must be one of {', '.join(map(str, THUMBNAIL_EDGES))} pixels; got {edge}")
    return edge


ThumbnailEdge = Annotated[int, Depends(_read_edge)]

JsonId = Annotated[int, Field(ge=0, lt=MAX_JSON_INT), Strict(False), BeforeValidator(_refuse_bool_and_text)]
"""An id in JSON, where 1.0 is a whole number; true and "1" are none."""
JsonInt = Annotated[
    int, Field(gt=-MAX_JSON_INT, lt=MAX_JSON_INT), Strict(False), BeforeValidator(_refuse_bool_and_text)
]

ItemName = JsonId | str
"""An item by its id or key."""
Vector = Annotated[list[float], Field(max_length=65_536)]


class RequestBody(BaseModel):
    """A request body: unknown fields are errors, and no value is taken for one of another type (`true` for 1)."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def refuse_odd_texts(cls, value: Any) -> Any:
        """Refuse texts that no database can store, wherever they are."""
        if (odd := find_odd_text(value)) is not None:
            raise ValueError(f"{odd!r} holds NUL or half a surrogate pair, which no text here has")
        return value


def find_odd_text(value: Any) -> str | None:
    """Return the first text in a JSON value that holds NUL or half a surrogate pair; None if there is none."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            if not is_text(part):
                return part[:100]
        elif isinstance(part, dict):
            pending += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            pending += part
    return None


def refuse_odd_texts(value: Any, place: str) -> None:
    """Raise RequestValidationError if a text in the value, at that place of the request, can't be stored."""
    if (odd := find_odd_text(value)) is not None:
        message = f"{odd!r} holds NUL or half a surrogate pair, which no text here has"
        raise RequestValidationError([{"loc": (place,), "msg": message, "type": "value_error"}])


class ResponseBody(BaseModel):
    """A response body that is no record."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class _BuiltBody(BaseModel):
    """A response body without source: looking for its docstrings there reads every module that is loaded."""

    model_config = ConfigDict(use_attribute_docstrings=False)


@cache
def build_model(record: type, without: str = "") -> type[BaseModel]:
    """Return the schema of a record's `to_dict()`, but for the field `without`."""
    descriptions = describe_fields(record)
    fields: dict[str, Any] = {
        name: (Annotated[_convert_type(hint), Field(description=descriptions.get(name))], ...)
        for name, hint in list_fields(record).items()
        if name != without
    }
    return create_model(record.__name__, __doc__=record.__doc__, **fields)


def _convert_type(hint: Any) -> Any:
    """Return the type with records as models and tuples as lists."""
    if dataclasses.is_dataclass(hint):
        return build_model(hint)  # type: ignore[arg-type]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return list[_convert_type(arguments[0])]  # type: ignore[misc]
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(_convert_type(argument) for argument in arguments)]  # noqa: UP007
    return hint


def build_answer(name: str, base: type[BaseModel] = ResponseBody, **fields: Any) -> type[BaseModel]:
    """Return the schema of a response with these fields beside those of `base`."""
    shapes: dict[str, Any] = {field: (kind, ...) for field, kind in fields.items()}
    return create_model(name, __base__=(base, _BuiltBody), **shapes)


def build_list(name: str, record: type, description: str, **fields: Any) -> type[BaseModel]:
    """Return the schema of a response that is a list of records in the field `name`, with further fields."""
    records: Any = Annotated[list[build_model(record)], Field(description=description)]  # type: ignore[misc]
    return build_answer(f"{record.__name__}List", **{name: records}, **fields)


# ---- descriptions of fields


@cache
def describe_fields(record: type) -> dict[str, str]:
    """Return the docstrings of a class's fields: the strings below them in its source."""
    try:
        tree = _parse_module(record.__module__)
    except (OSError, KeyError, TypeError):  # no source beside the bytecode
        return {}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == record.__name__]
    return {
        field.target.id: " ".join(below.value.value.split())
        for body in (node.body for node in classes)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


@cache
def _parse_module(name: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[name]))
