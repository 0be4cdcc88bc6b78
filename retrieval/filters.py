"""The filter grammar of library, command line and REST: JSON in, conditions out.

    {"year": 2020}                                     equal
    {"year": {"$gte": 2020, "$lt": 2024}}              $eq $ne $lt $lte $gt $gte
    {"place": {"$in": ["Oslo", "Bergen"]}}             $in $nin
    {"tags": {"$contains": "cat"}}                     an element of a list, or a part of a text
    {"title": {"$icontains": "cat"}}                   a part of a text, whatever the case of its letters
    {"rating": {"$exists": false}}
    {"tags": {"$empty": true}}                         missing, null, "", a list or an object with nothing in it
    {"$or": [{"year": 2020}, {"$not": {"format": "JPEG"}}]}      $and $or $not

    {"$sees": "dog"}                                   what is seen in the picture, by an embedder that reads words

Keys are metadata keys (`camera.make` reaches into objects) or the item's own fields: id, key, uri, hash, width, height,
format, bytes, text, taken_at, added_at, missing; and from 0 to 1 sharpness, noise, exposure, contrast. `metadata.width`
means the metadata key of that name, so that `metadata.metadata.width` reaches into an object called metadata. A dot may
be part of a key or lead into an object; keys in quotes say which: `"a.b"` is one key, `"a"."b"` are two. `$ne`, `$nin`
and `$not` hold where the key is missing. Types never coerce: 2020 is not "2020", and true is not 1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Set, ValuesView
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import numpy as np

from indexers.catalogue.conditions import (
    ITEM_FIELDS,
    All,
    Condition,
    Either,
    FieldTest,
    Not,
    count_tests,
    count_values,
    merge_tests,
)
from indexers.catalogue.metadata import MAX_BITS, is_text, normalise_text
from indexers.errors import BadFilter
from indexers.types import QUALITY

COMPARISONS = ("$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$contains", "$icontains")
OPERATORS = (*COMPARISONS, "$exists", "$empty", "$not")
NUMBERS = {"id", "width", "height", "bytes", *QUALITY}
_STEP = re.compile(r'"([^"]+)"|([^".]+)')
_PATH = re.compile(rf"(?:{_STEP.pattern})(?:\.(?:{_STEP.pattern}))*")
INT64 = 2**63
"""Whole numbers from here on do not fit into SQLite's integers, and are compared as floats."""
DEPTH = 32
LONG = 8
"""Tests from which on it pays to join those that ask for one field."""
MAX_TESTS, MAX_VALUES = 256, 30_000
"""The parts of a filter and the values that it compares with, at most."""


def parse_filter(where: Mapping[str, Any] | None) -> Condition | None:
    """Return the condition that a filter states, or None if it admits everything.

    Raises BadFilter, which names the part that is wrong.
    """
    if where is None:
        return None
    try:
        condition = _parse_object(where)
        too_deep = _measure_depth(condition) > DEPTH
    except RecursionError:
        too_deep = True
    if too_deep:
        raise BadFilter(f"the filter is nested more than {DEPTH} deep")
    return None if condition == All(()) else _check_size(condition)


def _check_size(condition: Condition) -> Condition:
    """Return the condition, or a shorter one that is equal to it. Raises BadFilter if it is too long."""
    condition = merge_tests(condition) if count_tests(condition) > LONG else condition
    tests, values = count_tests(condition), count_values(condition)
    if tests > MAX_TESTS:
        raise BadFilter(
            f"the filter has {tests:,} parts, and at most {MAX_TESTS:,} are taken; for many values of one field, $in "
            "with a list is one part"
        )
    if values > MAX_VALUES:
        raise BadFilter(f"the filter compares with {values:,} values, and at most {MAX_VALUES:,} are taken")
    return condition


def _measure_depth(condition: Condition) -> int:
    if isinstance(condition, Not):
        return 1 + _measure_depth(condition.condition)
    return 1 + max(map(_measure_depth, condition.conditions), default=0) if isinstance(condition, All | Either) else 1


def _parse_object(where: Any) -> Condition:
    if not isinstance(where, Mapping):
        raise BadFilter(f'a filter is an object such as {{"year": 2020}}; got {where!r}')
    return _join([_parse_entry(key, value) for key, value in where.items()])


