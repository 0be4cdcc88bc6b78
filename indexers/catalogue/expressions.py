"""Functions in SQL that databases write in their own ways. How SQLite does is said here; others say so in their module.

Functions that go by one name everywhere need no word here: SQLite gets `fold` and `spread` from Python, PostgreSQL gets
them, `instr` and `hex` as functions in SQL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias


class Listed(FunctionElement[Any]):
    """The whole numbers of a list in JSON, as a table: a list of any length that is no part of the statement."""

    name, inherit_cache = "listed", True


class Spread(FunctionElement[Any]):
    """What filters read of the value at exactly one path of metadata, as a table of lists in JSON (`spread_path`)."""

    name, inherit_cache = "spread", True


class Cell(FunctionElement[Any]):
    """The value at a place in a list in JSON."""

    name, inherit_cache = "cell", True

    def __init__(self, row: sa.ColumnElement[Any], place: int, kind: sa.types.TypeEngine[Any]) -> None:
        super().__init__(row, sa.literal_column(str(place)))
        self.type = kind


def list_ids(listed: Any) -> TableValuedAlias:
    """Return the ids of a list in JSON as a table with the column `value`."""
    return Listed(listed).table_valued("value")


def spread_rows(metadata: sa.ColumnElement[Any], steps: Sequence[str]) -> TableValuedAlias:
    """Return what filters read of the value at a path as a table with the column `value`."""
    return Spread(metadata, sa.literal(json.dumps(steps), sa.String)).table_valued(sa.column("value", sa.String))


@compiles(Listed)
def _compile_listed(element: Listed, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(Spread)
def _compile_spread(element: Spread, compiler: Any, **options: Any) -> str:
    return f"json_each(spread({compiler.process(element.clauses, **options)}))"


@compiles(Cell)
def _compile_cell(element: Cell, compiler: Any, **options: Any) -> str:
    row, place = element.clauses
    return f"json_extract({compiler.process(row, **options)}, '$[{place}]')"
