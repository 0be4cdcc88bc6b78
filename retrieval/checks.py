"""Checks of numbers that a user gives"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from indexers.errors import BadQuery


def is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and bool(np.isfinite(float(value)))


def is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | np.integer)


def whole(value: Any, what: str, least: int = 1) -> int:
    """Raises BadQuery, which begins with what it is."""
    if not is_whole(value) or value < least:
        raise BadQuery(f"{what} a whole number from {least} on; got {value!r}")
    return int(value)
