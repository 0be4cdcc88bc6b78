"""The shapes of answers, made from the records themselves so that they can't drift apart; and of questions."""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model

import retrieval
from retrieval import clusters, duplicates, results

_NAMES = {**vars(results), **vars(clusters), **vars(duplicates), **vars(retrieval)}


@cache
def model(record: type) -> type[BaseModel]:
    """The shape of a record's `to_dict()`."""
    hints = typing.get_type_hints(record, vars(__import__(record.__module__, fromlist=["_"])), _NAMES)
    shown = [one for one in dataclasses.fields(record) if not one.name.startswith("_")]
    fields: dict[str, Any] = {one.name: (_shape(hints[one.name]), ...) for one in shown}
    return create_model(record.__name__, __doc__=record.__doc__, **fields)


def _shape(hint: Any) -> Any:
    """Records as models, tuples as lists."""
    if dataclasses.is_dataclass(hint):
        return model(hint)  # type: ignore[arg-type]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return list[_shape(arguments[0])]  # type: ignore[misc]
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(_shape(one) for one in arguments)]  # noqa: UP007
    return hint


def several(name: str, record: type, **more: Any) -> type[BaseModel]:
    """An answer that is a list of records under a name, with further fields."""
    fields: dict[str, Any] = {name: (list[model(record)], ...), **{key: (kind, ...) for key, kind in more.items()}}  # type: ignore[misc]
    return create_model(f"{record.__name__}s", **fields)


def told(record: type, **more: Any) -> type[BaseModel]:
    """An answer that is a record, with further fields."""
    fields: dict[str, Any] = {key: (kind, ...) for key, kind in more.items()}
    return create_model(f"{record.__name__}Told", __base__=model(record), **fields)


class Strict(BaseModel):
    """A question: fields that nobody knows are errors."""

    model_config = {"extra": "forbid"}
