"""Conditions on items, and the SQL that finds the items they hold for.

A condition is a small tree: tests of one field, and All, Either, Not over others. Each is compiled to a select of item
ids; set operations join them, so that every test is answered by one range of an index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CompoundSelect, Select

from indexers.catalogue.schema import attribute, item, location, member, placed
from indexers.types import Level

ORDERINGS = {"$lt": "__lt__", "$lte": "__le__", "$gt": "__gt__", "$gte": "__ge__", "$eq": "__eq__"}

OWN: dict[str, ColumnElement[Any]] = {
    name: item.c[name]
    for name in ("id", "key", "hash", "width", "height", "format", "bytes", "text", "taken_at", "added_at")
} | {"uri": location.c.uri}
"""The item's own fields. A metadata key of the same name is reached as `metadata.NAME`."""

FIELDS = {*OWN, "missing"}
TERMS = 100
"""Selects in one set operation."""


@dataclass(frozen=True, slots=True)
class Test:
    """One field against one value. `op`: $eq $in $lt $lte $gt $gte $contains $icontains $exists $filled; `own`: not
    metadata."""

    field: str
    op: str
    value: Any
    own: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every one holds; none given: always true."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one holds; none given: never true."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold. Where a field is missing, tests of it don't hold, so that their negation does."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Member:
    """It lies in one of these clusters of one of the tree's levels. `as_of`: the change that the clusters follow, so
    that conditions of different moments differ."""

    space: int
    level: Level
    clusters: tuple[int, ...]
    as_of: int


@dataclass(frozen=True, slots=True)
class Placed:
    """It lies in one of these clusters of a clustering by name, written for that time."""

    grouping: int
    clusters: tuple[int, ...]
    written: int


Condition = Test | All | Either | Not | Member | Placed
Ids = Select[Any] | CompoundSelect[Any]


def select_ids(condition: Condition) -> Select[Any]:
    """Select the ids of the items that it holds for (not in order; an id may come twice)."""
    return _plain(_compile(condition))


def _compile(condition: Condition) -> Ids:
    match condition:
        case All(conditions):
            parts = [_plain(part) for part in _conjunction(conditions)]
            return _joined(sa.intersect, parts) if parts else sa.select(item.c.id)
        case Either(conditions):
            parts = [select_ids(part) for part in conditions]
            return _joined(sa.union, parts) if parts else sa.select(item.c.id).where(sa.false())
        case Not(inner):
            return sa.select(item.c.id).where(item.c.id.not_in(sa.select(_compile(inner).cte().c[0])))
        case Member(space, level, clusters):
            return sa.select(member.c.item).where(member.c.space == space, member.c[level].in_(clusters))
        case Placed(grouping, clusters):
            wanted = placed.c.grouping == grouping, placed.c.cluster.in_(clusters)
            return sa.select(placed.c.item).where(*wanted)
        case Test(own=True):
            return _own(condition)
        case Test():
            return _attributes([condition])


def _conjunction(conditions: tuple[Condition, ...]) -> list[Ids]:
    """Orderings of one metadata key become one range of its index: `year >= 2020 and year < 2024`."""
    ranges: dict[str, list[Test]] = {}
    others: list[Ids] = []
    for part in conditions:
        if isinstance(part, Test) and not part.own and part.op in ORDERINGS:
            ranges.setdefault(part.field, []).append(part)
        else:
            others.append(_compile(part))
    return [_attributes(tests) for tests in ranges.values()] + others


def _plain(query: Ids) -> Select[Any]:
    """A compound select can't stand inside another one in SQLite, a select from it can; under a name (WITH), since
    SQLite's parser follows brackets some ten levels deep only."""
    return sa.select(query.cte().c[0]) if isinstance(query, CompoundSelect) else query


def _joined(join: Callable[..., CompoundSelect[Any]], parts: list[Select[Any]]) -> Ids:
    """Any number of selects by one set operation, which SQLite joins at most 500 at a time."""
    while len(parts) > TERMS:
        groups = [parts[start : start + TERMS] for start in range(0, len(parts), TERMS)]
        parts = [_plain(join(*group)) for group in groups]
    return join(*parts) if len(parts) > 1 else parts[0]


