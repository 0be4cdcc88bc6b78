"""The part of a picture that asks: a box in it, or what a finder finds first in it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Image

from indexers.arrays import NO_INTS
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import BadQuery
from indexers.finders.base import Box, Finder, crop, load_finder
from indexers.types import Ids, Vectors
from retrieval.items.pictures import PictureLoader
from retrieval.parts.finder import load_finders
from retrieval.spaces.view import View, load_picture


class Asking(NamedTuple):
    """What asks in place of a picture or an item: a picture or a vector, or None for what was passed.

    items: those that ask.
    """

    picture: Image | None = None
    vector: Vectors | None = None
    items: Ids = NO_INTS


class PartAsker:
    """Finds what asks."""

    def __init__(self, catalogue: Catalogue, pictures: PictureLoader) -> None:
        self._catalogue, self._pictures = catalogue, pictures
        self._finders: dict[str, Finder] = {}

    def choose(
        self, view: View, of_parts: View | None, picture: Any, item: int | str | None, region: Box | None
    ) -> Asking:
        """Return what asks for parts like those of a picture, or of an item.

        view: of the items. of_parts: of the parts that are searched for, if any are. region: a box of the picture, or
        of that of the item, which asks.

        Raises BadQuery for a box outside the picture, ItemNotFound, UnreadablePicture, MissingPackage.
        """
        if picture is None and item is None:
            if region is not None:
                raise BadQuery("region= is a box of a picture, or of an item's: give one of them")
            return Asking()
        items = NO_INTS
        if item is not None:
            with self._catalogue.snapshot() as snapshot:
                items = np.array(snapshot.resolve([item]), np.int64)
        finder = None if of_parts is None else self._find_finder(str(of_parts.space.parts))
        own_part = finder is not None and finder.asks_with_part
        if region is None and not own_part:
            return Asking(items=items)
        if region is None and item is not None and of_parts is not None:
            vector = self._read_vector(of_parts, int(items[0]))
            return Asking(vector=vector, items=items) if vector is not None else Asking(items=items)
        if item is not None:
            loaded = self._pictures.load(int(items[0]))
        else:
            loaded = load_picture(picture, view, 0 if finder is None or region is not None else finder.edge)
        if region is not None:
            loaded = _cut_region(loaded, region)
        if own_part and finder is not None:
            load_finders([finder.name])  # raises what is missing
            parts = finder.find(loaded)
            loaded = finder.cut(loaded, parts[0]) if parts else loaded
        return Asking(picture=loaded, items=items)

    def _read_vector(self, of_parts: View, item_id: int) -> Vectors | None:
        """Return the vector of an item's surest part; None if it has none."""
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.parts.of_items([item_id], of_parts.space.parts)
            ids, vectors = snapshot.vectors(of_parts.space.id, [row.id for row in rows])
        by_id = dict(zip(ids.tolist(), vectors, strict=True))
        return next((by_id[row.id] for row in rows if row.id in by_id), None)

    def _find_finder(self, kind: str) -> Finder | None:
        """Return a finder of that kind that has looked for the parts; None if it is not installed here."""
        with self._catalogue.snapshot() as snapshot:
            names = [name for known, name, _ in snapshot.parts.finders() if known == kind]
        name = names[0] if names else kind
        if name not in self._finders:
            self._finders[name] = load_finder(name)
        return self._finders[name]


def _cut_region(picture: Image, region: Box) -> Image:
    """Return the part of a picture in a box, as far as it lies in it. Raises BadQuery."""
    x, y, width, height = region
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, picture.width), min(y + height, picture.height)
    if left >= right or top >= bottom:
        raise BadQuery(
            f"region {region} lies outside the picture, which is {picture.width} pixels wide and {picture.height} high"
        )
    return crop(picture, (left, top, right - left, bottom - top))
