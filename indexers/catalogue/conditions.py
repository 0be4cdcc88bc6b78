"""Conditions on items, and the SQL that finds the items they hold for.

A condition is a small tree: tests of one field, and All, Either and Not over other conditions. Each is compiled to a
select of item ids; set operations join them, so that every test is answered by one range of an index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CompoundSelect, Select

from indexers.arrays import split_chunks
from indexers.catalogue.column_types import Number
from indexers.catalogue.expressions import Cell, spread_rows
from indexers.catalogue.metadata import fold_text
from indexers.catalogue.schema import attribute, item, location
from indexers.types import QUALITY

ORDERINGS = {"$lt": "__lt__", "$lte": "__le__", "$gt": "__gt__", "$gte": "__ge__", "$eq": "__eq__"}

_COLUMNS: dict[str, ColumnElement[Any]] = {
    name: item.c[name]
    for name in ("id", "key", "hash", "width", "height", "format", "bytes", "text", "taken_at", "added_at", *QUALITY)
} | {"uri": location.c.uri}

ITEM_FIELDS = {*_COLUMNS, "missing"}
"""The fields of an item itself. A metadata key of the same name is reached as `metadata.NAME`."""
MAX_SELECTS = 100
"""Selects in one set operation; SQLite joins 500 at most."""


@dataclass(frozen=True, slots=True)
class FieldTest:
    """A comparison of one field with one value.

    operator: $eq $in $lt $lte $gt $gte $contains $icontains $exists $filled
    of_item: the field is one of ITEM_FIELDS, not a key of the metadata.
    path: exactly these keys lead to the value, each inside the value of the one before. Without it, a dot in the field
        may be part of a key, or lead into an object.
    """

    field: str
    operator: str
    value: Any
    of_item: bool = False
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class All:
    """Every condition holds. Without conditions it always holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one condition holds. Without conditions it never holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold. A test of a missing field does not hold, so that its negation does."""

    condition: Condition


Condition = FieldTest | All | Either | Not
IdSelect = Select[Any] | CompoundSelect[Any]


def count_tests(condition: Condition) -> int:
    """Return the number of tests of a field in a condition."""
    match condition:
        case All(conditions) | Either(conditions):
            return sum(map(count_tests, conditions))
        case Not(inner):
            return count_tests(inner)
        case _:
            return 1


def count_values(condition: Condition) -> int:
    """Return the number of values that the tests of a condition compare with."""
    match condition:
        case All(conditions) | Either(conditions):
            return sum(map(count_values, conditions))
        case Not(inner):
            return count_values(inner)
        case FieldTest(value=tuple() as values):
            return len(values)
        case _:
            return 1


def merge_tests(condition: Condition) -> Condition:
    """Return an equal condition with all tests joined that ask whether one field has one of several values.

    `a = 1 or a = 2 or ...` becomes one look into the index of `a`, however many values there are.
    """
    match condition:
        case Either(conditions):
            return Either(tuple(_merge_equals([merge_tests(part) for part in conditions])))
        case All(conditions):
            parts = [merge_tests(part) for part in conditions]
            refused = [part.condition for part in parts if isinstance(part, Not)]
            if len(refused) < 2:
                return All(tuple(parts))
            others = [part for part in parts if not isinstance(part, Not)]
            return All((*others, Not(Either(tuple(_merge_equals(refused))))))
        case Not(inner):
            return Not(merge_tests(inner))
        case _:
            return condition


def _merge_equals(conditions: list[Condition]) -> list[Condition]:
    """Return conditions of which at least one has to hold, with the tests for equality of one field joined."""
    merged: list[Condition] = []
    values_by_field: dict[tuple[str, bool, tuple[str, ...]], dict[tuple[type, Any], Any]] = {}
    for condition in conditions:
        if isinstance(condition, FieldTest) and condition.operator in ("$eq", "$in") and condition.field != "missing":
            values = condition.value if condition.operator == "$in" else (condition.value,)
            known = values_by_field.setdefault((condition.field, condition.of_item, condition.path), {})
            known |= {(type(value), value): value for value in values}  # to Python, 1 equals true
        else:
            merged.append(condition)
    joined = [
        FieldTest(name, "$in", tuple(known.values()), of_item, path)
        for (name, of_item, path), known in values_by_field.items()
    ]
    return merged + joined


def select_ids(condition: Condition) -> Select[Any]:
    """Return a select of the ids of the items that the condition holds for, in no order; an id may come twice."""
    return _to_plain(_compile(condition))


def _compile(condition: Condition) -> IdSelect:
    match condition:
        case All(conditions):
            parts = [_to_plain(part) for part in _compile_all(conditions)]
            return _combine(sa.intersect, parts) if parts else sa.select(item.c.id)
        case Either(conditions):
            parts = [select_ids(part) for part in conditions]
            return _combine(sa.union, parts) if parts else sa.select(item.c.id).where(sa.false())
        case Not(inner):
            return sa.select(item.c.id).where(item.c.id.not_in(sa.select(_compile(inner).cte().c[0])))
        case FieldTest(of_item=True):
            return _select_by_item_field(condition)
        case FieldTest(path=(_, *_)):
            return _select_by_path(condition)
        case FieldTest():
            return _select_by_metadata([condition])


def _compile_all(conditions: tuple[Condition, ...]) -> list[IdSelect]:
    """Compile conditions that all have to hold. Orderings of one metadata key become one range of its index:
    `year >= 2020 and year < 2024`."""
    ranges: dict[str, list[FieldTest]] = {}
    selects: list[IdSelect] = []
    for part in conditions:
        if isinstance(part, FieldTest) and not (part.of_item or part.path) and part.operator in ORDERINGS:
            ranges.setdefault(part.field, []).append(part)
        else:
            selects.append(_compile(part))
    return [_select_by_metadata(tests) for tests in ranges.values()] + selects


def _to_plain(query: IdSelect) -> Select[Any]:
    """Wrap a compound select, which in SQLite can't stand inside another one, in a select from it.

    It goes under a name (WITH), since SQLite's parser follows brackets only some ten levels deep.
    """
    return sa.select(query.cte().c[0]) if isinstance(query, CompoundSelect) else query


def _combine(operation: Callable[..., CompoundSelect[Any]], parts: list[Select[Any]]) -> IdSelect:
    """Combine any number of selects by one set operation, MAX_SELECTS at a time."""
    while len(parts) > MAX_SELECTS:
        parts = [_to_plain(operation(*group)) for group in split_chunks(parts, MAX_SELECTS)]
    return operation(*parts) if len(parts) > 1 else parts[0]


def _select_by_metadata(tests: list[FieldTest]) -> Select[Any]:
    """Select the items for which all of these tests of one metadata key hold."""
    columns, field, operator = attribute.c, tests[0].field, tests[0].operator
    if operator in ("$exists", "$filled"):
        existing = _select_existing(field)
        return existing if operator == "$exists" else existing.where(_is_filled(columns))
    return sa.select(columns.item).where(columns.key == field, *[_test_metadata(test, columns) for test in tests])


def _select_existing(field: str) -> Select[Any]:
    """Select the items with that metadata key. An object exists if a key in it does."""
    columns = attribute.c
    is_inside = sa.and_(columns.key > f"{field}.", columns.key < f"{field}/")  # / follows .
    return sa.select(columns.item).where(sa.or_(columns.key == field, is_inside))


def _is_filled(columns: Any) -> ColumnElement[bool]:
    return sa.or_(columns.number.is_not(None), columns.flag.is_not(None), columns.text != "")


def _select_by_path(test: FieldTest) -> Select[Any]:
    """Select the items for which a test of the value at exactly one path holds: among those that the index finds."""
    rows = spread_rows(item.c.metadata, test.path)
    inside, element, number, text, flag = (
        Cell(rows.c.value, place, kind)
        for place, kind in enumerate((sa.Boolean(), sa.Boolean(), Number(), sa.String(), sa.Boolean()))
    )
    columns = SimpleNamespace(element=element, number=number, text=text, flag=flag)
    query = sa.select(item.c.id).join(rows, sa.true()).where(item.c.id.in_(_select_existing(test.field)))
    if test.operator in ("$exists", "$filled"):
        return query.where(inside.is_not(None) if test.operator == "$exists" else _is_filled(columns))
    return query.where(inside.is_(False), _test_metadata(test, columns))


def _test_metadata(test: FieldTest, columns: Any) -> ColumnElement[bool]:
    is_single = columns.element.is_(False)
    match test.operator, test.value:
        case "$in", values:
            return sa.and_(is_single, _is_among(values, columns))
        case "$eq", value:
            return sa.and_(is_single, _equals(value, columns))
        case "$contains", str() as part:
            is_element = sa.and_(columns.element.is_(True), columns.text == part)
            return sa.or_(is_element, sa.and_(is_single, _contains_text(columns.text, part)))
        case "$contains", value:
            return sa.and_(columns.element.is_(True), _equals(value, columns))
        case "$icontains", part:
            return sa.and_(is_single, _contains_text(sa.func.fold(columns.text), fold_text(part)))
        case operator, value:
            column = columns.text if isinstance(value, str) else columns.number
            return sa.and_(is_single, getattr(column, ORDERINGS[operator])(value))


def _equals(value: Any, columns: Any) -> ColumnElement[bool]:
    """Compare with the column of the value's own type: types never coerce."""
    if value is None:
        return sa.and_(columns.number.is_(None), columns.text.is_(None), columns.flag.is_(None))
    column: ColumnElement[Any] = columns.text if isinstance(value, str) else columns.number
    return columns.flag.is_(value) if isinstance(value, bool) else column == value  # type: ignore[no-any-return]


