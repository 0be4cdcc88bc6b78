"""A collection's clusters as an album: plain records, captions, thumbnails."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from indexers.errors import NearkinError
from indexers.types import LEVELS, Level, Limits
from retrieval.pages.page import printable

if TYPE_CHECKING:
    from retrieval.collection import Collection

Below = Mapping[int | None, list["Tile"]]
"""The clusters inside each cluster, by its id; those in no other under None."""

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
    from indexers.pictures.remote import read_uri

    def thumbnail(item: int) -> bytes | None:
        try:
            uri = collection.get(item).uri
            if uri is None:
                return None
            image = shrink(decode(read_uri(uri, Limits()), EDGE).image, EDGE)
        except NearkinError:
            return None
        stream = io.BytesIO()
        image.save(stream, "WEBP", quality=80)
        return stream.getvalue()

    return thumbnail


@dataclass(frozen=True, slots=True)
class Tile:
    """One cluster, as it is shown."""

    id: int
    level: str
    """One of the album's levels."""
    name: str | None
    """None: nobody has named it."""
    size: int
    parent: int | None
    """Id of the coarser cluster that it lies in; None where there is none, or it is not shown."""
    tightness: float
    """Mean similarity among its members, 0 to 1."""
    new: int
    """Members that came lately."""
    pictures: tuple[int, ...]
    """Ids of the items that stand for it, the medoid first, up to nine."""


@dataclass(frozen=True, slots=True)
class Album:
    """What a view of the clusters is made of: plain records, so that a view asks no database."""

    title: str
    tiles: tuple[Tile, ...]
    """Of all levels, nested by `parent`, the largest first."""
    loose: int
    """Items in no cluster."""
    items: int
    captions: Mapping[int, str]
    """A short name (a file's name) by the id of the item."""
    as_of: int
    """The change number that all of it belongs to."""
    note: str = ""
    """Printed at the foot, such as an attribution."""
    levels: tuple[str, ...] = LEVELS
    """Coarse to fine."""


def _below(album: Album) -> Below:
    """Which clusters lie in which. A parent that is not shown, or not coarser, doesn't count: so no circles."""
    ranks = {tile.id: album.levels.index(tile.level) for tile in album.tiles}
    found: dict[int | None, list[Tile]] = {}
    for tile in album.tiles:
        coarser = tile.parent is not None and ranks.get(tile.parent, len(album.levels)) < ranks[tile.id]
        found.setdefault(tile.parent if coarser else None, []).append(tile)
    return found


def _same(tile: Tile, below: Below) -> list[Tile]:
    """The cluster and those of finer levels that hold just what it holds; the views show them as one."""
    chain = [tile]
    while len(inner := below.get(chain[-1].id, [])) == 1 and inner[0].size == tile.size:
        chain += inner
    return chain


def _captions(album: Album, tile: Tile) -> list[str]:
    return [printable(album.captions[item]) for item in tile.pictures if album.captions.get(item)]


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
