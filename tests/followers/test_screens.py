"""Pages on screens show pictures as small parts, and are looked at more closely for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from indexers.catalogue.shots import ShotRow
from indexers.followers.screens import LEAST_EDGE, ScreenReader, _may_be_screen, list_screens
from indexers.matching.compact import MAX_POINTS, QUERY_POINTS
from retrieval import Collection
from tests.support import pictures

skimage = pytest.importorskip("skimage.data", reason="the pictures are scikit-image's")
pytest.importorskip("cv2", reason="finding points without OpenCV takes half a second a picture")


def draw_page(picture: Image.Image, size: tuple[int, int] = (900, 640)) -> Image.Image:
    """Draw a page of many words with a picture at a third of its width."""
    page = Image.new("RGB", size, "white")
    pen, random = ImageDraw.Draw(page), np.random.default_rng(0)
    for line in range(10, size[1], 16):
        words = " ".join("".join(random.choice(list("abcdefghiklmnorstuvw"), 6)) for _ in range(20))
        pen.text((10, line), words, fill="black")
    small = picture.resize((330, round(330 * picture.height / picture.width)))
    page.paste(ImageOps.expand(small, 12, "white"), (268, 188))
    return page


def make_row(**values: object) -> ShotRow:
    row = ShotRow(1, b"h" * 20, 900, 640, "PNG", None, None, {}, "/p/a.png")
    return row._replace(**values)


def test_what_may_be_a_screen() -> None:
    assert _may_be_screen(make_row())
    assert not _may_be_screen(make_row(format="JPEG"))
    assert not _may_be_screen(make_row(camera="Canon R5"))
    assert not _may_be_screen(make_row(width=LEAST_EDGE - 1, height=30))


def test_only_what_has_a_plain_ground_is_one(collection: Collection, tmp_path: Path) -> None:
    coffee = Image.fromarray(skimage.coffee())
    draw_page(coffee).save(tmp_path / "page.png")
    pictures.noise(1, (600, 500)).save(tmp_path / "busy.png")
    coffee.save(tmp_path / "photo.jpg")
    collection.add(sorted(tmp_path.glob("*.*g")))
    names = {item.id: Path(item.uri or "").name for item in collection.walk()}
    with collection._catalogue.snapshot() as snapshot:
        assert [names[item_id] for item_id in list_screens(snapshot, sorted(names))] == ["page.png"]


def test_only_pages_are_described_in_many_points() -> None:
    coffee = Image.fromarray(skimage.coffee())
    images = {1: draw_page(coffee), 2: coffee}
    reader = ScreenReader(lambda item_id, edge: images[item_id])
    with ThreadPoolExecutor(1) as pool:
        described = reader.describe(pool, [1, 2])
    assert [*described] == [1]
    assert MAX_POINTS < len(described[1].words) <= QUERY_POINTS


def test_a_small_picture_on_a_page_of_words_is_proved(collection: Collection, tmp_path: Path) -> None:
    for name in ("coffee", "astronaut", "chelsea"):
        Image.fromarray(getattr(skimage, name)()).convert("RGB").save(tmp_path / f"{name}.jpg", quality=92)
    draw_page(Image.open(tmp_path / "astronaut.jpg")).save(tmp_path / "Screenshot 1.png")
    collection.add(sorted(tmp_path.glob("*.*g")))
    names = {item.id: Path(item.uri or "").name for item in collection.walk()}
    stacks = [{names[item_id] for item_id in stack.items} for stack in collection.stacks("screenshot")]
    assert stacks == [{"astronaut.jpg", "Screenshot 1.png"}]
