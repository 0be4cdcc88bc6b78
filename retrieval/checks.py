"""Checks of what a user passes: numbers, names of items, lists of clusters."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np

from indexers.errors import BadQuery

MOST = 2**53
"""The largest number of anything: there are never more, and databases and arrays can count to it."""
ItemName = int | str
"""An item's id, key or path."""


def is_number(value: Any) -> bool:
    """Return True for a finite real number that is no bool."""
    return not isinstance(value, bool) and isinstance(value, Real) and bool(np.isfinite(float(value)))


def is_whole(value: Any) -> bool:
    """Return True for an int of Python or NumPy that is no bool."""
    return not isinstance(value, bool) and isinstance(value, int | np.integer)


def check_whole(value: Any, description: str, least: int = 1) -> int:
    """Return a whole number as an int, at most MOST.

    Raises BadQuery if it is something else or below `least`; its message begins with `description`, which goes on in
    "a whole number", such as "page is" or "k is the number of hits,".
    """
    if not is_whole(value) or value < least:
        raise BadQuery(f"{description} a whole number of at least {least}; got {value!r}")
    return min(int(value), MOST)


def is_item_name(value: Any) -> bool:
    """Return True for the name of one item; anything else stands for several."""
    return isinstance(value, int | str | np.integer)


def list_names(names: ItemName | Iterable[ItemName]) -> list[ItemName]:
    """Return one name, or several, as a list."""
    return [names] if isinstance(names, int | str | np.integer) else list(names)
