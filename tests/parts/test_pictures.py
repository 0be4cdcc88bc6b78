"""The picture of a part is what lies in its box, or the page or frame that it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers.errors import ItemNotFound, UnreadablePicture
from indexers.pictures.images import as_picture
from retrieval import Collection
from tests.support.discs import place_disc


def test_a_part_shows_its_box_at_the_size_asked_for(collection: Collection, tmp_path: Path) -> None:
    picture = place_disc(0)[0].resize((960, 720))
    picture.save(tmp_path / "a.png")
    collection.add(tmp_path / "a.png")
    collection.find_parts("tiles:2")
    pictures = collection._parts.part_pictures
    for part in collection.parts(1):
        assert part.box is not None
        x, y, width, height = part.box
        full = pictures.load(part.id)
        assert full.size == (width, height)
        assert np.array_equal(np.asarray(full), np.asarray(picture.crop((x, y, x + width, y + height))))
        thumbnail = as_picture(pictures.make_thumbnail(part.id))
        assert max(thumbnail.size) == 160
    with pytest.raises(ItemNotFound, match="no part with the id 1"):
        pictures.load(1)
    (tmp_path / "a.png").unlink()
    with pytest.raises(UnreadablePicture):
        pictures.load(collection.parts(1)[0].id)


def test_a_page_and_a_moment_are_shown_themselves(collection: Collection, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    colours = ["red", "green", "blue"]
    pages = [Image.new("RGB", (200, 300), colour) for colour in colours]
    pages[0].save(tmp_path / "a.pdf", save_all=True, append_images=pages[1:])
    collection.add(tmp_path / "a.pdf")
    collection.find_parts("pages")
    pictures = collection._parts.part_pictures
    for number, part in enumerate(collection.parts(1, "pages")):
        assert part.page == number + 1
        shown = np.asarray(pictures.load(part.id, 100)).reshape(-1, 3).mean(0)
        expected = np.asarray(pages[number]).reshape(-1, 3).mean(0)
        assert np.abs(shown - expected).max() < 8
