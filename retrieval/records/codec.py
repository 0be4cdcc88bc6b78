"""A record as JSON and back: the types of its fields, and how it is made again."""

from __future__ import annotations

import dataclasses
import re
import sys
import types
import typing
from functools import cache
from typing import Any

from retrieval.records import clusters, duplicates, items, parts, reports, search

_NAMES = {**vars(items), **vars(clusters), **vars(duplicates), **vars(search), **vars(reports), **vars(parts)}


@cache
def list_fields(record: type) -> dict[str, Any]:
    """Return the types of the entries of a record's `to_dict()`."""
    hints = typing.get_type_hints(record, vars(sys.modules[record.__module__]), _NAMES)
    return {field.name: hints[field.name] for field in dataclasses.fields(record) if not field.name.startswith("_")}


def from_json(hint: Any, data: Any) -> Any:
    """Return what became this JSON: records, tuples of them, plain values."""
    if data is None:
        return None
    if dataclasses.is_dataclass(hint):
        fields = list_fields(hint).items()  # type: ignore[arg-type]
        # a server of another version may know more fields, or fewer: those have their defaults
        return hint(**{name: from_json(kind, data[name]) for name, kind in fields if name in data})  # type: ignore[operator]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        kinds = arguments[:1] * len(data) if Ellipsis in arguments else arguments
        return tuple(from_json(kind, element) for kind, element in zip(kinds, data, strict=True))
    if origin in (types.UnionType, typing.Union):
        return from_json(next(kind for kind in arguments if kind is not type(None)), data)
    return data


def slug(kind: type) -> str:
    """Return the name of a class in words: BadQuery -> bad-query."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()
