"""The shapes of answers, made from the records themselves so that they can't drift apart; and of questions."""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, create_model
from pydantic import Strict as Lax

from retrieval.records.codec import fields as fields_of


def _number(given: Any) -> Any:
    if isinstance(given, bool | str):
        raise ValueError("a whole number is asked for")
    return given


LARGEST = 2**53
"""JSON carries whole numbers below it everywhere."""
Id = Annotated[int, Field(ge=0, lt=LARGEST)]
"""An item's, a cluster's, a decision's, in an address."""
Named = Annotated[int, Field(ge=0, lt=LARGEST), Lax(False), BeforeValidator(_number)]
"""The same in JSON, where 1.0 is a whole number; true and "1" are none."""
Number = Annotated[int, Field(gt=-LARGEST, lt=LARGEST), Lax(False), BeforeValidator(_number)]


@cache
def model(record: type, without: str = "") -> type[BaseModel]:
    """The shape of a record's `to_dict()`."""
    fields: dict[str, Any] = {name: (_shape(hint), ...) for name, hint in fields_of(record).items() if name != without}
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


def described(name: str, base: type[BaseModel] = BaseModel, **fields: Any) -> type[BaseModel]:
    """An answer of these fields, and those of `base`."""
    shapes: dict[str, Any] = {field: (kind, ...) for field, kind in fields.items()}
    return create_model(name, __base__=base, **shapes)


def several(name: str, record: type, **more: Any) -> type[BaseModel]:
    """An answer that is a list of records under a name, with further fields."""
    fields: dict[str, Any] = {name: list[model(record)], **more}  # type: ignore[misc]
    return described(f"{record.__name__}List", **fields)


class Strict(BaseModel):
    """A question: fields that nobody knows are errors, and nothing is taken for something else (`true` for 1)."""

    model_config = {"extra": "forbid", "strict": True}
