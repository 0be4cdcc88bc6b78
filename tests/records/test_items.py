"""The records of items."""

from __future__ import annotations

import dataclasses

from indexers.types import ItemRow
from retrieval.records.items import FIELDS, Item, Page

ROW = ItemRow(
    id=7,
    key="k7",
    hash=bytes(range(20)),
    width=40,
    height=30,
    format="PNG",
    bytes=99,
    text="a boat",
    taken_at="2020-01-02T03:04:05",
    added_at=1_600_000_000_000_000,
    metadata={"a": 1},
    uris=("/x.png", "/y.png"),
    missing=False,
)


def build_item(number: int) -> Item:
    return Item.of(dataclasses.replace(ROW, id=number, key=f"k{number}"))


def test_the_record_of_a_row_has_its_first_place_and_readable_times() -> None:
    item = Item.of(ROW)
    assert (item.id, item.key, item.uri, item.uris) == (7, "k7", "/x.png", ("/x.png", "/y.png"))
    assert item.hash == "000102030405060708090a0b0c0d0e0f10111213"
    assert item.added_at == "2020-09-13T12:26:40Z"
    assert set(item.to_dict()) == {*FIELDS, "clusters"}
    assert item.clusters == ()
    assert Item.of(ROW, (3, 9)).to_dict()["clusters"] == [3, 9]


def test_a_row_without_a_picture_has_neither_hash_nor_place() -> None:
    item = Item.of(dataclasses.replace(ROW, hash=None, uris=(), width=None))
    assert (item.hash, item.uri, item.uris, item.width) == (None, None, (), None)


def test_a_page_knows_what_to_ask_for_next() -> None:
    page = Page((build_item(1), build_item(2)), 2, 9)
    assert [item.key for item in page] == ["k1", "k2"]
    assert (page.cursor, page.as_of) == (2, 9)
    assert page.to_dict()["items"][1]["id"] == 2
    assert not Page((), None, 9)


def test_a_page_shows_what_people_look_for_first() -> None:
    page = Page((build_item(1), build_item(2)), None, 1)._repr_html_()
    assert "<th>uri</th>" in page
    assert "<th>uris</th>" not in page
    assert "<th>hash</th>" not in page
    by_hash = dataclasses.replace(build_item(1), key=build_item(1).hash, text=None)
    page = Page((by_hash,), None, 1)._repr_html_()
    assert "<th>key</th>" not in page
    assert "<th>text</th>" not in page
