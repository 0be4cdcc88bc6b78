"""The items that a condition holds for.

A short condition is one statement. A long one is answered part by part, in statements of few shapes, and put together
here: SQLAlchemy keeps 11 kB for each part of each statement that it has compiled, and SQLite's driver keeps the
statement itself, hundreds of them whatever their size. Nor do SQLite's limits on one statement count then.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import sort_unique, split_chunks
from indexers.catalogue.conditions import (
    All,
    Condition,
    Either,
    FieldTest,
    Not,
    count_tests,
    count_values,
    select_ids,
)
from indexers.catalogue.schema import item
from indexers.errors import BadFilter
from indexers.types import Ids

MAX_TESTS, MAX_VALUES = 8, 64
"""The most tests of one statement, and the most values of one that is not about a single list of values."""
LIST_SIZE = 512
"""Values of a list that are looked up at a time."""
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


def is_short(condition: Condition | None) -> bool:
    """Return True if a condition is answered in one statement."""
    return condition is None or (count_tests(condition) <= MAX_TESTS and count_values(condition) <= MAX_VALUES)


def find_ids(connection: Connection, condition: Condition | None) -> Ids:
    """Return the ids of the items that the condition holds for, sorted."""
    if condition is None:
        return _read_ids(connection, sa.select(item.c.id))
    if is_short(condition):
        return _read_ids(connection, select_ids(condition))
    match condition:
        case Either(conditions):
            return _unite([find_ids(connection, part) for part in _group(conditions, Either)])
        case All(conditions):
            return _intersect(connection, conditions)
        case Not(inner):
            return np.setdiff1d(find_ids(connection, None), find_ids(connection, inner), assume_unique=True)
        case FieldTest(value=values):
            lists = [_pad(part) for part in split_chunks(values, LIST_SIZE)]
            return _unite([_read_ids(connection, select_ids(replace(condition, value=part))) for part in lists])


def _intersect(connection: Connection, conditions: Sequence[Condition]) -> Ids:
    """Return the items for which all conditions hold, those refused last: then no complement is built."""
    refused = [part.condition for part in conditions if isinstance(part, Not)]
    required = _group([part for part in conditions if not isinstance(part, Not)], All)
    found = [find_ids(connection, part) for part in required] or [find_ids(connection, None)]
    ids = reduce(lambda left, right: np.intersect1d(left, right, assume_unique=True), sorted(found, key=len))
    return np.setdiff1d(ids, find_ids(connection, Either(tuple(refused))), assume_unique=True) if refused else ids


def _group(conditions: Sequence[Condition], kind: Callable[[tuple[Condition, ...]], Condition]) -> list[Condition]:
    """Return the conditions, neighbouring ones joined as long as one statement answers them."""
    groups: list[list[Condition]] = []
    for condition in conditions:
        if groups and is_short(kind((*groups[-1], condition))):
            groups[-1].append(condition)
        else:
            groups.append([condition])
    return [group[0] if len(group) == 1 else kind(tuple(group)) for group in groups]


def _pad(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the values, the last of them repeated until their number is a power of two: few shapes of statements."""
    size = 1 << (len(values) - 1).bit_length()
    return (*values, *[values[-1]] * (size - len(values)))


def _unite(parts: list[Ids]) -> Ids:
    return sort_unique(np.concatenate(parts))


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Let the conditions that are answered in this block take so long together, also in threads that it starts tasks
    in. Beyond it they raise BadFilter."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def _read_ids(connection: Connection, query: sa.Select[Any]) -> Ids:
    if time.monotonic() > _deadline.get():
        raise BadFilter("the filter takes too long to answer; ask with fewer parts, or with fewer that look into texts")
    # one long text instead of a row an id: five times faster for 100,000
    text = sa.select(sa.func.aggregate_strings(sa.cast(query.subquery().c[0], sa.String), ","))
    return sort_unique(np.fromstring(connection.execute(text).scalar() or "", dtype=np.int64, sep=","))
