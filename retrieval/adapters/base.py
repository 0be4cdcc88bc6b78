"""What the adapters share: opening a collection, embedding, documents as items, and filters in our grammar.

It knows no framework.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from os import PathLike, fspath
from typing import Any, NoReturn
from uuid import uuid4

from indexers import plugins
from indexers.arrays import split_chunks
from indexers.catalogue.conditions import ITEM_FIELDS
from indexers.catalogue.metadata import OPAQUE_KEY
from indexers.embedders.base import Embedder
from indexers.errors import BadFilter, MissingPackage, PictureError, UsageError
from indexers.pictures import images
from indexers.pictures.addresses import is_remote
from indexers.pictures.remote import read_uri
from indexers.types import Json, Limits
from retrieval.collection import Collection
from retrieval.filters import parse_filter
from retrieval.records.items import Item
from retrieval.records.reports import AddReport
from retrieval.records.search import Hit

CollectionOrPath = str | PathLike[str] | Collection
"""A collection's folder, or an open collection."""
KEYS_AT_ONCE = 10_000
"""The largest number of keys in one filter."""
COMPARISONS = {"==": "$eq", "!=": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
"""The operators that the frameworks have in common, and ours."""
MATCH_NONE: Json = {"id": {"$in": []}}
"""The filter that no item passes."""
MATCH_ALL: Json = {}
"""The filter that all items pass."""


def raise_missing_package(package: str, extra: str, error: ImportError) -> NoReturn:
    """Raise MissingPackage, which says how to install the package."""
    command = f"pip install 'nearkin[{extra}]'"
    raise MissingPackage(f"this adapter needs the package {package!r}: {command}", name=package) from error


# ---- collections and embedders


def open_collection(path: CollectionOrPath, embedder: str | Embedder | None = None, **settings: Any) -> Collection:
    """Open the collection in a folder, and create it if there is none; return an open one as it is.

    Raises UsageError if an open one comes with settings.
    """
    if isinstance(path, Collection):
        if embedder is not None or settings:
            raise UsageError("an open collection already has its embedder and settings; leave them out")
        return path
    return Collection.open(path, create=True, embedder=embedder, **settings)


def load_embedder(embedder: str | Embedder, settings: Json) -> Embedder:
    """Return an embedder by name, with these settings, or the instance itself. Raises UnknownPlugin, MissingPackage."""
    if isinstance(embedder, Embedder):
        return embedder
    instance: Embedder = plugins.load_member("nearkin.embedders", embedder)(**settings)
    return instance


def embed_texts(embedder: Embedder, texts: Sequence[str]) -> list[list[float]]:
    """Return a vector for each text. Raises NoTextTower."""
    return [row.tolist() for part in split_chunks(texts, embedder.batch_size) for row in embedder.embed_texts(part)]


def embed_pictures(embedder: Embedder, pictures: Iterable[Any]) -> list[list[float]]:
    """Return a vector for each picture: a path, an address, bytes or a stream of them, or a PIL image.

    Raises UsageError for a picture that can't be read.
    """
    with report_as_usage_error():
        upright = [_load_picture(picture, embedder.input_size) for picture in pictures]
    return [row.tolist() for part in split_chunks(upright, embedder.batch_size) for row in embedder.embed(part)]


def _load_picture(picture: Any, edge: int) -> Any:
    if isinstance(picture, BytesIO):
        picture = picture.getvalue()
    return images.as_picture(read_uri(picture, Limits(), False) if is_remote(picture) else picture, edge)


@contextmanager
def report_as_usage_error() -> Iterator[None]:
    """Turn a PictureError into a UsageError, which is a ValueError to the frameworks."""
    try:
        yield
    except PictureError as error:
        raise UsageError(str(error)) from error


def check_report(report: AddReport) -> AddReport:
    """Return the report, or raise UsageError if a picture could not be read; the others have been added."""
    if report.failures:
        reasons = "; ".join(f"{failure.uri}: {failure.reason}" for failure in report.failures)
        raise UsageError(f"{report.failed} pictures can't be read, the others were added: {reasons}")
    return report


# ---- documents and items


def complete_keys(ids: Iterable[str | None] | None, count: int) -> list[str]:
    """Return the documents' ids, with new ones for those that have none. Raises UsageError for another number."""
    keys = [None] * count if ids is None else list(ids)
    if len(keys) != count:
        raise UsageError(f"ids must have one value for each of {count}; got {len(keys)}")
    return [key or str(uuid4()) for key in keys]


def find_items(collection: Collection, keys: Iterable[str]) -> list[Item]:
    """Return the items with these keys, in the order of the keys; unknown keys are skipped."""
    keys = list(keys)
    items: dict[str, Item] = {}
    for part in split_chunks(keys, KEYS_AT_ONCE):
        items |= {item.key: item for item in collection.items(where=match_keys(part), limit=len(part)).items}
    return [items[key] for key in keys if key in items]


def iterate_items(collection: Collection, where: Json | None) -> Iterator[Item]:
    """Yield all items that pass a filter, in the order of their ids."""
    cursor: int | None = 0
    while cursor is not None:
        page = collection.items(where=where, cursor=cursor, limit=KEYS_AT_ONCE)
        yield from page.items
        cursor = page.cursor


def remove_items(collection: Collection, keys: Iterable[str]) -> int:
    """Remove the items with these keys, and return their number."""
    return sum(collection.remove(where=match_keys(part)) for part in split_chunks(list(keys), KEYS_AT_ONCE))


def match_keys(keys: Iterable[str]) -> Json:
    """Return the filter that the items with these keys pass."""
    return {"key": {"$in": list(keys)}}


def drop_reserved(metadata: Mapping[str, Any]) -> Json:
    """Return the caller's metadata, without what an adapter stores beside it."""
    return {key: value for key, value in metadata.items() if key != OPAQUE_KEY}


def build_metadata(record: Hit | Item) -> Json:
    """Return the metadata of a document: the caller's and what is known of the item.

    A picture has its `uri`, and as a hit its `score`; every hit has its `clusters`, coarse to fine. The caller's own
    keys take precedence.
    """
    facts: Json = {"uri": record.uri} if record.uri else {}
    if isinstance(record, Hit):
        facts |= {"score": record.score} if record.uri else {}
        facts |= {"clusters": list(record.clusters)} if record.clusters else {}
    return facts | drop_reserved(record.metadata)


def to_uri(path: str | PathLike[str] | None) -> str | None:
    """Return the URI of a picture's path, and an address as it is."""
    if path is None or is_remote(path):
        return None if path is None else str(path)
    return images.to_uri(images.to_path(fspath(path)))


# ---- filters


def metadata_field(name: str) -> str:
    """Return the filter's name for a metadata key, also if one of the item's own fields has the same name."""
    return f"metadata.{name}"


def match_field(name: str, test: Any) -> Json:
    """Return the filter that a document's field passes a test, a value or operators with operands.

    The field is a key of the metadata, or, for items without such a key, one of the item's own fields (`uri`, `width`,
    `format`, `taken_at` ...), as `build_metadata` shows them;
    a text for `id` is compared with the item's key. A value that the item's own field can never have leaves it out.
    """
    by_metadata = {metadata_field(name): test}
    own, own_test = name, _fit_own_field(name, test)
    if name == "id" and own_test != test:  # a document's id is the item's key
        own, own_test = "key", _fit_own_field("key", test)
    if own_test is None:
        return by_metadata
    exists = {metadata_field(name): {"$exists": True}}
    return join_any([join_all([exists, by_metadata]), join_all([negate(exists), {own: own_test}])])


def _fit_own_field(name: str, test: Any) -> Any:
    """Return the test for the item's own field, without the values of lists that it can't have; None if there is no
    such field, or it can't be compared so."""
    if name not in ITEM_FIELDS:
        return None
    if isinstance(test, Mapping):
        lists = {op: [value for value in operand if _is_valid({name: value})] for op, operand in test.items()
                 if op in ("$in", "$nin") and isinstance(operand, list)}  # fmt: skip
        test = {**test, **lists}
    return test if _is_valid({name: test}) else None


def _is_valid(where: Json) -> bool:
    try:
        parse_filter(where)
    except BadFilter:
        return False
    return True


def match_fields(where: Any) -> Any:
    """Return a filter in our grammar with each plain name of a field as `match_field` reads it. What is no filter is
    returned as it is."""
    if not isinstance(where, Mapping):
        return where
    parts: list[Any] = []
    for key, value in where.items():
        if key in ("$and", "$or") and isinstance(value, list | tuple):
            parts.append({key: [match_fields(part) for part in value]})
        elif key == "$not":
            parts.append({key: match_fields(value)})
        else:
            parts.append(match_field(key, value) if key in ITEM_FIELDS else {key: value})
    return parts[0] if len(parts) == 1 else join_all(parts)


def join_all(parts: Sequence[Json]) -> Json:
    """Return the filter that holds if all of these do; without any, always."""
    return {"$and": list(parts)} if parts else MATCH_ALL


def join_any(parts: Sequence[Json]) -> Json:
    """Return the filter that holds if at least one of these does; without any, never."""
    return {"$or": list(parts)} if parts else MATCH_NONE


def negate(part: Json) -> Json:
    """Return the filter that holds if this one does not."""
    return {"$not": part}


def make_operator_error(operator: Any, operators: Iterable[str]) -> BadFilter:
    """Return the error for an unknown operator, which lists those that exist."""
    return BadFilter(f"unknown operator {operator!r}; the operators are: {', '.join(operators)}")
