"""What a caller may pass to `add`, sorted into files to scan and pictures to take one by one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, cast
from unicodedata import category

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL.Image import Image

from indexers.catalogue.metadata import check_metadata, is_text
from indexers.errors import BadVector, UnreadablePicture, UsageError
from indexers.pictures import images, remote
from indexers.pictures.addresses import is_remote
from indexers.pictures.images import to_path
from indexers.pictures.scan import OUTSIDE, is_lost
from indexers.pipeline import Source
from indexers.types import Arrival, FoundFile, Json, Limits, ScanFailure, Space
from indexers.vectors.base import check_vectors

Picture = str | PathLike[str] | bytes | Image | NDArray[np.uint8]
"""A path or address, encoded bytes, a PIL image, or an array (height, width, 3)."""
Metadata = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


_NO_KEY = ("Cc", "Cs")  # control characters (with NUL), and surrogates, which UTF-8 can't carry


class Intake(NamedTuple):
    """Files to scan, all with the same `metadata`; or, if `files` is None, `sources`: pictures one by one."""

    files: Iterable[FoundFile | ScanFailure] | None
    metadata: Json
    sources: list[Source]


def sort_pictures(
    pictures: Any,
    metadata: Metadata,
    keys: Sequence[str | None] | None,
    texts: Sequence[str | None] | None,
    roots: Sequence[Path] | None = None,
) -> Intake:
    """Sort pictures into files to scan and pictures to take one by one. `roots`: the folders that files may lie in.

    Raises UsageError if something is no picture, if folders come with values for each picture, or if lengths differ.
    """
    single = isinstance(pictures, str | PathLike | bytes | Image) or _is_single_array(pictures)
    pictures = [pictures] if single else list(pictures)
    for place, picture in enumerate(pictures):
        if isinstance(picture, np.ndarray):
            pictures[place] = images.as_picture(picture)
        elif picture == "":
            raise UsageError(f"picture number {place} is an empty path; give the current folder as '.'")
        elif not isinstance(picture, str | PathLike | bytes | Image):
            kind = type(picture).__name__
            raise UsageError(
                f"pictures are paths, bytes, PIL images or arrays; number {place} is a {kind}: {picture!r}"
            )
    are_paths = all(isinstance(picture, str | PathLike) for picture in pictures)
    one_by_one = keys is not None or texts is not None or not (metadata is None or isinstance(metadata, Mapping))
    if are_paths and not one_by_one:
        return Intake(find_files(cast(list[str], pictures), roots), check_metadata(metadata or {}), [])
    columns = check_columns(len(pictures), metadata, keys, texts)
    return Intake(None, {}, [_to_source(*row, roots) for row in zip(pictures, *columns, strict=True)])


def check_columns(
    count: int, metadata: Metadata, keys: Sequence[str | None] | None, texts: Sequence[str | None] | None
) -> tuple[Sequence[str | None], Sequence[str | None], list[Json]]:
    """Return the keys, texts and metadata of so many pictures, one for each. Raises UsageError, BadMetadata."""
    return _check_keys(keys, count), _check_texts(texts, count, "texts"), _check_metadata(metadata, count)


def _is_single_array(pictures: Any) -> bool:
    """Return True for an array (height, width) or (height, width, 3 or 4), rather than several in one."""
    return isinstance(pictures, np.ndarray) and (
        pictures.ndim == 2 or (pictures.ndim == 3 and pictures.shape[2] in (3, 4))
    )


def find_files(paths: Sequence[str], roots: Sequence[Path] | None) -> Iterator[FoundFile | ScanFailure]:
    """Yield the files of this machine, then those at addresses."""
    local = [to_path(path) if isinstance(path, str) else path for path in paths if not is_remote(path)]
    yield from images.find_pictures(local, roots)
    for path in paths:
        if is_remote(path) and roots is not None:
            yield ScanFailure(path, OUTSIDE)
        elif is_remote(path):
            yield from remote.find_pictures(path)


def _to_source(picture: Any, key: str | None, text: str | None, metadata: Json, roots: Sequence[Path] | None) -> Source:
    if isinstance(picture, bytes | Image):
        return Source(content=picture, key=key, text=text, metadata=metadata)
    files = list(find_files([picture], roots))
    if len(files) != 1 or os.path.isdir(picture):
        raise UsageError(
            f"with keys, texts or metadata for each picture, each path must be one file; {picture!r} is {len(files)}"
        )
    if isinstance(files[0], ScanFailure):
        raise UsageError(f"{picture!r} can't be added: {files[0].reason}")
    return Source(file=files[0], key=key, text=text, metadata=metadata)


def drop_missing(vectors: ArrayLike | Sequence[ArrayLike | None]) -> tuple[ArrayLike, list[bool] | None]:
    """Return the vectors that are not None, and for each place whether it has one (None: all have)."""
    if not isinstance(vectors, list | tuple) or not any(vector is None for vector in vectors):
        return cast(ArrayLike, vectors), None
    present = [vector is not None for vector in vectors]
    return cast(ArrayLike, [vector for vector in vectors if vector is not None]), present


def build_arrivals(
    vectors: ArrayLike | Sequence[ArrayLike | None],
    space: Space | None,
    keys: Sequence[str | None] | None,
    uris: Sequence[str | None] | None,
    metadata: Metadata,
    texts: Sequence[str | None] | None,
) -> list[Arrival]:
    """Return an arrival for each place of `vectors`, with its vector if it has one.

    Raises BadVector, BadMetadata, UsageError.
    """
    existing, has_vector = drop_missing(vectors)
    checked = check_vectors(existing, space.dimension, space.metric) if space and _has_values(existing) else ()
    if has_vector is not None and len(checked) != sum(has_vector):
        raise BadVector(f"{sum(has_vector) - len(checked)} of the vectors are empty; give None for an item without one")
    remaining = iter(checked)
    rows = checked if has_vector is None else [next(remaining) if has else None for has in has_vector]
    count = len(rows)
    columns = (
        _check_keys(keys, count),
        _check_texts(uris, count, "uris"),
        _check_metadata(metadata, count),
        _check_texts(texts, count, "texts"),
    )
    return [
        Arrival(key=key, uri=uri, metadata=values, text=text, vector=row)
        for row, key, uri, values, text in zip(rows, *columns, strict=True)
    ]


def _has_values(vectors: ArrayLike) -> bool:
    if isinstance(vectors, list | tuple):  # without making an array of them, which is slow
        return any(map(_has_values, vectors))
    return np.size(vectors) > 0


def _check_metadata(metadata: Metadata, count: int) -> list[Json]:
    if metadata is None or isinstance(metadata, Mapping):
        return [check_metadata(metadata or {})] * count
    return [check_metadata(values) for values in _check_length(metadata, count, "metadata")]


def _check_keys(keys: Sequence[str | None] | None, count: int) -> Sequence[str | None]:
    column = _check_length(keys, count, "keys")
    for place, key in enumerate(column):
        if key is not None and not (isinstance(key, str) and key and all(category(x) not in _NO_KEY for x in key)):
            raise UsageError(f"keys are texts without control characters, not empty; number {place} is {key!r}")
    return column


def _check_texts(values: Sequence[str | None] | None, count: int, name: str) -> Sequence[str | None]:
    column = _check_length(values, count, name)
    for place, value in enumerate(column):
        if value is not None and not (isinstance(value, str) and is_text(value)):
            raise UsageError(f"{name} must be texts that UTF-8 can carry; number {place} is {value!r}")
    return column


def _check_length(values: Sequence[Any] | None, count: int, name: str) -> Sequence[Any]:
    """Return `count` values: those of the caller, or as many None. Raises UsageError for another number."""
    if values is None:
        return [None] * count
    if isinstance(values, str) or len(values) != count:
        raise UsageError(f"{name} must have one value for each of {count}; got {len(values)}")
    return values


class Scan:
    """The files below some folders; afterwards it knows which earlier files are no longer there."""

    def __init__(self, folders: Any, roots: Sequence[Path] | None = None) -> None:
        self._roots = roots
        self._folders = [folders] if isinstance(folders, str | PathLike) else list(folders)
        self._seen: set[str] = set()
        self._unreadable: set[str] = set()
        for folder in self._folders:
            if not os.path.exists(os.path.expanduser(folder)):
                raise UsageError(
                    f"{str(folder)!r} does not exist; a missing folder (a disk not mounted?) is not synced"
                )

    @property
    def prefixes(self) -> list[str]:
        """The beginnings of the URIs of these folders and of all below them, also of names that are not UTF-8."""
        places = [os.path.abspath(os.path.expanduser(folder)) for folder in self._folders]
        return [*map(images.to_uri, places), *map(images.encode_uri, places)]

    def __iter__(self) -> Iterator[FoundFile | ScanFailure]:
        for file in images.find_pictures(self._folders, self._roots):
            if isinstance(file, FoundFile):
                self._seen.add(file.uri)
            else:
                self._unreadable.add(to_path(file.uri))
            yield file

    def find_vanished(self, known: Sequence[str]) -> list[str]:
        """Return the URIs that the scan did not meet, except in folders that could not be read.

        Where a file can't be read, it has vanished if something else is in its place, such as a link to nothing.
        """
        unreadable = tuple(f"{path.rstrip('/')}/" for path in self._unreadable)
        paths = {uri: to_path(uri) for uri in known if uri not in self._seen}
        return [
            uri
            for uri, path in paths.items()
            if (is_lost(path) if path in self._unreadable else not path.startswith(unreadable))
        ]


def is_existing_file(uri: str) -> bool:
    """Return True if there is a file under that URI (and not under a key that happens to have its name)."""
    return os.path.isabs(to_path(uri)) and os.path.exists(to_path(uri))


def read_content(
    item_id: int, uris: Sequence[str], missing: bool, digest: bytes | None, limits: Limits, web: bool = False
) -> bytes:
    """Return the bytes of an item's picture, from the first of its places that still has them.

    Raises UnreadablePicture.
    """
    if not uris or missing:
        raise UnreadablePicture(f"the picture of item {item_id} has no file that still exists")
    reason = UnreadablePicture(f"the picture of item {item_id} has changed since it was added; add it again")
    for uri in uris:
        try:
            content = remote.read_uri(uri, limits, web)
        except UnreadablePicture as error:
            reason = UnreadablePicture(f"the picture of item {item_id} can't be read: {error}")
            continue
        if digest is None or images.hash_content(content) == digest:
            return content
    raise reason
