"""Removed items on the command line."""

from __future__ import annotations

from pathlib import Path

from retrieval import Collection
from tests.support.shell import Shell


def test_removed_items_are_listed_restored_and_deleted_for_good(full: Shell, folder: Path) -> None:
    assert "no removed items" in full("trash").stdout
    full("remove", folder / "red.png")
    full("remove", "1")
    listed = full.json("trash")["items"]
    assert listed[0]["id"] == 1
    assert str(folder / "red.png") in full("trash").stdout
    assert "2 removed items" in full("trash").stdout
    assert "restored 1 item" in full("restore", folder / "red.png").stdout
    assert full.json("restore", 1) == {"restored": 1}
    assert full.json("info")["items"] == 5
    full("remove", "1", "2", "3")
    assert full.json("trash", "--empty", "--id", 2) == {"deleted": 1}
    assert full.json("restore", "--all") == {"restored": 2}
    full("remove", "1")
    assert "deleted 1 item for good" in full("trash", "--empty").stdout
    full("remove", "3", "--purge")
    assert full.json("trash") == {"items": []}


def test_what_is_wrong_is_one_sentence(full: Shell, folder: Path) -> None:
    full("remove", "1")
    assert "add --empty" in full("trash", "1", code=2).stderr
    assert "give removed items, or --all" in full("restore", code=2).stderr
    assert "there is no removed item with the key or path 'red'" in full("restore", "red", code=1).stderr
    assert "there is no removed item with the id, key or path '2'" in full("restore", 2, code=1).stderr
    assert "there is no removed item with the id 2" in full("restore", "--id", 2, code=1).stderr
    for odd in ("²", "x", "-1", "1.5"):
        assert "--id takes the number" in full("restore", f"--id={odd}", code=2).stderr
    full("add", folder)
    assert "its key" in full("restore", "1", code=2).stderr


def test_a_number_that_is_an_id_and_a_key_is_asked_about(full: Shell) -> None:
    with Collection.open(full.place / "nearkin-collection") as collection:
        collection.add(str(full.place / "pictures" / "red.png"), keys=["2"])
    full("remove", "--id", 2, "--key", "2")
    assert "say --id or --key 2" in full("restore", "2", code=2).stderr
    assert full.json("restore", "--key", "2") == {"restored": 1}
    assert full.json("restore", "--id", 2) == {"restored": 1}