def _attributes(tests: list[Test]) -> Select[Any]:
    if tests[0].op in ("$exists", "$filled"):  # an object is there if a key in it is
        rows, field = attribute.c, tests[0].field
        inside = sa.and_(rows.key > f"{field}.", rows.key < f"{field}/")  # / follows .
        here = sa.select(rows.item).where(sa.or_(rows.key == field, inside))
        says = sa.or_(rows.number.is_not(None), rows.flag.is_not(None), rows.text != "")
        return here if tests[0].op == "$exists" else here.where(says)
    wanted = [_attribute(test) for test in tests]
    return sa.select(attribute.c.item).where(attribute.c.key == tests[0].field, *wanted)


def _attribute(test: Test) -> ColumnElement[bool]:
    rows, single = attribute.c, attribute.c.element.is_(False)
    match test.op, test.value:
        case "$in", values:
            return sa.and_(single, _among(values))
        case "$eq", value:
            return sa.and_(single, _equals(value))
        case "$contains", str() as part:
            return sa.or_(sa.and_(rows.element.is_(True), rows.text == part), sa.and_(single, _within(rows.text, part)))
        case "$contains", value:
            return sa.and_(rows.element.is_(True), _equals(value))
        case "$icontains", part:
            return sa.and_(single, _within(sa.func.lower(rows.text), part.lower()))
        case op, value:
            column = rows.text if isinstance(value, str) else rows.number
            return sa.and_(single, getattr(column, ORDERINGS[op])(value))


def _equals(value: Any) -> ColumnElement[bool]:
    """Types never coerce: a value is looked for in the column of its own type."""
    rows = attribute.c
    if value is None:
        return sa.and_(rows.number.is_(None), rows.text.is_(None), rows.flag.is_(None))
    if isinstance(value, bool):
        return rows.flag.is_(value)
    return rows.text == value if isinstance(value, str) else rows.number == value


def _among(values: Sequence[Any]) -> ColumnElement[bool]:
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    others = [_equals(one) for one in (None, True, False) if any(value is one for value in values)]
    return sa.or_(attribute.c.text.in_(texts), attribute.c.number.in_(numbers), *others)


def _own(test: Test) -> Select[Any]:
    if test.field == "missing":
        return _missing(test.value)
    if test.field == "uri" and test.op in ("$eq", "$in"):
        return _places(test.value if test.op == "$in" else (test.value,))
    column = OWN[test.field]
    query = sa.select(location.c.item) if test.field == "uri" else sa.select(item.c.id)
    match test.op, test.value:
        case "$exists", _:
            return query.where(column.is_not(None))
        case "$filled", _:
            return query.where(column.is_not(None), column != sa.literal(""))
        case "$in", values:
            known = column.in_([value for value in values if value is not None])
            return query.where(sa.or_(known, column.is_(None)) if None in values else known)
        case "$eq", None:
            return query.where(column.is_(None))
        case "$contains", value:
            return query.where(_within(column, value))
        case "$icontains", value:
            return query.where(_within(sa.func.lower(column), value.lower()))
        case op, value:
            return query.where(getattr(column, ORDERINGS[op])(value))


def _places(uris: Sequence[str | None]) -> Select[Any]:
    """Items with one of these places; None stands for having none."""
    found = sa.select(location.c.item).where(location.c.uri.in_([uri for uri in uris if uri is not None]))
    if None not in uris:
        return found
    return sa.select(item.c.id).where(sa.or_(item.c.id.in_(found), item.c.id.not_in(sa.select(location.c.item))))


def _within(column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    # not LIKE, which in SQLite takes A and a for the same and in other databases does not
    return sa.func.instr(column, part) > 0


def _missing(wanted: bool) -> Select[Any]:
    """Items all of whose locations have vanished (`wanted`), or the others."""
    here = sa.select(location.c.item).where(location.c.missing_since.is_(None))
    gone = sa.select(location.c.item).where(location.c.missing_since.is_not(None), location.c.item.not_in(here))
    return gone.distinct() if wanted else sa.select(item.c.id).where(item.c.id.not_in(gone))
