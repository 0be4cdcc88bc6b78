"""What asks for parts: a box, the own part of a picture, or all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexers.errors import BadQuery, ItemNotFound
from indexers.finders.base import FoundPart
from indexers.finders.tiles import Tiles
from retrieval import Collection
from tests.support.discs import place_disc, write_discs


@pytest.fixture
def discs(collection: Collection, tmp_path: Path) -> Collection:
    collection.add(write_discs(tmp_path / "discs", 8))
    collection.find_parts("regions")
    return collection


def name_colours(hits: object) -> list[str]:
    return [Path(hit.uri).stem.split()[1] for hit in hits]  # type: ignore[attr-defined]


def test_a_box_asks_for_what_is_in_it(discs: Collection, tmp_path: Path) -> None:
    picture, colour, box = place_disc(12)
    assert colour == "red"
    hits = discs.search(picture, region=box, by="regions", k=2)
    assert name_colours(hits) == ["red", "red"]
    number = int(Path(str(hits[0].uri)).name[:3])
    assert hits[0].part is not None
    found, disc = hits[0].part.box, place_disc(number)[2]
    assert found is not None
    assert max(abs(a - b) for a, b in zip(found, disc, strict=True)) <= 6
    path = tmp_path / "query.png"
    picture.save(path)
    assert [hit.item for hit in discs.search(path, region=list(box), by="regions", k=2)] == [hit.item for hit in hits]


def test_the_item_that_asks_is_no_hit(discs: Collection) -> None:
    _, _, box = place_disc(0)
    hits = discs.search(item=1, region=box, by="regions", k=20)
    assert 1 not in [hit.item for hit in hits]
    assert name_colours(hits)[0] == "red"
    assert 1 not in [hit.item for hit in discs.search(item=1, region=box, k=20)]
    assert 1 not in [hit.item for hit in discs.search(item=1, by="regions", k=20)]


def test_a_kind_may_ask_with_the_own_part(discs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = {place_disc(number)[0].tobytes(): place_disc(number)[2] for number in range(13)}
    monkeypatch.setattr(Tiles, "asks_with_part", True)
    monkeypatch.setattr(Tiles, "find", lambda self, picture: [FoundPart(boxes[picture.tobytes()], score=1.0)])
    discs.find_parts("tiles")
    assert name_colours(discs.search(place_disc(12)[0], by="tiles", k=2)) == ["red", "red"]
    hits = discs.search(item=1, by="tiles", k=3)
    assert (name_colours(hits)[0], hits[0].score > 0.99) == ("red", True)


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (1, 2, 3), "box", (0, 0, float("nan"), 1), {1: 2}, 5])
def test_what_is_no_box_is_refused(discs: Collection, region: object) -> None:
    with pytest.raises(BadQuery, match="region is a box"):
        discs.search(item=1, region=region)  # type: ignore[arg-type]


def test_a_box_needs_a_picture_that_it_lies_in(discs: Collection) -> None:
    with pytest.raises(BadQuery, match="outside the picture, which is 96 pixels wide and 72 high"):
        discs.search(item=1, region=(96, 0, 10, 10))
    with pytest.raises(BadQuery, match="a box of a picture"):
        discs.search(vector=[1.0] * 13, region=(0, 0, 10, 10))
    with pytest.raises(BadQuery, match="one of"):
        discs.search(place_disc(0)[0], item=1, by="regions")
    with pytest.raises(ItemNotFound):
        discs.search(item=99, by="regions")
    assert len(discs.search(item=1, region=(-50, -50, 60, 60))) == 7
