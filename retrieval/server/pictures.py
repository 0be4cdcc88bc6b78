"""Pictures that are shown: thumbnails; uploads that are asked with, kept for a while; uploads that were added.

All lie beside the collection, so that every process of a server has them. Nothing that was sent is decoded here: that
is done by processes that may take no more than is allowed.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from indexers.errors import ItemNotFound, PictureError, Unavailable, UnreadablePicture, WriteFailed
from indexers.pictures import images
from indexers.pictures.images import Picture
from indexers.pictures.isolation import DecoderPool
from indexers.pictures.scan import to_path
from indexers.types import Limits
from retrieval import Collection, Item
from retrieval.transfer.sources import content_of

EDGES = (160, 320, 640)
"""Sizes of thumbnails, in pixels of the longer edge."""
ASKED = 512
"""Pixels of an upload's longer edge, at least, that are kept to ask with."""
CHECKED = 64
"""Pixels to which an upload is decoded to see whether it is a picture."""
KEPT, SECONDS = 64, 3600.0
"""Uploads that are kept at once, and for how long."""
WORKERS, WAITING = 2, 12
"""Processes that decode; requests that wait for them, of the forty that are answered at once."""
PATIENCE = 10.0
WAIT = 2.0
"""Seconds for one picture; and to wait for a place."""
LETTERS = 60
"""Of the name of a file that was sent."""
NAME = re.compile(r"[\w-]{22}", re.ASCII)
SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp", "AVIF": "image/avif"}
"""What browsers show as it is; anything else is sent as a file."""


class Original(NamedTuple):
    """An item's picture as it lies there."""

    content: bytes
    kind: str
    inline: bool


class UploadNotFound(ItemNotFound):
    """No upload of that name (any more)."""


class TooBusy(Unavailable):
    """So many pictures wait to be decoded that no more are taken."""


class Decoder:
    """Processes that decode, and no more who wait for them than leaves threads for other requests."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._isolated = DecoderPool(limits, WORKERS, PATIENCE)
        self._places = threading.BoundedSemaphore(WAITING)

    def decode(self, content: bytes, edge: int) -> Picture:
        """Raises PictureError, TooBusy."""
        if not self._places.acquire(timeout=WAIT):
            raise TooBusy("too many pictures wait to be looked at; try again later")
        try:
            return self._isolated.decode(content, edge)
        finally:
            self._places.release()

    def close(self) -> None:
        self._isolated.close()


class Uploads:
    """Pictures to ask with."""

    def __init__(self, folder: Path, decoder: Decoder) -> None:
        self._folder, self._decoder = folder, decoder

    def put(self, content: bytes) -> tuple[str, Image.Image]:
        """Its name. Raises PictureError."""
        image = self._decoder.decode(content, ASKED).image
        name, stream = secrets.token_urlsafe(16), io.BytesIO()
        image.save(stream, "PNG", compress_level=1)
        store(self._folder / f"{name}.png", stream.getvalue())
        self._forget()
        return name, image

    def get(self, name: str) -> Image.Image:
        """Raises UploadNotFound."""
        path = self._folder / f"{name}.png"
        if NAME.fullmatch(name):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime > time.time() - SECONDS:
                    return Image.open(io.BytesIO(path.read_bytes()))  # which we have written ourselves
        raise UploadNotFound(f"there is no upload {name!r} (any more); send the picture again")

    def _forget(self) -> None:
        with suppress(FileNotFoundError):  # another process is at it too
            for path in sorted(self._folder.glob("*.png"), key=os.path.getmtime)[:-KEPT]:
                path.unlink(missing_ok=True)


class Added:
    """Pictures that were added by sending them: files beside the collection, one for each item."""

    def __init__(self, folder: Path, decoder: Decoder) -> None:
        self._folder, self._decoder = folder, decoder

    def put(self, contents: Sequence[bytes], called: Sequence[str], keys: Sequence[str] | None) -> list[Path]:
        """Where they lie from now on, under their own names, which say something to people. Raises PictureError, before
        anything is written."""
        kinds = [_suffix(self._decoder.decode(one, CHECKED)) for one in contents]
        names = [images.hash_content(one).hex() for one in contents]
        if keys:  # two items of one content have a file each
            names = [f"{name}-{_digest(key)}" for name, key in zip(names, keys, strict=False)] + names[len(keys) :]
        plain = [f"{_plain(name)}.{kind}" for name, kind in zip(called, kinds, strict=True)]
        places = [self._folder / name / file for name, file in zip(names, plain, strict=True)]
        for place, content in zip(places, contents, strict=True):
            store(place, content, durable=True)
        return places

    def holds(self, item: Item) -> bool:
        """Whether one of its files is ours."""
        return bool(self._places(item))

    def drop(self, item: Item) -> None:
        """The item is gone: its files of ours too, and no others."""
        for place in self._places(item):
            place.unlink(missing_ok=True)
            with suppress(OSError):  # another item's file may lie there
                place.parent.rmdir()

    def _places(self, item: Item) -> list[Path]:
        return [place for place in map(Path, map(to_path, item.uris)) if self._folder in place.parents]


def _plain(name: str) -> str:
    """A file's name without its ending, and with nothing in it that means something to a file system."""
    stem = name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]
    return re.sub(r"[^\w ()+-]+", "_", stem).strip(" _")[:LETTERS] or "picture"


