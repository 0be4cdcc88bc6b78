"""The tree of errors is as its drawing says."""

from __future__ import annotations

import inspect
import re

import pytest

from indexers import errors

KINDS = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == "indexers.errors"
}


def read_drawing() -> dict[str, int]:
    """Return the names in the drawing, and the column at which each hangs."""
    lines = [line for line in str(errors.__doc__).splitlines() if re.search(r"[├└]──", line)]
    return {line[line.index("── ") + 3 :].split()[0]: line.index("──") for line in lines}


def test_every_error_stands_in_the_drawing() -> None:
    assert set(read_drawing()) | {"NearkinError"} == set(KINDS)


def test_every_error_hangs_where_it_is_drawn() -> None:
    above = {0: "NearkinError"}
    for name, depth in read_drawing().items():
        parent = above[max(level for level in above if level < depth)]
        assert KINDS[name].__bases__[0].__name__ == parent, name
        above = {level: error for level, error in above.items() if level < depth} | {depth: name}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_error_says_what_it_is(kind: type[Exception]) -> None:
    assert kind.__doc__
    assert issubclass(kind, errors.NearkinError)
    assert str(kind("the words")) == "the words"


def test_they_can_be_caught_as_pythons_own() -> None:
    assert issubclass(errors.UsageError, ValueError)
    assert issubclass(errors.NotFound, KeyError)
    assert issubclass(errors.MissingPackage, ImportError)
    assert str(errors.NotFound()) == ""
