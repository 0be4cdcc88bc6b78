"""Types of columns that hold the same in every database."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

# Ids never run out, and texts are ordered by their letters' numbers, as SQLite has it by itself
Integer = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
Text = sa.String().with_variant(sa.String(collation="C"), "postgresql")


class Number(UserDefinedType[Any]):
    """An integer or a float, each stored exactly (a float column would round integers above 2**53)."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the type's name in SQL."""
        return "NUMERIC"

    def bind_processor(self, dialect: Any) -> Callable[[Any], Any] | None:
        """Return what PostgreSQL's driver needs: its floats would be rounded to 15 digits."""
        return None if dialect.name == "sqlite" else _to_decimal

    def result_processor(self, dialect: Any, _: Any) -> Callable[[Any], Any] | None:
        """Return what makes a number of PostgreSQL's decimals."""
        return None if dialect.name == "sqlite" else _from_decimal


def _to_decimal(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return int(value) if value.is_integer() and abs(value) < 2**63 else Decimal(repr(value))


def _from_decimal(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if abs(value) < 2**63 and value == value.to_integral_value() else float(value)
