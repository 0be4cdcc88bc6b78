"""Looking for parts: each picture once, again where it has changed, and on where it was broken off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexers.errors import BadQuery, MissingPackage, UnknownPlugin, UsageError
from indexers.finders import tiles
from indexers.finders.base import FoundPart
from retrieval import Collection
from retrieval.parts import finder
from retrieval.parts.finder import list_finders
from tests.conftest import open_collection
from tests.support.discs import EDGE, SIZE, place_disc, write_discs


@pytest.fixture
def discs(collection: Collection, tmp_path: Path) -> Collection:
    collection.add(write_discs(tmp_path / "discs", 6))
    return collection


@pytest.mark.databases
def test_each_picture_is_looked_at_once(discs: Collection, tmp_path: Path) -> None:
    report = discs.find_parts(["tiles:2", "regions"])
    assert (report.items, report.with_parts, report.failed) == (6, 6, 0)
    assert report.parts == sum(len(discs.parts(item.id)) for item in discs.items())
    again = discs.find_parts(["tiles:2", "regions"])
    assert (again.items, again.parts) == (0, 0)
    place_disc(9)[0].save(tmp_path / "discs" / "new.png")
    discs.add(tmp_path / "discs")
    assert discs.find_parts("tiles:2").items == 1
    assert discs.find_parts("tiles:3").items == 7
    assert {part.finder for part in discs.parts(1, "tiles")} == {"tiles:3"}
    report = discs.verify()
    assert report.ok, report.problems
    assert any("tiny/tiles" in text for text in report.checked)


def test_boxes_are_in_pixels_of_the_whole_picture(discs: Collection) -> None:
    discs.find_parts("regions")
    _, _, box = place_disc(0)
    boxes = [part.box for part in discs.parts(1, "regions")]
    assert any(max(abs(a - b) for a, b in zip(found, box, strict=True)) <= 4 for found in boxes if found)
    assert all(found and found[0] + found[2] <= SIZE[0] and found[1] + found[3] <= SIZE[1] for found in boxes)
    assert box[2] == EDGE


def test_what_was_found_before_an_interrupt_stays(discs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "BATCH", 2)

    def stop(done: int, total: int) -> None:
        assert total == 6
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        discs.find_parts("tiles", progress=stop)
    assert discs.find_parts("tiles").items == 2


def test_a_picture_that_has_vanished_is_no_reason_to_stop(discs: Collection, tmp_path: Path) -> None:
    (tmp_path / "discs" / "001 green.png").unlink()
    report = discs.find_parts("tiles")
    assert (report.items, report.failed) == (5, 1)
    assert "001 green.png" in report.failures[0].uri
    assert discs.find_parts("tiles").failed == 0
    place_disc(1)[0].save(tmp_path / "discs" / "001 green.png")
    assert discs.find_parts("tiles", retry_failed=True).items == 1


def test_removed_and_restored_items_take_their_parts_along(discs: Collection) -> None:
    discs.find_parts("tiles")
    before = discs.parts(1)
    count = len(discs.search(item=2, by="tiles", k=50))
    discs.remove(1)
    assert len(discs.search(item=2, by="tiles", k=50)) == count - 1
    discs.restore(1)
    assert discs.parts(1) == before
    assert len(discs.search(item=2, by="tiles", k=50)) == count
    assert discs.verify().ok
    discs.remove(1, purge=True)
    assert discs.verify().ok


def test_another_embedder_gets_vectors_of_the_same_parts(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as made:
        made.add(write_discs(tmp_path / "discs", 3))
        made.find_parts("tiles")
        before = made.parts(2)
        made.fill("classic")
        made.use("classic")
        with pytest.raises(UsageError, match="nearkin parts find tiles"):
            made.search(item=1, by="tiles")
        assert made.find_parts("tiles").items == 0
        assert made.parts(2) == before
        hits = made.search(item=1, by="tiles")
        assert len(hits) == 2
        assert made.verify().ok
        made.drop_space("tiny")
        assert [hit.item for hit in made.search(item=1, by="tiles")] == [hit.item for hit in hits]


def test_a_collection_opened_again_answers_the_same(make_address: Any, tmp_path: Path) -> None:
    address = make_address("kept")
    with open_collection(address, create=True, embedder="tiny") as made:
        made.add(write_discs(tmp_path / "discs", 4))
        made.find_parts("tiles")
        expected = made.search(item=1, by="tiles")
    with open_collection(address) as made:
        assert made.search(item=1, by="tiles") == expected


def test_what_can_not_be_looked_for_is_told(
    discs: Collection, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnknownPlugin, match="no finder 'dogs'"):
        discs.find_parts("dogs")
    with pytest.raises(BadQuery, match="a finder of each kind"):
        discs.find_parts(["tiles:2", "tiles:3"])
    with pytest.raises(BadQuery, match="a finder of each kind"):
        discs.find_parts([])
    with pytest.raises(BadQuery, match="by name"):
        list_finders([3])  # type: ignore[list-item]
    monkeypatch.setattr(tiles.Tiles, "missing", lambda self: "do this first")
    with pytest.raises(MissingPackage, match="do this first"):
        discs.find_parts("tiles")


def test_an_empty_collection_says_what_to_do(collection: Collection) -> None:
    with pytest.raises(UsageError, match="nearkin add"):
        collection.find_parts("tiles")


def test_pictures_without_parts_are_done_too(discs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(self: tiles.Tiles, picture: Any) -> list[FoundPart]:
        return []

    monkeypatch.setattr(tiles.Tiles, "find", find_nothing)
    assert (discs.find_parts("tiles").parts, discs.find_parts("tiles").items) == (0, 0)
    assert len(discs.search(item=1, by="tiles")) == 0
