"""A collection's clusters as an album: plain records, captions and thumbnails, which all views of clusters share."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from indexers.errors import NearkinError
from indexers.types import LEVELS, Level, Limits
from retrieval.pages.page import make_printable

if TYPE_CHECKING:
    from retrieval.collection import Collection

Children = Mapping[int | None, list["Tile"]]
"""The clusters inside each cluster, by its id; clusters that lie in no other are under None."""

EDGE = 160
"""Pixels of a thumbnail's longer edge."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One cluster, as a view shows it."""

    id: int
    level: str
    """One of the album's levels."""
    name: str | None
    """None if it has no name."""
    size: int
    parent: int | None
    """Id of the coarser cluster that contains it; None if there is none, or the album does not show it."""
    tightness: float
    """Mean similarity of its members, 0 to 1."""
    new: int
    """Members that were added lately."""
    pictures: tuple[int, ...]
    """Ids of the items, or parts, that represent it, the medoid first, up to nine."""


@dataclass(frozen=True, slots=True)
class Album:
    """Everything that a view of the clusters shows, as plain records: a view reads no database."""

    title: str
    tiles: tuple[Tile, ...]
    """Clusters of all levels, nested by `parent`, the largest first."""
    loose: int
    """Number of items in no cluster."""
    items: int
    """Number of items in the collection."""
    captions: Mapping[int, str]
    """A short name (that of the file) by the id of an item, or of a part."""
    as_of: int
    """The change number at which all of this was read."""
    note: str = ""
    """A line for the foot of the page, such as an attribution."""
    levels: tuple[str, ...] = LEVELS
    """Coarse to fine."""
    of: str | None = None
    """The kind of the parts that are clustered; None: pictures."""


def build_album(
    collection: Collection,
    title: str,
    since: int | None = None,
    note: str = "",
    names: Sequence[Level] = LEVELS,
    of: str | None = None,
) -> Album:
    """Return the clusters of the levels in `names`, with a caption for each picture that represents a cluster.

    of: clusters of parts of that kind; a caption is then that of the picture that holds the part.
    """
    levels = [collection.clusters(level, since=since, of=of) for level in names]
    tiles = tuple(
        Tile(
            cluster.id or 0,
            cluster.level or "",
            cluster.name,
            cluster.size,
            cluster.parent,
            cluster.tightness,
            cluster.new,
            cluster.representatives,
        )
        for clusters in levels
        for cluster in clusters
    )
    ids = sorted({picture_id for tile in tiles for picture_id in tile.pictures})
    holders = {} if of is None else collection._parts.part_finder.find_holders(ids)
    item_ids = sorted({holders.get(picture_id, picture_id) for picture_id in ids})
    names_of = {item.id: make_caption(item.uri or item.key) for item in collection.get(item_ids)} if item_ids else {}
    captions = {picture_id: names_of[holders.get(picture_id, picture_id)] for picture_id in ids}
    loose = min((clusters.loose for clusters in levels), default=0)
    return Album(title, tiles, loose, collection.count(), captions, levels[0].as_of, note, tuple(names), of)


def make_caption(uri: str) -> str:
    """Return the file's name without its ending: `file:///a/night%20sky.jpg` -> `night sky`."""
    name = unquote(uri.rstrip("/").rpartition("/")[2])
    return Path(name).stem or name


def make_thumbnailer(collection: Collection) -> Callable[[int], bytes | None]:
    """Return a function from item id to a small WebP image, or to None if the picture can no longer be read."""
    from indexers.pictures.images import decode, shrink
    from indexers.pictures.remote import read_uri

    def make_thumbnail(item_id: int) -> bytes | None:
        try:
            uri = collection.get(item_id).uri
            if uri is None:
                return None
            image = shrink(decode(read_uri(uri, Limits()), EDGE).image, EDGE)
        except NearkinError:
            return None
        stream = io.BytesIO()
        image.save(stream, "WEBP", quality=80)
        return stream.getvalue()

    return make_thumbnail


def make_part_thumbnailer(collection: Collection) -> Callable[[int], bytes | None]:
    """Return a function from a part's id to a small WebP image of what is in its box, or to None if the picture can no
    longer be read."""

    def make_thumbnail(part_id: int) -> bytes | None:
        try:
            return collection._parts.part_pictures.make_thumbnail(part_id, EDGE)
        except NearkinError:
            return None

    return make_thumbnail


def group_by_parent(album: Album) -> Children:
    """Return which clusters lie in which.

    A parent that is not in the album, or not coarser than its child, is ignored; so there are no circles.
    """
    ranks = {tile.id: album.levels.index(tile.level) for tile in album.tiles}
    children: dict[int | None, list[Tile]] = {}
    for tile in album.tiles:
        is_nested = tile.parent is not None and ranks.get(tile.parent, len(album.levels)) < ranks[tile.id]
        children.setdefault(tile.parent if is_nested else None, []).append(tile)
    return children


def follow_identical(tile: Tile, children: Children) -> list[Tile]:
    """Return the cluster and the finer clusters that hold exactly the same items; views show them as one."""
    chain = [tile]
    while len(inner := children.get(chain[-1].id, [])) == 1 and inner[0].size == tile.size:
        chain += inner
    return chain


def list_captions(album: Album, tile: Tile) -> list[str]:
    """Return the captions of the pictures that represent a cluster; pictures without a caption are left out."""
    return [make_printable(album.captions[item_id]) for item_id in tile.pictures if album.captions.get(item_id)]
