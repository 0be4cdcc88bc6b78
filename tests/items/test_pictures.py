"""The picture of an item, from where it lies."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from indexers.errors import ItemNotFound, UnreadablePicture
from retrieval import Collection
from retrieval.items.pictures import PictureLoader
from tests.conftest import vectors
from tests.support import pictures


@pytest.fixture
def loader(filled: Collection) -> PictureLoader:
    return filled._parts.pictures


def test_a_hit_leads_to_its_picture_and_its_thumbnail(filled: Collection, folder: Path) -> None:
    hit = filled.search(folder / "red.png", k=1)[0]
    image = hit.image()
    assert (image.size, image.mode) == ((160, 120), "RGB")
    assert image.getpixel((80, 60)) == (255, 0, 0)
    with Image.open(io.BytesIO(hit.thumbnail(40))) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (40, 30))
    with Image.open(io.BytesIO(hit.thumbnail())) as thumbnail:
        assert thumbnail.size == (160, 120)


def test_an_edge_keeps_at_most_twice_its_length(collection: Collection, tmp_path: Path) -> None:
    pictures.noise(size=(900, 600)).save(tmp_path / "large.png")
    collection.add(tmp_path / "large.png")
    hit = collection.search(tmp_path / "large.png")[0]
    assert hit.image().size == (900, 600)
    assert 100 <= max(hit.image(100).size) <= 200
    with Image.open(io.BytesIO(hit.thumbnail(100))) as thumbnail:
        assert thumbnail.size == (100, 67)


def test_an_item_that_does_not_exist_is_named(loader: PictureLoader) -> None:
    with pytest.raises(ItemNotFound, match="there is no item with the id 99"):
        loader.load(99)


def test_a_picture_that_changed_or_went_is_not_another_one(filled: Collection, folder: Path) -> None:
    red, blue = (filled.search(folder / f"{colour}.png", k=1)[0] for colour in ("red", "blue"))
    pictures.disc("pink").save(folder / "red.png")
    with pytest.raises(UnreadablePicture, match="has changed since it was added"):
        red.image()
    (folder / "blue.png").unlink()
    with pytest.raises(UnreadablePicture, match=f"the picture of item {blue.item} can't be read"):
        blue.thumbnail()


def test_a_ready_made_vector_tells_nothing_of_a_file_that_is_no_picture(ready_made: Collection, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("the secret")
    ready_made.add_vectors(vectors(1, 3), keys=["x"], uris=[str(tmp_path / "secret.txt")])
    hit = ready_made.search(vector=vectors(1, 3)[0], k=1)[0]
    with pytest.raises(UnreadablePicture, match=rf"the file of item {hit.item} is not a picture"):
        hit.image()
    with pytest.raises(UnreadablePicture, match="has no file that still exists"):
        ready_made.search(item="n0", k=1)[0].image()


def test_pictures_are_decoded_in_another_process_where_that_is_set(filled: Collection, folder: Path) -> None:
    filled.isolate()
    assert filled.search(folder / "red.png", k=1)[0].image().getpixel((80, 60)) == (255, 0, 0)
