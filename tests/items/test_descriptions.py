"""What is written in pictures and beside them, from the file to an answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from indexers.embedders.tiny import Tiny
from retrieval import Collection
from retrieval.records.items import Item
from tests.support import pictures
from tests.support.descriptions import insert_iptc, make_iptc, make_xmp, write_sidecar


@pytest.fixture
def boat(folder: Path) -> Path:
    """Return a picture that says of itself that it shows a boat, among the five discs."""
    path = folder / "boat.jpg"
    packet = make_xmp('xmp:Rating="4"', dc_title="A boat", dc_description="on the lake", dc_subject=["Anna"])
    path.write_bytes(pictures.jpeg(xmp=packet))
    return path


def read(collection: Collection, path: Path) -> Item:
    return collection.get(str(path))


def test_words_and_filters_find_what_a_picture_says(collection: Collection, folder: Path, boat: Path) -> None:
    collection.add(folder)
    item = read(collection, boat)
    assert item.text == "A boat\non the lake"
    assert item.metadata == {"title": "A boat", "caption": "on the lake", "tags": ["Anna"], "rating": 4}
    for query in ("boat", "lake", "anna"):
        assert [hit.item for hit in collection.search(query=query)] == [item.id]
    assert collection.count(where={"rating": {"$gte": 4}, "tags": {"$contains": "Anna"}}) == 1


def test_what_a_user_says_wins(collection: Collection, folder: Path, boat: Path) -> None:
    collection.add([boat], metadata=[{"rating": 1, "tags": []}], texts=["mine"])
    item = read(collection, boat)
    assert (item.text, item.metadata["rating"], item.metadata["tags"]) == ("mine", 1, [])
    write_sidecar(folder / "boat.xmp", 'xmp:Rating="2" xmp:Label="Red"', dc_subject=["Bob"], dc_title="A ship")
    collection.sync(folder)
    item = read(collection, boat)
    assert (item.text, item.metadata["rating"], item.metadata["tags"]) == ("mine", 1, [])
    assert (item.metadata["title"], item.metadata["label"]) == ("A ship", "Red")


def test_what_is_said_when_adding_again_wins_too(collection: Collection, folder: Path, boat: Path) -> None:
    collection.add(folder)
    collection.add(boat, metadata={"rating": 4, "album": "2003"})
    write_sidecar(folder / "boat.jpg.xmp", 'xmp:Rating="2"')
    collection.sync(folder)
    assert read(collection, boat).metadata["rating"] == 4


@pytest.mark.parametrize("name", ["red.png.xmp", "red.xmp"])
def test_sync_sees_a_sidecar_that_comes_changes_breaks_and_goes(
    collection: Collection, folder: Path, name: str
) -> None:
    collection.add(folder)
    change = collection.info().change
    assert read(collection, folder / "red.png").metadata == {}
    for attributes, rating in (('xmp:Rating="3"', 3), ('xmp:Rating="5"', 5)):
        write_sidecar(folder / name, attributes, dc_subject=["disc"])
        report = collection.sync(folder)
        assert (report.added, report.known, report.failed) == (0, 5, 0)
        assert read(collection, folder / "red.png").metadata == {"rating": rating, "tags": ["disc"]}
    assert collection.info().change == change + 2
    (folder / name).write_text("<broken")
    collection.sync(folder)
    assert read(collection, folder / "red.png").metadata == {"rating": 5, "tags": ["disc"]}
    (folder / name).unlink()
    collection.sync(folder)
    assert read(collection, folder / "red.png").metadata == {}
    before = collection.info().change
    collection.sync(folder)
    assert collection.info().change == before
    assert collection.verify().ok


def test_sidecars_go_with_their_pictures_when_files_change_names(collection: Collection, folder: Path) -> None:
    write_sidecar(folder / "red.xmp", dc_title="about red")
    write_sidecar(folder / "blue.xmp", dc_title="about blue")
    collection.add(folder)
    for suffix in (".png", ".xmp"):
        (folder / f"red{suffix}").rename(folder / "between")
        (folder / f"blue{suffix}").rename(folder / f"red{suffix}")
        (folder / "between").rename(folder / f"blue{suffix}")
    for number, colour in enumerate(("red", "blue")):
        os.utime(folder / f"{colour}.png", (number + 1, 1))
    collection.sync(folder)
    assert read(collection, folder / "blue.png").metadata == {"title": "about red"}
    assert read(collection, folder / "red.png").metadata == {"title": "about blue"}


def test_a_sidecar_of_the_deleted_says_nothing_of_its_successor(collection: Collection, folder: Path) -> None:
    write_sidecar(folder / "red.xmp", dc_title="about red")
    collection.add(folder)
    (folder / "red.png").unlink()
    (folder / "red.xmp").unlink()
    (folder / "blue.png").rename(folder / "red.png")
    collection.sync(folder)
    assert read(collection, folder / "red.png").metadata == {}
    assert read(collection, folder / "red.png").text is None


def test_an_edited_picture_says_what_is_written_in_it_now(collection: Collection, folder: Path, boat: Path) -> None:
    collection.add(folder)
    collection.update(str(boat), {"note": "mine", "rating": 5})
    boat.write_bytes(pictures.jpeg(pictures.noise(), xmp=make_xmp('xmp:Rating="1"', dc_title="A ship")))
    collection.sync(folder)
    item = read(collection, boat)
    assert (item.metadata, item.text) == ({"title": "A ship", "rating": 5, "note": "mine"}, "A ship")


def test_keyed_items_follow_their_sidecars(collection: Collection, folder: Path, boat: Path) -> None:
    collection.add([boat, boat], keys=["a", "b"], metadata=[{"rating": 1}, {}])
    write_sidecar(folder / "boat.jpg.xmp", 'xmp:Rating="2"')
    collection.sync(folder)
    assert [collection.get(key).metadata["rating"] for key in ("a", "b")] == [1, 2]


def test_bytes_and_opened_pictures_speak_too(collection: Collection, boat: Path) -> None:
    from PIL import Image

    opened = Image.open(boat)
    collection.add([boat.read_bytes(), opened], keys=["bytes", "opened"])
    assert [collection.get(key).metadata["tags"] for key in ("bytes", "opened")] == [["Anna"], ["Anna"]]


def test_pictures_that_an_older_version_has_added_are_read_with_check(
    collection: Collection, folder: Path, boat: Path
) -> None:
    collection.add(boat)
    item = read(collection, boat)
    with collection._catalogue.transaction() as writing:  # as it was before files were listened to
        writing.files.remove([item.id])
        writing.update(item.id, {"note": "mine"}, replace=True)
    collection.sync(folder)
    assert read(collection, boat).metadata == {"note": "mine"}
    collection.sync(folder, check=True)
    assert read(collection, boat).metadata == item.metadata | {"note": "mine"}


@pytest.mark.parametrize("isolated", [0, 1])
def test_iptc_through_every_decoder(tmp_path: Path, isolated: int) -> None:
    data = insert_iptc(pictures.jpeg(), make_iptc([(120, b"a boat"), (25, b"lake")]))
    settings: dict[str, Any] = {"isolated": isolated}
    with Collection.open(tmp_path / "c", create=True, embedder=Tiny(), **settings) as collection:
        collection.add([data], keys=["a"])
        assert collection.get("a").metadata == {"caption": "a boat", "tags": ["lake"]}
