"""Pictures that are shown: thumbnails; uploads to search with, kept for a while; uploads that were added.

All lie beside the collection, so that every process of a server has them. Nothing that was sent is decoded here: that
happens in processes that may take no more time and memory than is allowed (not on Windows, which lacks them).
"""

from __future__ import annotations

import io
import os
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from indexers.catalogue.links import check_links
from indexers.errors import ItemNotFound, PictureError, UnreadablePicture, WriteFailed
from indexers.files import read_regular_file, write_file
from indexers.pictures import images
from indexers.pictures.images import Picture
from indexers.pictures.isolation import DecoderPool, can_isolate
from indexers.pictures.scan import to_uri
from indexers.types import Limits
from retrieval import Collection, Item
from retrieval.items.sources import read_content
from retrieval.server.budget import Budget, TooBusy

UPLOAD_EDGE, MAX_UPLOAD_EDGE = 512, 1024
"""Pixels of the longer edge of an upload: at least as it is decoded (of a JPEG), at most as it is kept."""
UPLOAD_BYTES = 3 * 4 * MAX_UPLOAD_EDGE**2
"""Memory that an upload takes while it is used: its pixels, and copies of them."""
CHECK_EDGE = 64
"""Pixels to which a picture is decoded to see whether it is one."""
MAX_STORED_BYTES = 64 * 2**20
"""The most bytes of an upload or a thumbnail in its file."""
MAX_UPLOADS, UPLOAD_SECONDS = 64, 3600.0
"""How many uploads are kept at once, and for how long."""
MAX_UNWRITTEN = 8
"""How many are kept in memory, where they can't be written."""
DECODERS, MAX_WAITING = 2, 12
"""Processes that decode; requests that may wait for them, of the forty that are answered at once."""
DECODE_SECONDS = 10.0
"""Time for one picture."""
WAIT_SECONDS = 2.0
"""Time to wait for a decoder, or for memory."""
MAX_MEMORY = 192 * 2**20
"""Bytes of files and pixels that requests hold at once."""
MAX_NAME_LENGTH = 60
"""Characters that are kept of a file's name."""
DEVICE_NAME = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever the suffix."""
UPLOAD_ID = re.compile(r"[\w-]{22}", re.ASCII)
BROWSER_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "MP4": "video/mp4",
    "MATROSKA": "video/webm",
}
"""Media types of what browsers show, or play, as it is; anything else is sent as a file."""


class Original(NamedTuple):
    """An item's picture as it was added. `inline`: browsers show it."""

    content: bytes
    media_type: str
    inline: bool


class UploadNotFound(ItemNotFound):
    """No upload of that id (any more)."""


