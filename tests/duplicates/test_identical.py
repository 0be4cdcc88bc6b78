"""The very same file is called so, whatever a comparison of pictures would say of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from indexers.types import Limits
from retrieval import Collection, Match
from retrieval.duplicates.identical import hash_source, mark_identical
from retrieval.records.items import Item
from tests.support import pictures

ITEM = Item(1, "a", None, None, (), 1, 1, "PNG", 1, None, None, "", {}, False)


def test_the_same_file_is_there_already_for_certain(filled: Collection, folder: Path) -> None:
    for picture in (folder / "red.png", str(folder / "red.png"), (folder / "red.png").read_bytes()):
        first = filled.duplicates_of(picture)[0]
        assert (first.uri, first.kind, first.score) == (str(folder / "red.png"), "same bytes", 1.0)
        assert first.evidence["score"] == 1.0
    assert filled.duplicates_of(folder / "red.png", threshold=1.0)


def test_a_blank_picture_that_no_proof_knows_is_known_by_its_bytes(collection: Collection, tmp_path: Path) -> None:
    for name, colour in (("white", "white"), ("grey", (200, 200, 200))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
    collection.add([tmp_path / "white.png", tmp_path / "grey.png"])
    matches = collection.duplicates_of(tmp_path / "white.png")
    assert [(Path(match.uri or "").name, match.kind) for match in matches] == [("white.png", "same bytes")]
    assert collection.duplicates_of(Image.new("RGB", (64, 64), "white")) == ()


def test_items_with_keys_of_their_own_may_have_the_same_file(collection: Collection, folder: Path) -> None:
    red = folder / "red.png"
    collection.add([red, red, folder / "blue.png"], keys=["mug", "cup", "pot"])
    mug, cup = collection.get(["mug", "cup"])
    assert [(match.item, match.kind) for match in collection.duplicates_of(mug.id)] == [(cup.id, "same bytes")]
    content = red.read_bytes()
    assert {match.item for match in collection.duplicates_of(content)} == {mug.id, cup.id}
    red.unlink()
    assert collection.duplicates_of(content) == ()  # what has vanished is no duplicate


def test_only_files_have_bytes_to_compare(folder: Path) -> None:
    red = folder / "red.png"
    assert (
        hash_source(red, Limits()) == hash_source(red.read_bytes(), Limits()) == hash_source(f"file://{red}", Limits())
    )
    assert hash_source(pictures.disc("red"), Limits()) is None
    assert hash_source(folder / "nobody.png", Limits()) is None


def test_certain_matches_come_first() -> None:
    matches = [Match(2, "b", "/b", "same pixels", 1.0, {}), Match(1, "a", "/a", "same picture", 0.8, {"inliers": 9})]
    items = [replace(ITEM, id=1, uris=("/a",)), replace(ITEM, id=3, key="c")]
    marked = mark_identical(matches, items)
    assert [(match.item, match.kind, match.score) for match in marked] == [
        (1, "same bytes", 1.0),
        (3, "same bytes", 1.0),
        (2, "same pixels", 1.0),
    ]
    assert marked[0].evidence["inliers"] == 9
