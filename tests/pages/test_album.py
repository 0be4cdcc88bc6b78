"""Albums of real collections: captions, and thumbnails of what is still there."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from retrieval import Collection
from retrieval.pages.album import EDGE, build_album, make_caption, make_thumbnailer


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/a/b/night sky.jpg", "night sky"),
        ("/a/caf%C3%A9%FF.png", "café�"),
        ("zip://folder/cat.png::/x/y.zip", "y"),
        ("key-17", "key-17"),
        ("/a/.hidden", ".hidden"),
        ("memory://", "memory:"),
    ],
)
def test_captions_are_the_names_of_files(uri: str, name: str) -> None:
    assert make_caption(uri) == name


def test_an_album_of_a_collection(filled: Collection) -> None:
    filled.add_vectors([[0.5] * 13], keys=["ready-made"])
    album = build_album(filled, "discs", note="made here")
    assert (album.title, album.note, album.items) == ("discs", "made here", 6)
    assert album.as_of == filled.info().change
    assert album.loose + sum(tile.size for tile in album.tiles if tile.level == "coarse") == 6
    assert {item for tile in album.tiles for item in tile.pictures} == set(album.captions)


def test_thumbnails_are_small_and_none_where_the_picture_is_gone(filled: Collection, folder: Path) -> None:
    thumbnail = make_thumbnailer(filled)
    item = filled.get(str(folder / "red.png")).id
    data = thumbnail(item)
    assert data
    image = Image.open(io.BytesIO(data))
    assert (image.format, max(image.size)) == ("WEBP", EDGE)
    (folder / "red.png").unlink()
    assert thumbnail(item) is None
    report = filled.add_vectors([[0.5] * 13], keys=["ready-made"])
    assert thumbnail(report.items[0]) is None
    assert thumbnail(999) is None
