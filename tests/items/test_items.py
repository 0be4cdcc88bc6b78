"""Reading, updating and removing the items of a collection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.errors import BadFilter, BadMetadata, ItemNotFound, UsageError
from retrieval import Collection
from tests.conftest import vectors


def test_items_are_got_by_any_name(filled: Collection, folder: Path) -> None:
    red = filled.get(str(folder / "red.png"))
    assert filled.get(red.id) == filled.get(red.key) == filled.get(np.int64(red.id)) == red
    assert filled.get([red.id, red.key]) == [red, red]
    assert filled.get(np.array([red.id])) == [red]
    assert (red.hash, red.format, red.missing, red.bytes) == (
        red.key,
        "PNG",
        False,
        os.stat(folder / "red.png").st_size,
    )


@pytest.mark.parametrize("name", ["nobody", 99, -1, 2**70, "\ud800", ""])
def test_what_is_not_there_is_said(filled: Collection, name: Any) -> None:
    for use in (filled.get, filled.remove, lambda one: filled.search(item=one), lambda one: filled.update(one, {})):
        with pytest.raises(ItemNotFound, match="there is no item"):
            use(name)


def test_pages_cover_everything_once(ready_made: Collection) -> None:
    keys, cursor = [], None
    while True:
        page = ready_made.items(where={"even": True}, cursor=cursor, limit=3)
        keys += [item.key for item in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert keys == [f"n{number}" for number in range(0, 20, 2)]
    with pytest.raises(UsageError, match="limit"):
        ready_made.items(limit=0)


def test_pages_go_by_number_as_well(ready_made: Collection) -> None:
    everything = [item.id for item in ready_made.walk()]
    pages = [[item.id for item in ready_made.items(page=number, limit=7)] for number in range(1, len(everything))]
    assert [item_id for page in pages for item_id in page] == everything
    for number in (10**4, 2**70):
        assert ready_made.items(page=number).items == ()
    where = {"key": {"$in": [item.key for item in ready_made.items(limit=5)][1::2]}}
    assert [item.id for item in ready_made.items(where=where, page=2, limit=1)] == [everything[3]]
    assert ready_made.items(page=1, limit=3).cursor == everything[2]
    with pytest.raises(UsageError, match="takes page= or cursor="):
        ready_made.items(page=1, cursor=3)
    for page in (0, -1, 1.5, True):
        with pytest.raises(UsageError, match="page is a whole number of at least 1"):
            ready_made.items(page=page)  # type: ignore[arg-type]


def test_update_merges_replaces_and_is_searched_at_once(ready_made: Collection) -> None:
    assert ready_made.update("n3", {"stars": 5}).metadata == {"number": 3, "even": False, "stars": 5}
    assert [hit.key for hit in ready_made.search(vector=vectors(1)[0], where={"stars": 5})] == ["n3"]
    assert ready_made.update("n3", {"a": 1}, replace=True, text="t").metadata == {"a": 1}
    assert ready_made.get("n3").text == "t"
    assert ready_made.count(where={"number": 3}) == 0
    with pytest.raises(BadMetadata):
        ready_made.update("n3", {"a": {1}})
    with pytest.raises(UsageError):
        ready_made.update("n3", text="\ud800")


def test_remove_by_name_filter_or_both(ready_made: Collection, folder: Path) -> None:
    assert ready_made.remove("n0") == 1
    assert ready_made.remove(["n1", ready_made.get("n2").id, "n1"]) == 2
    assert ready_made.remove(["n3", "n4"], where={"even": True}) == 1
    assert ready_made.remove(where={"number": {"$lt": 10}}) == 6
    assert ready_made.remove([]) == 0
    assert [item.key for item in ready_made.items().items] == [f"n{number}" for number in range(10, 20)]
    with pytest.raises(UsageError, match="to remove everything"):
        ready_made.remove()
    assert ready_made.remove(where={}) == 10
    assert list(ready_made.search(vector=vectors(1)[0])) == []


def test_removing_one_that_is_not_there_removes_nothing(ready_made: Collection) -> None:
    with pytest.raises(ItemNotFound, match="nobody"):
        ready_made.remove(["n1", "nobody"])
    assert ready_made.count() == 20


def test_files_are_never_touched(filled: Collection, folder: Path) -> None:
    filled.remove(where={})
    assert len(list(folder.glob("*.png"))) == 5


def test_many_are_updated_at_once(ready_made: Collection) -> None:
    assert ready_made.update_all({"seen": True}, where={"even": True}) == 10
    assert ready_made.count(where={"seen": True, "even": True}) == 10
    assert ready_made.get("n4").metadata == {"number": 4, "even": True, "seen": True}
    with pytest.raises(BadMetadata):
        ready_made.update_all({"seen": {1}}, where={})


def test_lists_gain_and_lose_values(ready_made: Collection) -> None:
    ready_made.update("n0", {"tags": ["old", "both"]})
    ready_made.update("n1", {"tags": "single"})
    chosen = {"number": {"$lt": 3}}
    assert ready_made.update_all(where=chosen, extend={"tags": ["new", "both"]}, reduce={"tags": ["old"]}) == 3
    assert [item.metadata["tags"] for item in ready_made.items(where=chosen)] == [
        ["both", "new"],
        ["single", "new", "both"],
        ["new", "both"],
    ]
    before = ready_made.change()
    ready_made.update_all(where=chosen, extend={"tags": ["both"]}, reduce={"none": [1]})
    assert ready_made.change() == before
    with pytest.raises(UsageError, match="extend and reduce take lists"):
        ready_made.update_all(where={}, extend={"tags": "sea"})
    with pytest.raises(UsageError, match="'tags' is set by metadata already"):
        ready_made.update_all({"tags": []}, where={}, extend={"tags": ["sea"]})


def test_walking_reads_every_item_once_in_order_of_id(ready_made: Collection) -> None:
    assert [item.key for item in ready_made.walk()] == [f"n{number}" for number in range(20)]
    assert [item.key for item in ready_made.walk(where={"number": {"$gte": 18}})] == ["n18", "n19"]
    assert list(ready_made.walk(where={"number": 99})) == []
    assert [item.key for item in ready_made._parts.items.walk(None, size=3)] == [f"n{number}" for number in range(20)]
    with pytest.raises(BadFilter):
        ready_made.walk(where={"$x": 1})  # at once, not at the first item


def test_a_walk_goes_on_while_items_come_and_go(ready_made: Collection) -> None:
    walk = ready_made._parts.items.walk(None, size=5)
    keys = [next(walk).key for _ in range(5)]
    ready_made.remove(["n2", "n7"])
    ready_made.add_vectors(vectors(1, 4), keys=["late"])
    keys += [item.key for item in walk]
    assert keys == [f"n{number}" for number in range(20) if number != 7] + ["late"]


def test_vectors_are_read_by_name(ready_made: Collection) -> None:
    rows = ready_made.vectors(["n3", "n0"])
    assert list(rows) == [ready_made.get("n0").id, ready_made.get("n3").id]
    assert rows[ready_made.get("n3").id].tolist() == vectors(20)[3].tolist()
    with pytest.raises(ItemNotFound):
        ready_made.vectors(["n3", "nobody"])


def test_updating_all_of_none_is_no_change(ready_made: Collection) -> None:
    before = ready_made.change()
    assert ready_made.update_all({"seen": True}, where={"number": 99}) == 0
    assert ready_made.change() == before
