"""What records look like from outside: their fields' types, and how they are made again from JSON."""

from __future__ import annotations

import dataclasses
import re
import sys
import types
import typing
from functools import cache
from typing import Any

from retrieval.records import clusters, duplicates, items, reports, search

_NAMES = {**vars(items), **vars(clusters), **vars(duplicates), **vars(search), **vars(reports)}


@cache
def fields(record: type) -> dict[str, Any]:
    """The types of what a record's `to_dict()` has."""
    hints = typing.get_type_hints(record, vars(sys.modules[record.__module__]), _NAMES)
    return {one.name: hints[one.name] for one in dataclasses.fields(record) if not one.name.startswith("_")}


def revived(hint: Any, data: Any) -> Any:
    """What became this JSON: records, tuples of them, plain values."""
    if data is None:
        return None
    if dataclasses.is_dataclass(hint):
        return hint(**{name: revived(kind, data[name]) for name, kind in fields(hint).items()})  # type: ignore[arg-type, operator]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        kinds = arguments[:1] * len(data) if Ellipsis in arguments else arguments
        return tuple(revived(kind, one) for kind, one in zip(kinds, data, strict=True))
    if origin in (types.UnionType, typing.Union):
        return revived(next(one for one in arguments if one is not type(None)), data)
    return data


def slug(kind: type) -> str:
    """BadQuery -> bad-query"""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()
