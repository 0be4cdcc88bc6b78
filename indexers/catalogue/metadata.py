"""Metadata: what JSON can hold, checked, and flattened to one row a value so that filters can use an index."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from indexers.errors import BadMetadata
from indexers.types import Json

DEPTH = 32
LARGEST = 2**63
BITS = 1023
"""A larger number has no place among floats, and so none in JSON as others read it."""
APART = "$apart"
"""What lies under this key (of the metadata itself) is kept and given back, but neither filters nor words look at it:
what another framework needs to make its own records again."""


def check(metadata: Any) -> Json:
    """A plain copy of it. Raises BadMetadata, which names the key whose value JSON (and so SQLite) can't hold."""
    if not isinstance(metadata, Mapping):
        raise BadMetadata(f'metadata is an object such as {{"album": "2024"}}; got {metadata!r}')
    copy: Json = _copy({key: value for key, value in metadata.items() if key != APART}, "metadata", 0)
    return copy | {APART: _copy(metadata[APART], APART, 0)} if APART in metadata else copy


def _copy(value: Any, name: str, depth: int) -> Any:
    if depth > DEPTH:
        raise BadMetadata(f"{name} is nested more than {DEPTH} deep")
    if isinstance(value, Mapping):
        return {_key(key, name): _copy(part, f"{name}.{key}", depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(part, f"{name}[{place}]", depth + 1) for place, part in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(_text(value, name))
    return _number(value, name)


def _number(value: Any, name: str) -> int | float:
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value  # numpy's scalars
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > BITS:
            raise BadMetadata(f"{name} is a number of {value.bit_length()} bits; numbers end at 1.8e308")
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise BadMetadata(f"{name} is {value}; JSON has no such number")
    raise BadMetadata(
        f"{name} is a {type(value).__name__}; metadata holds texts, numbers, true, false, null, lists, objects"
    )


def _key(key: Any, name: str) -> str:
    if not isinstance(key, str) or not key or key.startswith("$"):
        raise BadMetadata(f"{name} has the key {key!r}; keys are texts that are not empty and don't begin with $")
    return _text(key, name)


def is_text(text: str) -> bool:
    """A database can keep it: no NUL, and none of the halves of letters that UTF-8 can't carry."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _text(text: str, name: str) -> str:
    if not is_text(text):
        raise BadMetadata(f"{name} holds {text!r}, which is not text that UTF-8 can carry")
    return text


def flatten(metadata: Json, prefix: str = "") -> Iterator[Json]:
    """Rows of the table `attribute`, without their item."""
    for key, value in metadata.items():
        if key == APART:
            continue
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value:
            for part in value:
                yield _row(prefix + key, True, part if not isinstance(part, dict | list) else None)
        else:  # an empty list or object is there, and is not null
            yield _row(prefix + key, isinstance(value, list | dict), value)


def _row(key: str, element: bool, value: Any) -> Json:
    flag = value if isinstance(value, bool) else None
    number = value if isinstance(value, int | float) and flag is None else None
    if isinstance(number, int) and abs(number) >= LARGEST:
        number = float(number)
    text = value if isinstance(value, str) else None
    return {"key": key, "element": element, "number": number, "text": text, "flag": flag}
