"""What a caller may give to `add`, sorted into files to scan and pictures to take as they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike
from PIL.Image import Image

from indexers.arrays import chunks
from indexers.catalogue import metadata as attributes
from indexers.errors import UnreadablePicture, UsageError
from indexers.pictures import images, remote
from indexers.pictures.images import to_path
from indexers.pipeline import Source
from indexers.types import Arrival, FoundFile, Json, Limits, ScanFailure, Space
from indexers.vectors.base import check_vectors

Metadata = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

parts = chunks


def listed(data: bytes) -> list[str]:
    """Paths in a list: each ends with a NUL (as `find -print0` writes them), or else with the line."""
    parts = data.split(b"\0") if b"\0" in data else data.splitlines()
    return [os.fsdecode(part) for part in parts if part.strip()]


class Given:
    """`found`: files to be scanned, all with `metadata`; or else `sources`: pictures one by one."""

    def __init__(self, found: Iterable[FoundFile | ScanFailure] | None, metadata: Json, sources: list[Source]) -> None:
        self.found, self.metadata, self.sources = found, metadata, sources


def sort(
    pictures: Any, metadata: Metadata, keys: Sequence[str | None] | None, texts: Sequence[str | None] | None
) -> Given:
    """Raises UsageError where things are mixed that don't go together, or the lengths differ."""
    single = isinstance(pictures, str | PathLike | bytes | Image) or _is_one_array(pictures)
    given = [pictures] if single else list(pictures)
    for place, one in enumerate(given):
        if isinstance(one, np.ndarray):
            given[place] = images.as_picture(one)
        elif not isinstance(one, str | PathLike | bytes | Image):
            raise UsageError(
                f"pictures are paths, bytes, PIL images or arrays; number {place} is a {type(one).__name__}: {one!r}"
            )
    paths = all(isinstance(one, str | PathLike) for one in given)
    one_by_one = keys is not None or texts is not None or not (metadata is None or isinstance(metadata, Mapping))
    if paths and not one_by_one:
        return Given(_find(cast(list[str], given)), attributes.check(metadata or {}), [])
    columns = _checked_keys(keys, len(given)), _words(texts, len(given), "texts"), _each(metadata, len(given))
    sources = [_source(one, key, text, said) for one, key, text, said in zip(given, *columns, strict=True)]
    return Given(None, {}, sources)


def _is_one_array(pictures: Any) -> bool:
    """An array of (height, width) or (height, width, 3 or 4), rather than several in one."""
    return isinstance(pictures, np.ndarray) and (
        pictures.ndim == 2 or (pictures.ndim == 3 and pictures.shape[2] in (3, 4))
    )


def _find(given: list[str]) -> Iterator[FoundFile | ScanFailure]:
    """Files of this machine, then what lies elsewhere."""
    here = [to_path(one) if isinstance(one, str) else one for one in given if not remote.is_remote(one)]
    yield from images.find_pictures(here)
    for one in given:
        if remote.is_remote(one):
            yield from remote.find_pictures(one)


def _source(one: Any, key: str | None, text: str | None, metadata: Json) -> Source:
    if isinstance(one, bytes | Image):
        return Source(content=one, key=key, text=text, metadata=metadata)
    found = list(_find([one]))
    if len(found) != 1 or os.path.isdir(one):
        raise UsageError(f"with keys, texts or metadata one by one, each picture is one file; {one!r} is {len(found)}")
    if isinstance(found[0], ScanFailure):
        raise UsageError(f"{one!r} can't be added: {found[0].reason}")
    return Source(file=found[0], key=key, text=text, metadata=metadata)


def present(given: ArrayLike | Sequence[ArrayLike | None]) -> tuple[ArrayLike, list[bool] | None]:
    """The vectors among these, and for each place whether there is one (None: everywhere)."""
    if not isinstance(given, list | tuple) or not any(one is None for one in given):
        return cast(ArrayLike, given), None
    return cast(ArrayLike, [one for one in given if one is not None]), [one is not None for one in given]


