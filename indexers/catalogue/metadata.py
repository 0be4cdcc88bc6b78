"""Metadata: checked for what JSON can hold, and flattened to one row a value, so that filters can use an index."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from indexers.errors import BadMetadata
from indexers.types import Json

MAX_DEPTH = 32
INTEGER_LIMIT = 2**63
"""SQLite stores integers below it; larger ones become floats."""
MAX_BITS = 1023
"""The bits of the largest integer: a larger one fits no float, and most readers of JSON read numbers as floats."""
OPAQUE_KEY = "$apart"
"""Metadata under this key (at the top level) is stored and returned, but neither filters nor text search read it.
Adapters keep there what another framework needs to make its own records again."""


def check_metadata(metadata: Any) -> Json:
    """Return a plain copy. Raises BadMetadata, naming the key whose value JSON (and so SQLite) can't hold."""
    if not isinstance(metadata, Mapping):
        raise BadMetadata(f'metadata is an object such as {{"album": "2024"}}; got {metadata!r}')
    copy: Json = _copy({key: value for key, value in metadata.items() if key != OPAQUE_KEY}, "metadata", 0)
    return copy | {OPAQUE_KEY: _copy(metadata[OPAQUE_KEY], OPAQUE_KEY, 0)} if OPAQUE_KEY in metadata else copy


def _copy(value: Any, name: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise BadMetadata(f"{name} is nested more than {MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        return {_check_key(key, name): _copy(part, f"{name}.{key}", depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(part, f"{name}[{place}]", depth + 1) for place, part in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(_check_text(value, name))
    return _copy_number(value, name)


def _copy_number(value: Any, name: str) -> int | float:
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value  # numpy's scalars
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise BadMetadata(f"{name} is a number of {value.bit_length()} bits; the largest is 1.8e308")
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise BadMetadata(f"{name} is {value}; JSON has no such number")
    raise BadMetadata(
        f"{name} is a {type(value).__name__}; metadata holds texts, numbers, true, false, null, lists, objects"
    )


def _check_key(key: Any, name: str) -> str:
    if not isinstance(key, str) or not key or key.startswith("$"):
        raise BadMetadata(f"{name} has the key {key!r}; keys are texts that are not empty and don't begin with $")
    return _check_text(key, name)


def is_storable(number: Any) -> bool:
    """Return True if a whole number fits into a column; one that does not is nobody's id."""
    return bool(-INTEGER_LIMIT <= number < INTEGER_LIMIT)


def is_text(text: str) -> bool:
    """Return True if a database can store the text: no NUL, and no surrogates, which UTF-8 can't encode."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _check_text(text: str, name: str) -> str:
    if not is_text(text):
        raise BadMetadata(f"{name} holds {text!r}, which is not text that UTF-8 can carry")
    return text


def normalise_text(text: str) -> str:
    """Return a text with composed letters (NFC), as filters compare it: e and an accent are one letter."""
    return unicodedata.normalize("NFC", text)


def fold_text(text: str) -> str:
    """Return a text as $icontains compares it: the same for all letters that differ in case alone.

    ß is ss, both small sigmas are one, and the Turkish capital İ is i, like the i that it is the capital of elsewhere.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold().replace("i\u0307", "i"))


def flatten_metadata(metadata: Json, prefix: str = "") -> Iterator[Json]:
    """Yield the rows of the table `attribute`, without the item."""
    for key, value in metadata.items():
        if key == OPAQUE_KEY:
            continue
        if isinstance(value, dict) and value:
            yield from flatten_metadata(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value:
            for part in value:
                yield _row(prefix + key, True, part if not isinstance(part, dict | list) else None)
        else:  # an empty list or object exists, and is not null
            yield _row(prefix + key, isinstance(value, list | dict), value)


def spread_path(metadata: Json, steps: Sequence[str]) -> list[list[Any]]:
    """Return what filters read of the value that exactly these keys lead to, each inside the value of the one before.

    A row is: whether it belongs to a key inside the value, element, number, text, flag. Keys with dots in them, which
    the table `attribute` can't tell from objects in objects, are one step here.
    """
    values: list[Any] = [{key: value for key, value in metadata.items() if key != OPAQUE_KEY}]
    for step in steps:
        objects = [value for value in values if isinstance(value, dict)]
        values = [part for value in objects for key, part in value.items() if normalise_text(key) == step]
    rows = [row for value in values for row in flatten_metadata({"": value})]
    return [[row["key"] != "", row["element"], row["number"], row["text"], row["flag"]] for row in rows]


def _row(key: str, element: bool, value: Any) -> Json:
    flag = value if isinstance(value, bool) else None
    number = value if isinstance(value, int | float) and flag is None else None
    if isinstance(number, int) and abs(number) >= INTEGER_LIMIT:
        number = float(number)
    text = normalise_text(value) if isinstance(value, str) else None
    return {"key": normalise_text(key), "element": element, "number": number, "text": text, "flag": flag}
