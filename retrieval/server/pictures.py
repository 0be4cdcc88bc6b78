"""Pictures that are shown: thumbnails, kept beside the collection; uploads that are asked with, kept for a while."""

from __future__ import annotations

import io
import re
import secrets
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from indexers import images
from indexers.errors import ItemNotFound, UnreadablePicture
from indexers.files import whole
from indexers.isolation import Isolated
from indexers.remote import read
from indexers.types import Limits
from retrieval import Collection, Item

EDGES = (160, 320, 640)
"""Sizes of thumbnails, in pixels of the longer edge."""
KEPT, SECONDS = 64, 3600.0
"""Uploads that are kept at once, and for how long."""
NAME = 60
"""Letters of a file's name that are kept."""
SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp", "AVIF": "image/avif"}
"""What browsers show as it is; anything else is sent as a file."""


class Original(NamedTuple):
    """An item's picture as it lies there."""

    content: bytes
    kind: str
    inline: bool


class UploadNotFound(ItemNotFound):
    """No upload of that name (any more)."""


@dataclass(frozen=True, slots=True)
class Upload:
    image: Image.Image
    thumbnail: bytes
    when: float


class Uploads:
    """Pictures to ask with, decoded by processes that may take no more than is allowed. Thread-safe."""

    def __init__(self, isolated: Isolated) -> None:
        self._isolated, self._lock = isolated, threading.Lock()
        self._kept: OrderedDict[str, Upload] = OrderedDict()

    def put(self, content: bytes) -> tuple[str, Image.Image]:
        """Its name. Raises PictureError."""
        image = self._isolated.decode(content, 512).image
        name, now = secrets.token_urlsafe(16), time.monotonic()
        with self._lock:
            self._kept[name] = Upload(image, as_webp(image, EDGES[0]), now)
            while len(self._kept) > KEPT or next(iter(self._kept.values())).when < now - SECONDS:
                self._kept.popitem(last=False)
        return name, image

    def get(self, name: str) -> Upload:
        """Raises UploadNotFound."""
        with self._lock:
            found = self._kept.get(name)
        if found is None or found.when < time.monotonic() - SECONDS:
            raise UploadNotFound(f"there is no upload {name!r} (any more); send the picture again")
        return found


class Thumbnails:
    """WebP pictures of items, made when they are first asked for, by content: two items of one content share them."""

    def __init__(self, collection: Collection, isolated: Isolated, limits: Limits) -> None:
        self._collection, self._isolated, self._limits = collection, isolated, limits
        self._folder = collection.path / "thumbnails"

    def tag(self, item: Item, edge: int) -> str:
        """Names what an answer holds, for as long as the item is what it is."""
        return f'"{item.hash or item.id}-{edge}"'

    def get(self, item: Item, edge: int) -> bytes:
        """Raises UnreadablePicture."""
        path = self._path(item, edge)
        if path is None:
            return as_webp(self._read(item, edge), edge)
        with suppress(OSError):
            return path.read_bytes()
        content = as_webp(self._read(item, edge), edge)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            partial.write_bytes(content)
        return content

    def _path(self, item: Item, edge: int) -> Path | None:
        return self._folder / item.hash[:2] / f"{item.hash}-{edge}.webp" if item.hash else None

    def _read(self, item: Item, edge: int) -> Image.Image:
        return self._isolated.decode(self.original(item).content, edge).image

    def original(self, item: Item) -> Original:
        """From where the item lies; what has changed since it was added is not shown. Raises UnreadablePicture."""
        if not item.uris or item.missing:
            raise UnreadablePicture(f"the picture of item {item.id} is nowhere to be found")
        content = read(item.uris[0], self._limits)
        if item.hash is not None and images.fingerprint(content).hex() != item.hash:
            raise UnreadablePicture(f"the picture of item {item.id} has changed since it was added; add it again")
        kind = SHOWN.get(item.format or "")
        return Original(content, kind or "application/octet-stream", kind is not None)


def kept(folder: Path, content: bytes, name: str) -> Path:
    """Where a picture that was sent lies from now on: below its fingerprint, so that one sent again lies there already,
    under its own name, which says something to people."""
    plain = re.sub(r"[^\w .()+-]+", "_", name.replace("\\", "/").rpartition("/")[2]).strip(" .")[-NAME:] or "picture"
    path = folder / images.fingerprint(content).hex() / plain
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        partial.write_bytes(content)
    return path


def as_webp(image: Image.Image, edge: int) -> bytes:
    stream = io.BytesIO()
    images.shrink(image, edge).save(stream, "WEBP", quality=80)
    return stream.getvalue()