def vectors(
    given: ArrayLike | Sequence[ArrayLike | None],
    space: Space | None,
    keys: Sequence[str | None] | None,
    uris: Sequence[str | None] | None,
    metadata: Metadata,
    texts: Sequence[str | None] | None,
) -> list[Arrival]:
    """Ready-made vectors as arrivals, in the places where there is one. Raises BadVector, BadMetadata, UsageError."""
    some, there = present(given)
    found = check_vectors(some, space.dimension, space.metric) if space and _any(some) else ()
    ready = iter(found)
    rows = found if there is None else [next(ready) if one else None for one in there]
    count = len(rows)
    columns = (
        _checked_keys(keys, count),
        _words(uris, count, "uris"),
        _each(metadata, count),
        _words(texts, count, "texts"),
    )
    return [
        Arrival(key=key, uri=uri, metadata=said, text=text, vector=row)
        for row, key, uri, said, text in zip(rows, *columns, strict=True)
    ]


def _any(given: ArrayLike) -> bool:
    if isinstance(given, list | tuple):  # without making an array of them, which takes long
        return any(map(_any, given))
    return np.size(given) > 0


def _each(metadata: Metadata, count: int) -> list[Json]:
    if metadata is None or isinstance(metadata, Mapping):
        return [attributes.check(metadata or {})] * count
    return [attributes.check(one) for one in _many(metadata, count, "metadata")]


def _checked_keys(keys: Sequence[str | None] | None, count: int) -> Sequence[str | None]:
    given = _many(keys, count, "keys")
    for place, key in enumerate(given):
        if key is not None and (not isinstance(key, str) or not key or "\0" in key or not key.isprintable()):
            raise UsageError(f"keys are texts that are not empty and can be printed; number {place} is {key!r}")
    return given


def _words(values: Sequence[str | None] | None, count: int, name: str) -> Sequence[str | None]:
    given = _many(values, count, name)
    for place, one in enumerate(given):
        if one is not None and not (isinstance(one, str) and attributes.is_text(one)):
            raise UsageError(f"{name} takes texts that UTF-8 can carry; number {place} is {one!r}")
    return given


def _many(values: Sequence[Any] | None, count: int, name: str) -> Sequence[Any]:
    if values is None:
        return [None] * count
    if isinstance(values, str) or len(values) != count:
        raise UsageError(f"{name} takes one for each of {count}; got {len(values)}")
    return values


class Scan:
    """Files below some folders, and which of the known ones were not met."""

    def __init__(self, folders: Any) -> None:
        self._given = [folders] if isinstance(folders, str | PathLike) else list(folders)
        self._met: set[str] = set()
        self._shut: list[str] = []
        for one in self._given:
            if not os.path.exists(os.path.expanduser(one)):
                raise UsageError(
                    f"{one!r} does not exist; a folder that is not there (a disk not mounted?) is not synced"
                )

    @property
    def prefixes(self) -> list[str]:
        """How the URIs of these places and of all below them begin: also those of names that are not UTF-8."""
        places = [os.path.abspath(os.path.expanduser(one)) for one in self._given]
        return [*map(images.to_uri, places), *map(images.encode_uri, places)]

    def __iter__(self) -> Iterator[FoundFile | ScanFailure]:
        for one in images.find_pictures(self._given):
            if isinstance(one, FoundFile):
                self._met.add(one.uri)
            else:
                self._shut.append(to_path(one.uri))
            yield one

    def vanished(self, known: Sequence[str]) -> list[str]:
        """Those of these that were not met, but for those in places that could not be entered."""
        shut = tuple(os.path.join(path, "") for path in self._shut)
        return [uri for uri in known if uri not in self._met and not os.path.join(to_path(uri), "").startswith(shut)]


def exists(uri: str) -> bool:
    """A file is there under that URI (and not under a key that happens to be called like one)."""
    return os.path.isabs(to_path(uri)) and os.path.exists(to_path(uri))


def content_of(
    item: int, uris: Sequence[str], missing: bool, digest: bytes | None, limits: Limits, web: bool = False
) -> bytes:
    """The bytes of an item's picture, from the first of its places that still has them. Raises UnreadablePicture."""
    if not uris or missing:
        raise UnreadablePicture(f"the picture of item {item} is nowhere to be found")
    reason = UnreadablePicture(f"the picture of item {item} has changed since it was added; add it again")
    for uri in uris:
        try:
            content = remote.read_uri(uri, limits, web)
        except UnreadablePicture as error:
            reason = UnreadablePicture(f"the picture of item {item} can't be read: {error}")
            continue
        if digest is None or images.hash_content(content) == digest:
            return content
    raise reason