class Thumbnails:
    """WebP pictures of items, made when they are first asked for, by content: two items of one content share them."""

    def __init__(self, collection: Collection, decoder: Decoder) -> None:
        self._decoder = decoder
        self._folder = collection.path / "thumbnails"

    def get(self, item: Item, edge: int) -> bytes:
        """Raises UnreadablePicture."""
        if item.hash is None:
            return as_webp(self._read(item, edge), edge)
        path = self._folder / item.hash[:2] / f"{item.hash}-{edge}.webp"
        with suppress(OSError):
            return path.read_bytes()
        content = as_webp(self._read(item, edge), edge)
        store(path, content)
        return content

    def _read(self, item: Item, edge: int) -> Image.Image:
        return self._decoded(item, self._content(item), edge).image

    def _decoded(self, item: Item, content: bytes, edge: int) -> Picture:
        """The place of a ready-made vector may be anything: of what is no picture nothing is told."""
        try:
            return self._decoder.decode(content, edge)
        except PictureError:
            raise UnreadablePicture(f"what lies at the place of item {item.id} is no picture") from None

    def original(self, item: Item) -> Original:
        """What has changed since it was added is not shown, nor what is no picture. Raises UnreadablePicture."""
        content, kind = self._content(item), SHOWN.get(item.format or "")
        if item.hash is None:
            kind = SHOWN.get(str(self._decoded(item, content, CHECKED).facts.format))
        return Original(content, kind or "application/octet-stream", kind is not None)

    def _content(self, item: Item) -> bytes:
        digest = bytes.fromhex(item.hash) if item.hash else None
        return content_of(item.id, item.uris, item.missing, digest, self._decoder.limits)


def store(path: Path, content: bytes, durable: bool = False) -> None:
    """The file is there whole or not at all, whoever else writes the same. Raises WriteFailed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(file.name, path)
    except OSError as error:
        raise WriteFailed(f"{path} can't be written: {error.strerror or error}") from error


def as_webp(image: Image.Image, edge: int) -> bytes:
    stream = io.BytesIO()
    images.shrink(image, edge).save(stream, "WEBP", quality=80)
    return stream.getvalue()


def _suffix(picture: Picture) -> str:
    said = str(picture.facts.format).lower()
    return said if said.isascii() and said.isalnum() else "picture"  # a picture may have taken its decoder over


def _digest(key: str) -> str:
    return images.hash_content(key.encode("utf-8", "surrogatepass")).hex()[:16]