def _is_among(values: Sequence[Any], columns: Any) -> ColumnElement[bool]:
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    constants = [constant for constant in (None, True, False) if any(value is constant for value in values)]
    equals = [_equals(constant, columns) for constant in constants]
    return sa.or_(columns.text.in_(texts), columns.number.in_(numbers), *equals)


def _select_by_item_field(test: FieldTest) -> Select[Any]:
    if test.field == "missing":
        return _select_missing(test.value)
    if test.field == "uri" and test.operator in ("$eq", "$in"):
        return _select_by_uri(test.value if test.operator == "$in" else (test.value,))
    column = _COLUMNS[test.field]
    query = sa.select(location.c.item) if test.field == "uri" else sa.select(item.c.id)
    match test.operator, test.value:
        case "$exists", _:
            return query.where(column.is_not(None))
        case "$filled", _:
            return query.where(column.is_not(None), column != sa.literal(""))
        case "$in", values:
            is_among = column.in_([value for value in values if value is not None])
            return query.where(sa.or_(is_among, column.is_(None)) if None in values else is_among)
        case "$eq", None:
            return query.where(column.is_(None))
        case "$contains", value:
            return query.where(_contains_text(column, value))
        case "$icontains", value:
            return query.where(_contains_text(sa.func.fold(column), fold_text(value)))
        case operator, value:
            return query.where(getattr(column, ORDERINGS[operator])(value))


def _select_by_uri(uris: Sequence[str | None]) -> Select[Any]:
    """Select the items with one of these URIs; None stands for items without any."""
    ids = sa.select(location.c.item).where(location.c.uri.in_([uri for uri in uris if uri is not None]))
    if None not in uris:
        return ids
    return sa.select(item.c.id).where(sa.or_(item.c.id.in_(ids), item.c.id.not_in(sa.select(location.c.item))))


def _contains_text(column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    # not LIKE, for which A and a are the same in SQLite and differ in other databases
    return sa.func.instr(column, part) > 0


def _select_missing(missing: bool) -> Select[Any]:
    """Select the items all of whose files have vanished (`missing`), or all other items."""
    present = sa.select(location.c.item).where(location.c.missing_since.is_(None))
    gone = sa.select(location.c.item).where(location.c.missing_since.is_not(None), location.c.item.not_in(present))
    return gone.distinct() if missing else sa.select(item.c.id).where(item.c.id.not_in(gone))
