"""Rows of the catalogue as records: which places of an item are told, and how times are written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from indexers.catalogue.rows import format_time, to_item_row


def test_a_moment_is_iso_8601_in_utc() -> None:
    assert format_time(1_700_000_000_123_456) == "2023-11-14T22:13:20Z"


def make_row() -> Any:
    values = {"id": 7, "key": "k", "hash": b"h", "width": 4, "height": 3, "format": "PNG", "bytes": 9, "text": None}
    return SimpleNamespace(**values, taken_at=None, added_at=1, metadata={"a": 1})


@pytest.mark.parametrize(
    ("uris", "told", "missing"),
    [
        ([], (), False),  # a ready-made vector
        ([("a", False), ("b", True)], ("a",), False),
        ([("a", True), ("b", True)], ("a", "b"), True),
    ],
)
def test_present_places_are_told_and_of_a_missing_item_all(
    uris: list[tuple[str, bool]], told: tuple[str, ...], missing: bool
) -> None:
    row = to_item_row(make_row(), uris)
    assert (row.uris, row.missing) == (told, missing)
    assert (row.id, row.key, row.hash, row.metadata) == (7, "k", b"h", {"a": 1})