def _join(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _parse_entry(key: Any, value: Any) -> Condition:
    if key in ("$and", "$or"):
        if not isinstance(value, list | tuple) or not value:
            raise BadFilter(f"{key} takes a list of filters with at least one in it; got {value!r}")
        parts = tuple(_parse_object(part) for part in value)
        return All(parts) if key == "$and" else Either(parts)
    if key == "$not":
        return Not(_parse_object(value))
    if key == "$sees":
        raise BadFilter(f"$sees is answered where a collection is searched or listed, and not here; got {value!r}")
    if not isinstance(key, str) or key.startswith("$"):
        raise BadFilter(f"unknown operator {key!r}; expected $and, $or, $not or the name of a field")
    if not is_text(key):
        raise BadFilter(f"the field {key!r} is not text that UTF-8 can carry")
    if isinstance(value, Mapping):
        if not value:
            raise BadFilter(f'{key!r} has an empty condition; to test for its presence, use {{"$exists": true}}')
        return _join([_parse_test(key, op, operand) for op, operand in value.items()])
    return _parse_test(key, "$eq", value)


def _parse_test(key: str, op: Any, value: Any) -> Condition:
    if op not in OPERATORS:
        raise BadFilter(f"unknown operator {op!r} at {key!r}; the operators are: {', '.join(OPERATORS)}, and $and, $or")
    if op == "$not":
        return Not(_parse_entry(key, value))
    if op in ("$exists", "$empty"):
        value = value.item() if isinstance(value, np.bool_) else value
        if not isinstance(value, bool):
            raise BadFilter(f"{op} at {key!r} takes true or false; got {value!r}")
        presence = _build_test(key, "$exists" if op == "$exists" else "$filled", True)
        return presence if value is (op == "$exists") else Not(presence)
    if op in ("$ne", "$nin"):
        return Not(_parse_test(key, "$eq" if op == "$ne" else "$in", value))
    return _build_test(key, op, _check_operand(key, op, value))


def _check_operand(key: str, op: str, value: Any) -> Any:
    if op == "$in":
        value = value.tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else value
        if not isinstance(value, list | tuple | Set | range | ValuesView):
            raise BadFilter(f"$in and $nin at {key!r} take a list; got {value!r}")
        if len(value) > MAX_VALUES:
            raise BadFilter(f"$in and $nin at {key!r} take up to {MAX_VALUES} values; got {len(value)}")
        return tuple(_check_scalar(key, part) for part in value)
    if op == "$contains" and (value is None or (isinstance(value, float) and value != value)):
        raise BadFilter(f"$contains at {key!r} takes a text, a number, true or false; got {value!r}")
    if op == "$icontains" and not isinstance(value, str):
        raise BadFilter(f"$icontains at {key!r} takes a text; got {value!r}")
    value = _check_scalar(key, value)
    if op in ("$lt", "$lte", "$gt", "$gte") and (isinstance(value, bool) or value is None):
        raise BadFilter(f"{op} at {key!r} compares with a number or a text; got {value!r}")
    return value


def to_json(where: Any) -> Any:
    """Return a filter as JSON can carry it, for another door: what it compares with as plain numbers, texts, lists."""
    if isinstance(where, Mapping):
        return {key: to_json(value) for key, value in where.items()}
    if isinstance(where, list | tuple | Set | range | ValuesView) or (isinstance(where, np.ndarray) and where.ndim):
        return [to_json(value) for value in where]
    return _to_plain(where)


def _to_plain(value: Any) -> Any:
    """Return a number of numpy's, a path, a decimal number or a date as JSON has them, and anything else as it is."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        value = value.item()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, date) else value


def _check_scalar(key: str, value: Any) -> Any:
    value = _to_plain(value)
    if isinstance(value, float) and value != value:
        raise BadFilter(f"the filter on {key!r} compares with NaN, which equals nothing")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise BadFilter(
            f"the filter on {key!r} compares with a number of {value.bit_length()} bits, which is too large"
        )
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= INT64:
        return float(value)
    if isinstance(value, str) and not is_text(value):
        raise BadFilter(f"the filter on {key!r} compares with {value!r}, which is not text that UTF-8 can carry")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise BadFilter(f"the filter on {key!r} compares with {value!r}; for lists there are $in and $contains")


def _build_test(key: str, op: str, value: Any) -> Condition:
    if key not in ITEM_FIELDS:
        texts = tuple(map(_normalise, value)) if isinstance(value, tuple) else _normalise(value)
        name = key.removeprefix("metadata.")
        path = _parse_path(name)
        return FieldTest(normalise_text(".".join(path) if path else name), op, texts, path=path)
    if key == "missing" and (op != "$eq" or not isinstance(value, bool)):
        raise BadFilter(f'"missing" is true or false; got {op} {value!r}')
    if op in ("$exists", "$filled"):
        return FieldTest(key, op, value, of_item=True)
    converted = (
        tuple(_check_own_field(key, op, part) for part in value) if op == "$in" else _check_own_field(key, op, value)
    )
    if op == "$in":
        return FieldTest(key, op, tuple(form for part in converted for form in _list_forms(part)), of_item=True)
    if op in ("$eq", "$contains", "$icontains"):
        tests = tuple(FieldTest(key, op, form, of_item=True) for form in _list_forms(converted))
        return tests[0] if len(tests) == 1 else Either(tests)
    return FieldTest(key, op, converted, of_item=True)


def _parse_path(name: str) -> tuple[str, ...]:
    """Return the keys of a name with quoted keys, such as "camera"."lens" or "v1.2"; nothing for any other name."""
    if '"' not in name or not _PATH.fullmatch(name):
        return ()
    return tuple(normalise_text(quoted or plain) for quoted, plain in _STEP.findall(name))


def _list_forms(value: Any) -> tuple[Any, ...]:
    """Return a value, and a text in both Unicode forms too: the item's own fields are stored as they came, and file
    systems write letters composed or decomposed."""
    if not isinstance(value, str):
        return (value,)
    return tuple(dict.fromkeys((value, *(unicodedata.normalize(form, value) for form in ("NFC", "NFD")))))


def _normalise(value: Any) -> Any:
    return normalise_text(value) if isinstance(value, str) else value


def _check_own_field(key: str, op: str, value: Any) -> Any:
    """Return the value as the catalogue stores it for one of the item's own fields.

    These have a type, so that a value of another type is an error rather than merely never equal.
    """
    if value is None or key == "missing":
        return value
    kind = "number" if key in NUMBERS else "text"
    if isinstance(value, bool) or isinstance(value, str) != (kind == "text"):
        raise BadFilter(f"the field {key!r} is a {kind}; got {value!r}")
    if op in ("$contains", "$icontains") and (kind == "number" or key in ("hash", "added_at")):
        raise BadFilter(f"{op} does not apply to the field {key!r}")
    if key == "hash":
        return _parse_hash(value)
    return _to_microseconds(value) if key == "added_at" else value


def _parse_hash(value: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise BadFilter(f"the field 'hash' is compared with hexadecimal digits; got {value!r}") from None


def _to_microseconds(value: str) -> int:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise BadFilter(f"the field 'added_at' is compared with a date such as 2026-01-31; got {value!r}") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