class Decoder:
    """Decodes pictures in processes of their own, where the system can. Few requests may wait, so that threads are left
    for others."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.memory = limits, Budget(MAX_MEMORY, WAIT_SECONDS)
        self._pool = DecoderPool(limits, DECODERS, DECODE_SECONDS) if can_isolate() else None
        self._places = threading.BoundedSemaphore(MAX_WAITING)

    def decode(self, content: bytes, edge: int, largest_edge: int = 0) -> Picture:
        """Return the picture, decoded to be shrunk to `edge` pixels, and shrunk until its longer edge has at most
        `largest_edge` (by default `edge`). Raises PictureError, TooBusy."""
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise TooBusy("too many pictures are waiting to be decoded; try again later")
        try:
            if self._pool:
                return self._pool.decode(content, edge, largest_edge or edge)
            picture = images.decode(content, edge, self.limits)
            return picture._replace(image=images.shrink(picture.image, largest_edge or edge))
        finally:
            self._places.release()

    def close(self) -> None:
        """End the processes."""
        if self._pool:
            self._pool.close()


class Uploads:
    """Pictures to search with."""

    def __init__(self, folder: Path, decoder: Decoder) -> None:
        self._folder, self._decoder = folder, decoder
        self._unwritten: dict[str, tuple[float, bytes]] = {}

    def save(self, content: bytes) -> tuple[str, Image.Image]:
        """Keep a picture; return its id and the decoded picture. Raises PictureError, TooBusy."""
        image = self._decoder.decode(content, UPLOAD_EDGE, MAX_UPLOAD_EDGE).image
        upload_id, stream = secrets.token_urlsafe(16), io.BytesIO()
        image.save(stream, "PNG", compress_level=1)
        try:
            write_file(self._folder / f"{upload_id}.png", stream.getvalue())
        except WriteFailed:  # on a full disk, or of a collection that may only be read: for this process alone
            self._unwritten[upload_id] = time.time(), stream.getvalue()
        self._delete_old()
        return upload_id, image

    def hold(self, count: int) -> AbstractContextManager[None]:
        """Hold the memory of so many uploads. Raises TooBusy."""
        return self._decoder.memory.take(count * UPLOAD_BYTES)

    def get(self, upload_id: str) -> Image.Image:
        """Return an upload. Raises UploadNotFound."""
        path = self._folder / f"{upload_id}.png"
        if UPLOAD_ID.fullmatch(upload_id):
            with suppress(OSError):
                if path.lstat().st_mtime > time.time() - UPLOAD_SECONDS:
                    content = read_regular_file(path, MAX_STORED_BYTES)
                    return Image.open(io.BytesIO(content))  # safe here: `save` has encoded it
        saved_at, content = self._unwritten.get(upload_id, (0.0, b""))
        if saved_at > time.time() - UPLOAD_SECONDS:
            return Image.open(io.BytesIO(content))
        raise UploadNotFound(f"there is no upload {upload_id!r} (any more); send the picture again")

    def _delete_old(self) -> None:
        for upload_id in list(self._unwritten)[:-MAX_UNWRITTEN]:
            self._unwritten.pop(upload_id, None)
        with suppress(FileNotFoundError):  # another process deletes them too
            for path in sorted(self._folder.glob("*.png"), key=os.path.getmtime)[:-MAX_UPLOADS]:
                path.unlink(missing_ok=True)


class AddedFiles:
    """Pictures that were added by sending them: files beside the collection, one for each item."""

    def __init__(self, folder: Path, decoder: Decoder) -> None:
        self._folder, self._decoder = folder, decoder

    @contextmanager
    def keep(
        self, collection: Collection, contents: Sequence[bytes], names: Sequence[str], keys: Sequence[str] | None
    ) -> Iterator[list[Path]]:
        """Write pictures as `save` does and yield their paths, for a block that adds them. When it ends, also with an
        error, those of them that are no item's are deleted."""
        paths = self._choose_paths(contents, names, keys)
        existing = {path for path in paths if path.exists()}
        try:
            yield _write_files(paths, contents)
        finally:
            for path in set(paths) - existing:
                if not collection.count(where={"uri": to_uri(path)}):
                    self._delete(path)

    def save(self, contents: Sequence[bytes], names: Sequence[str], keys: Sequence[str] | None) -> list[Path]:
        """Write pictures and return their paths. A path ends with the name that the file was sent under, which tells
        people something. Raises PictureError or TooBusy, before anything is written, and WriteFailed."""
        return _write_files(self._choose_paths(contents, names, keys), contents)

    def _choose_paths(self, contents: Sequence[bytes], names: Sequence[str], keys: Sequence[str] | None) -> list[Path]:
        suffixes = [_choose_suffix(self._decoder.decode(content, CHECK_EDGE)) for content in contents]
        folders = [images.hash_content(content).hex() for content in contents]
        if keys:  # two items of one content have a file each
            with_keys = [f"{folder}-{_hash_key(key)}" for folder, key in zip(folders, keys, strict=False)]
            folders = with_keys + folders[len(keys) :]
        files = [f"{_clean_name(name)}.{suffix}" for name, suffix in zip(names, suffixes, strict=True)]
        paths = [self._folder / folder / file for folder, file in zip(folders, files, strict=True)]
        check_links(self._folder.parent, paths)
        return paths

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # the folder may hold another item's file
            path.parent.rmdir()


def _write_files(paths: list[Path], contents: Sequence[bytes]) -> list[Path]:
    for path, content in zip(paths, contents, strict=True):
        write_file(path, content, durable=True)
    return paths


def _clean_name(name: str) -> str:
    """Return a file's name without its suffix and without characters that mean something to a file system."""
    stem = os.path.splitext(unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2].strip("."))[0]
    plain = "".join(letter if _belongs_to_names(letter) else "_" for letter in stem)
    clean = re.sub("_+", "_", plain).strip(" _")[:MAX_NAME_LENGTH].strip(" _") or "picture"
    return f"picture {clean}" if DEVICE_NAME.fullmatch(clean) else clean


