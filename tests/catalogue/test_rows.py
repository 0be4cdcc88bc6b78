"""Rows of the catalogue as records: which places of an item are told, and how times are written."""

from __future__ import annotations

import pytest

from indexers.catalogue.rows import format_time, to_hit_row, to_item_row
from indexers.errors import CatalogueDamaged
from indexers.types import HitRow


def test_a_moment_is_iso_8601_in_utc() -> None:
    assert format_time(1_700_000_000_123_456) == "2023-11-14T22:13:20Z"


ITEM = (7, "k", b"h", 4, 3, "PNG", 9, None, None, 1, '{"a": 1}')


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
    row = to_item_row(ITEM, uris)
    assert (row.uris, row.missing) == (told, missing)
    assert (row.id, row.key, row.hash, row.metadata) == (7, "k", b"h", {"a": 1})


@pytest.mark.parametrize(("place", "value"), [(1, 5), (2, "text"), (7, b"x"), (10, "{"), (10, "[1]"), (10, None)])
def test_an_item_that_no_nearkin_wrote_is_named(place: int, value: object) -> None:
    with pytest.raises(CatalogueDamaged, match="item 7"):
        to_item_row((*ITEM[:place], value, *ITEM[place + 1 :]), [])


def test_a_hit_row_that_no_nearkin_wrote_names_its_item() -> None:
    """The values come from the driver: nothing between has looked at them."""
    good = (7, "k", "1/a.jpg", '{"a": 1}', None, 3, None, 5)
    assert to_hit_row(good) == HitRow("k", "/a.jpg", {"a": 1}, (3, 5), None, True)
    assert to_hit_row((7, "k", None, "{}", "words")) == HitRow("k", None, {}, (), "words", False)
    for place, value in ((1, 5), (3, "{"), (3, "[1]"), (3, None), (3, 4), (4, b"x")):
        row = (*good[:place], value, *good[place + 1 :])
        with pytest.raises(CatalogueDamaged, match="item 7"):
            to_hit_row(row)
