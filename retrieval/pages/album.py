"""A collection's clusters as an album: plain records, captions, thumbnails."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from indexers.errors import NearkinError
from indexers.types import LEVELS, Level, Limits
from retrieval.pages.clusters import Album, Tile

if TYPE_CHECKING:
    from retrieval.collection import Collection

EDGE = 160
"""Pixels of a thumbnail's longer edge."""


def album(
    collection: Collection, title: str, since: int | None = None, note: str = "", names: Sequence[Level] = LEVELS
) -> Album:
    """The clusters of some levels, and a caption for each picture that stands for one."""
    levels = [collection.clusters(level, since=since) for level in names]
    tiles = tuple(
        Tile(one.id or 0, one.level or "", one.name, one.size, one.parent, one.tightness, one.new, one.representatives)
        for found in levels
        for one in found
    )
    shown = sorted({item for tile in tiles for item in tile.pictures})
    captions = {item.id: caption(item.uri or item.key) for item in collection.get(shown)} if shown else {}
    loose = min((found.loose for found in levels), default=0)
    return Album(title, tiles, loose, collection.count(), captions, levels[0].as_of, note, tuple(names))


def caption(uri: str) -> str:
    """`file:///a/night%20sky.jpg` -> `night sky`."""
    name = unquote(uri.rstrip("/").rpartition("/")[2])
    return Path(name).stem or name


def thumbnails(collection: Collection) -> Callable[[int], bytes | None]:
    """Item -> a small WebP; None where its picture can't be had any more."""
    from indexers.pictures.images import decode, shrink
    from indexers.pictures.remote import read

    def thumbnail(item: int) -> bytes | None:
        try:
            uri = collection.get(item).uri
            if uri is None:
                return None
            image = shrink(decode(read(uri, Limits()), EDGE).image, EDGE)
        except NearkinError:
            return None
        stream = io.BytesIO()
        image.save(stream, "WEBP", quality=80)
        return stream.getvalue()

    return thumbnail