def _belongs_to_names(letter: str) -> bool:
    """Return True for letters, the marks on them, digits, pictures (emoji) and what joins them, in whatever script."""
    category = unicodedata.category(letter)
    return letter in " ()+-_\u200c\u200d" or category[0] in "LMN" or (category in ("So", "Sk") and letter > "\xff")


class Thumbnails:
    """WebP thumbnails of items, made when they are first asked for, by content: two items of one content share them."""

    def __init__(self, collection: Collection, decoder: Decoder) -> None:
        self._collection, self._decoder = collection, decoder
        self._folder = collection.path / "thumbnails"

    def get(self, item: Item, edge: int) -> bytes:
        """Return a thumbnail as WebP. Raises UnreadablePicture."""
        if item.hash is None:
            return images.encode_webp(self._load_image(item, edge), edge)
        path = self._folder / item.hash[:2] / f"{item.hash}-{edge}.webp"
        check_links(self._folder.parent, [path])
        with suppress(OSError):
            content = read_regular_file(path, MAX_STORED_BYTES)
            if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
                return content
        content = images.encode_webp(self._load_image(item, edge), edge)
        with suppress(WriteFailed):  # on a full disk, or where nothing may be written, it is shown all the same
            write_file(path, content)
        return content

    def get_part(self, part_id: int, edge: int) -> tuple[str, bytes]:
        """Return the thumbnail of a part as WebP, and a key of what it shows. Raises ItemNotFound, UnreadablePicture,
        TooBusy."""
        item_id = self._collection._parts.part_finder.find_holders([part_id]).get(part_id)
        if item_id is None:
            raise ItemNotFound(f"there is no part with the id {part_id}")
        item = self._collection.get(item_id)
        part = next(part for part in self._collection.parts(item_id) if part.id == part_id)
        place = repr((part.box, part.page, part.start)).encode()
        key = f"{item.hash}-{edge}-{images.hash_content(place).hex()[:16]}"  # it goes when the item goes for good
        path = self._folder / key[:2] / f"{key}.webp"
        check_links(self._folder.parent, [path])
        with suppress(OSError):
            content = read_regular_file(path, MAX_STORED_BYTES)
            if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
                return key, content
        with self.hold(item):
            content = self._collection._parts.part_pictures.make_thumbnail(part_id, edge)
        with suppress(WriteFailed):
            write_file(path, content)
        return key, content

    def get_original(self, item: Item) -> Original:
        """Return the item's picture as it was added. Raises UnreadablePicture where the file has changed since, or is
        not a picture."""
        content, media_type = self._read_content(item), BROWSER_TYPES.get(item.format or "")
        if item.hash is None:
            media_type = BROWSER_TYPES.get(str(self._decode(item, content, CHECK_EDGE).facts.format))
        return Original(content, media_type or "application/octet-stream", media_type is not None)

    def hold(self, item: Item) -> AbstractContextManager[None]:
        """Hold the memory of an item's picture. Raises TooBusy."""
        return self._decoder.memory.take(item.bytes or self._decoder.limits.max_bytes)

    def _load_image(self, item: Item, edge: int) -> Image.Image:
        with self.hold(item):
            return self._decode(item, self._read_content(item), edge).image

    def _decode(self, item: Item, content: bytes, edge: int) -> Picture:
        """Decode a picture. The URI of a ready-made vector may name any file: the error tells nothing about one that
        is not a picture."""
        try:
            return self._decoder.decode(content, edge)
        except PictureError:
            raise UnreadablePicture(f"the file of item {item.id} is not a picture") from None

    def _read_content(self, item: Item) -> bytes:
        digest = bytes.fromhex(item.hash) if item.hash else None
        return read_content(item.id, item.uris, item.missing, digest, self._decoder.limits)


def _choose_suffix(picture: Picture) -> str:
    suffix = str(picture.facts.format).lower()
    # a hostile picture may have taken over the process that decoded it, and say anything
    return suffix if suffix.isascii() and suffix.isalnum() else "picture"


def _hash_key(key: str) -> str:
    return images.hash_content(key.encode("utf-8", "surrogatepass")).hex()[:16]
