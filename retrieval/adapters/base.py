"""What the adapters share: a collection to hang on, filters in our grammar, documents as items, embedders for words and
pictures. It knows no framework."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from os import PathLike, fspath
from typing import Any, NoReturn
from uuid import uuid4

from indexers import plugins
from indexers.arrays import split_chunks
from indexers.catalogue.metadata import APART
from indexers.embedders.base import Embedder
from indexers.errors import BadFilter, MissingPackage, PictureError, UsageError
from indexers.pictures import images
from indexers.pictures.remote import is_remote, read_uri
from indexers.types import Json, Limits
from retrieval.collection import Collection
from retrieval.records.items import Item
from retrieval.records.reports import AddReport
from retrieval.records.search import Hit

Place = str | PathLike[str] | Collection
"""A collection's folder, or one that is open already."""
MANY = 10_000
"""Keys in one filter."""
COMPARISONS = {"==": "$eq", "!=": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
"""The operators that frameworks have in common."""
NOTHING: Json = {"id": {"$in": []}}
EVERYTHING: Json = {}


def missing(package: str, extra: str, error: ImportError) -> NoReturn:
    """Raises MissingPackage with what to do."""
    command = f"pip install 'nearkin[{extra}]'"
    raise MissingPackage(f"this adapter needs the package {package!r}: {command}", name=package) from error


# ---- collections and embedders


def opened(path: Place, embedder: str | Embedder | None = None, **settings: Any) -> Collection:
    """The collection in that folder, made if there is none; one that is open already is taken as it is."""
    if isinstance(path, Collection):
        if embedder is not None or settings:
            raise UsageError("a collection that is open already has its embedder and settings; leave them out")
        return path
    return Collection.open(path, create=True, embedder=embedder, **settings)


def made(embedder: str | Embedder, settings: Json) -> Embedder:
    """An embedder by name, with settings of one's own, or the one given. Raises UnknownPlugin, MissingPackage."""
    if isinstance(embedder, Embedder):
        return embedder
    found: Embedder = plugins.load("nearkin.embedders", embedder)(**settings)
    return found


def of_texts(embedder: Embedder, texts: Sequence[str]) -> list[list[float]]:
    """A vector for each text. Raises NoTextTower."""
    return [row.tolist() for part in split_chunks(texts, embedder.batch_size) for row in embedder.embed_texts(part)]


def of_pictures(embedder: Embedder, pictures: Iterable[Any]) -> list[list[float]]:
    """A vector for each picture, given as a path, an address, bytes or a stream of them, or a PIL image."""
    with readable():
        upright = [_picture(one, embedder.input_size) for one in pictures]
    return [row.tolist() for part in split_chunks(upright, embedder.batch_size) for row in embedder.embed(part)]


def _picture(given: Any, edge: int) -> Any:
    if isinstance(given, BytesIO):
        given = given.getvalue()
    return images.as_picture(read_uri(given, Limits(), False) if is_remote(given) else given, edge)


@contextmanager
def readable() -> Iterator[None]:
    """A picture that can't be read is the caller's fault: to the frameworks, a ValueError."""
    try:
        yield
    except PictureError as error:
        raise UsageError(str(error)) from error


def added(report: AddReport) -> AddReport:
    """Raises UsageError where a picture could not be read; the others are there."""
    if report.failures:
        reasons = "; ".join(f"{one.uri}: {one.reason}" for one in report.failures)
        raise UsageError(f"{report.failed} pictures can't be read, the others were added: {reasons}")
    return report


# ---- documents and items


def keys_of(ids: Iterable[str | None] | None, count: int) -> list[str]:
    """The ids that documents come with, new ones for those that have none. Raises UsageError: not so many."""
    given = [None] * count if ids is None else list(ids)
    if len(given) != count:
        raise UsageError(f"ids takes one for each of {count}; got {len(given)}")
    return [one or str(uuid4()) for one in given]


def known(collection: Collection, keys: Iterable[str]) -> list[Item]:
    """The items with these keys, in their order; keys that no item has are passed over."""
    keys = list(keys)
    found: dict[str, Item] = {}
    for part in split_chunks(keys, MANY):
        found |= {one.key: one for one in collection.items(where=keyed(part), limit=len(part)).items}
    return [found[key] for key in keys if key in found]


def every(collection: Collection, where: Json | None) -> Iterator[Item]:
    """All items that a filter holds for, in order of id."""
    cursor: int | None = 0
    while cursor is not None:
        page = collection.items(where=where, cursor=cursor, limit=MANY)
        yield from page.items
        cursor = page.cursor


def forget(collection: Collection, keys: Iterable[str]) -> int:
    """Remove the items with these keys; how many there were."""
    return sum(collection.remove(where=keyed(part)) for part in split_chunks(list(keys), MANY))


def keyed(keys: Iterable[str]) -> Json:
    return {"key": {"$in": list(keys)}}


def said(metadata: Mapping[str, Any]) -> Json:
    """What a caller gave as metadata."""
    return {key: value for key, value in metadata.items() if key != APART}


def shown(one: Hit | Item) -> Json:
    """The metadata of a document: for a picture, with its `uri`; found by a search, with its `score` as well; and the
    `clusters` it lies in, coarse to fine. Keys of its own are not covered."""
    facts: Json = {"uri": one.uri} if one.uri else {}
    if isinstance(one, Hit):
        facts |= {"score": one.score} if one.uri else {}
        facts |= {"clusters": list(one.clusters)} if one.clusters else {}
    return facts | said(one.metadata)


def place(path: str | PathLike[str] | None) -> str | None:
    """The URI of a picture's path; an address as it is."""
    if path is None or is_remote(path):
        return None if path is None else str(path)
    return images.to_uri(images.to_path(fspath(path)))


# ---- filters


def field(name: str) -> str:
    """A metadata key, whatever the item's own fields are called."""
    return f"metadata.{name}"


def every_of(parts: Sequence[Json]) -> Json:
    """All of these hold; of none: always."""
    return {"$and": list(parts)} if parts else EVERYTHING


def any_of(parts: Sequence[Json]) -> Json:
    """At least one of these holds; of none: never."""
    return {"$or": list(parts)} if parts else NOTHING


def none_of(part: Json) -> Json:
    return {"$not": part}


def unknown(operator: Any, there: Iterable[str]) -> BadFilter:
    return BadFilter(f"unknown operator {operator!r}; there are: {', '.join(there)}")
