"""What has vanished is no duplicate, nothing to keep, and not there already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.catalogue.duplicates import PairRow
from indexers.types import ItemRow
from retrieval import Collection
from retrieval.duplicates.presence import is_present, link_absent, list_places


@pytest.fixture
def photo() -> Image.Image:
    pixels = np.random.default_rng(0).random((30, 40, 3)) * 255
    return Image.fromarray(pixels.astype(np.uint8)).resize((800, 600), Image.Resampling.BICUBIC)


@pytest.fixture
def copies(tmp_path: Path, photo: Image.Image) -> Iterator[tuple[Collection, Path]]:
    """A picture without loss, and two copies of it."""
    place = tmp_path / "p"
    place.mkdir()
    photo.save(place / "best.png")
    photo.save(place / "a.jpg", quality=90)
    photo.save(place / "b.jpg", quality=70)
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(place)
        yield collection, place


def names(collection: Collection, items: tuple[int, ...]) -> list[str]:
    return sorted(Path(uri).name for item in collection.get(items) for uri in item.uris)


@pytest.mark.parametrize("is_synced", [True, False])
def test_the_best_of_what_is_there_is_kept(copies: tuple[Collection, Path], is_synced: bool) -> None:
    collection, place = copies
    assert len(collection.duplicates()[0].items) == 3
    (place / "best.png").unlink()
    if is_synced:
        collection.sync(place)
    (group,) = collection.duplicates()
    assert names(collection, group.items) == ["a.jpg", "b.jpg"]
    assert names(collection, (group.keep,)) == ["a.jpg"]
    assert names(collection, group.missing) == ["best.png"]
    assert group.to_dict()["missing"] == list(group.missing)
    assert [move.left for move in collection.move_duplicates([group], place.parent / "out")] == [""]
    (place / "a.jpg").unlink()
    assert collection.duplicates() == ()


def test_what_comes_back_is_a_copy_again(copies: tuple[Collection, Path]) -> None:
    collection, place = copies
    collection.duplicates()
    content = (place / "best.png").read_bytes()
    (place / "best.png").unlink()
    collection.sync(place)
    assert len(collection.duplicates()[0].items) == 2
    (place / "best.png").write_bytes(content)
    collection.sync(place)
    (group,) = collection.duplicates()
    assert (len(group.items), group.missing) == (3, ())


def test_moved_copies_are_listed_no_more(copies: tuple[Collection, Path]) -> None:
    collection, place = copies
    moves = collection.move_duplicates(collection.duplicates(), place.parent / "out", dry_run=False)
    assert sum(move.done for move in moves) == 2
    assert collection.duplicates() == ()
    collection.undo_moves(place.parent / "out" / "manifest.jsonl")
    assert len(collection.duplicates()[0].items) == 3


@pytest.mark.parametrize("is_synced", [True, False])
def test_what_has_vanished_is_not_there_already(
    copies: tuple[Collection, Path], photo: Image.Image, is_synced: bool
) -> None:
    collection, place = copies
    photo.save(place.parent / "new.jpg", quality=85)
    assert len(collection.duplicates_of(place.parent / "new.jpg")) == 3
    (place / "best.png").unlink()
    (place / "b.jpg").unlink()
    if is_synced:
        collection.sync(place)
    assert [Path(match.uri or "").name for match in collection.duplicates_of(place.parent / "new.jpg")] == ["a.jpg"]


def test_one_content_in_several_places_needs_two_that_are_there(copies: tuple[Collection, Path]) -> None:
    collection, place = copies
    for name in ("a.jpg", "b.jpg"):
        (place / name).unlink()
    (place / "again.png").write_bytes((place / "best.png").read_bytes())
    collection.sync(place)
    assert [group.kind for group in collection.duplicates()] == ["same bytes"]
    (place / "again.png").unlink()
    assert collection.duplicates() == ()


def make_row(**fields: Any) -> ItemRow:
    values = dict.fromkeys(ItemRow.__dataclass_fields__) | {"uris": (), "missing": False, "metadata": {}}
    return ItemRow(**values | fields)


def test_presence_of_items_of_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    there, gone = str(tmp_path / "a"), str(tmp_path / "b")
    assert is_present(make_row())  # added from memory
    assert list_places(make_row(uris=(there, gone, "https://example.org/a.png"))) == [
        there,
        "https://example.org/a.png",
    ]
    assert not is_present(make_row(uris=(gone,)))
    assert not is_present(make_row(uris=(there,), missing=True))  # its file was overwritten, say


def test_vanished_items_are_linked_to_those_that_are_there() -> None:
    pairs = [PairRow(1, 2, "same picture", 1.0, {}), PairRow(2, 3, "same picture", 1.0, {}), PairRow(3, 4, "", 1.0, {})]
    assert link_absent(pairs, {1, 3}) == {1: {2}, 3: {2, 4}}
