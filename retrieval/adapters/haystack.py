"""nearkin as a Haystack document store, with a retriever, and its embedders as components.

from haystack import Document
from retrieval.adapters.haystack import NearkinDocumentImageEmbedder, NearkinDocumentStore, NearkinEmbeddingRetriever

pictures = [Document(meta={"file_path": "beach.jpg"})]
store = NearkinDocumentStore("photos")
store.write_documents(NearkinDocumentImageEmbedder(embedder="lite0").run(pictures)["documents"])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, Self

from indexers.catalogue.metadata import APART
from indexers.embedders.base import Embedder
from indexers.errors import BadFilter, NearkinError, UsageError
from indexers.types import Json
from retrieval.adapters import base
from retrieval.records.items import Item
from retrieval.records.search import Hit

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.dataclasses import ByteStream
    from haystack.document_stores.errors import DocumentStoreError, DuplicateDocumentError
    from haystack.document_stores.types import DuplicatePolicy, FilterPolicy, apply_filter_policy
    from haystack.errors import FilterError
except ImportError as error:
    base.missing("haystack-ai", "haystack", error)

Filters = dict[str, Any] | None
APARTS = ("blob", "sparse_embedding")
"""Fields of a document that are kept, and that nothing looks at."""


@contextmanager
def _told() -> Iterator[None]:
    """Our errors as Haystack's own."""
    try:
        yield
    except BadFilter as error:
        raise FilterError(str(error)) from error
    except NearkinError as error:
        raise DocumentStoreError(str(error)) from error


class NearkinDocumentStore:
    """A collection as a Haystack document store: documents are items, their ids keys, their content an item's text.

    `path`: the collection's folder, made if there is none, or an open Collection. `embedder` (a name), `settings`: see
    Collection.open. A document without content whose `meta` has a `file_path` is a picture, and lies there. Dates
    compare as texts: write them all in one form of ISO 8601.
    """

    def __init__(self, path: base.Place, embedder: str | None = None, **settings: Any) -> None:
        self._made = {"path": path, "embedder": embedder, **settings}
        self.collection = base.opened(path, embedder, **settings)

    def to_dict(self) -> Json:
        """For Haystack's serialisation."""
        made: Json = default_to_dict(self, **{**self._made, "path": str(self.collection.path)})
        return made

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """For Haystack's serialisation."""
        store: Self = default_from_dict(cls, data)
        return store

    def close(self) -> None:
        """Close the collection."""
        self.collection.close()

    # ---- putting in

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Write documents, with or without embeddings, in one transaction; how many were written. By default a known
        id is an error, as with FAIL.

        Raises DuplicateDocumentError, ValueError (no documents), DocumentStoreError (a wrong dimension, ...).
        """
        if not isinstance(documents, list) or any(not isinstance(one, Document) for one in documents):
            raise ValueError(f"documents is a list of Documents; got {documents!r}")
        with _told():
            chosen = documents if policy == DuplicatePolicy.OVERWRITE else self._fresh(documents, policy)
            if chosen:
                self._put(chosen)
        return len(chosen)

    def _fresh(self, documents: list[Document], policy: DuplicatePolicy) -> list[Document]:
        """Those whose id is not there yet, the first of each."""
        there = {one.key for one in base.known(self.collection, {one.id for one in documents})}
        fresh: dict[str, Document] = {}
        for one in documents:
            if one.id not in there:
                fresh.setdefault(one.id, one)
        if len(fresh) < len(documents) and policy != DuplicatePolicy.SKIP:
            twice = next(one.id for one in documents if fresh.get(one.id) is not one)
            raise DuplicateDocumentError(f"the id {twice!r} is there already; nothing was written")
        return list(fresh.values())

    def _put(self, documents: list[Document]) -> None:
        self.collection.add_vectors(
            [one.embedding for one in documents],
            keys=[one.id for one in documents],
            uris=[_place(one) for one in documents],
            metadata=[_metadata(one) for one in documents],
            texts=[one.content for one in documents],
            replace=True,
        )

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete documents by id; unknown ids are passed over."""
        with _told():
            base.forget(self.collection, document_ids)

    def delete_all_documents(self) -> None:
        """Delete all documents."""
        self.collection.remove(where=base.EVERYTHING)

    def delete_by_filter(self, filters: Filters) -> int:
        """Delete all documents that the filters hold for; how many it were. Raises FilterError."""
        with _told():
            return self.collection.remove(where=_where(filters))

    def update_by_filter(self, filters: Filters, meta: Json) -> int:
        """Merge `meta` into that of all documents that the filters hold for; how many it were. Raises FilterError."""
        with _told():
            return self.collection.update_all(meta, where=_where(filters))

    # ---- asking

    def count_documents(self) -> int:
        """How many documents there are."""
        return self.collection.count()

    def filter_documents(self, filters: Filters = None) -> list[Document]:
        """The documents that the filters hold for, with their embeddings. Raises FilterError."""
        with _told():
            found = list(base.every(self.collection, _where(filters)))
            vectors = self.collection.vectors([one.id for one in found])
        return [replace(_document(one), embedding=_floats(vectors.get(one.id))) for one in found]

    def search(
        self, query_embedding: Sequence[float], top_k: int = 10, filters: Filters = None, **how: Any
    ) -> list[Document]:
        """The documents nearest to a vector, with their scores (larger is nearer). `how`: `within_cluster`,
        `per_cluster`, `level` and what else Collection.search takes. Raises DocumentStoreError, FilterError."""
        within = how.pop("within_cluster", None)
        with _told():
            hits = self.collection.search(vector=query_embedding, k=top_k, where=_where(filters), within=within, **how)
        return [replace(_document(one), score=one.score) for one in hits]


@component
class NearkinEmbeddingRetriever:
    """Retrieves the documents of a NearkinDocumentStore that are nearest to an embedding.

    `within_cluster`, `per_cluster`: only from these clusters, at most so many from one.
    """

    def __init__(
        self,
        document_store: NearkinDocumentStore,
        filters: Filters = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
        within_cluster: int | list[int] | None = None,
        per_cluster: int | None = None,
    ) -> None:
        self.document_store, self.filters, self.top_k = document_store, filters, top_k
        self.filter_policy = FilterPolicy.from_str(str(filter_policy))
        self.within_cluster, self.per_cluster = within_cluster, per_cluster

    def to_dict(self) -> Json:
        """For Haystack's serialisation."""
        names = ("filters", "top_k", "within_cluster", "per_cluster")
        policy, store = str(self.filter_policy), self.document_store.to_dict()
        made: Json = default_to_dict(
            self, document_store=store, filter_policy=policy, **{name: getattr(self, name) for name in names}
        )
        return made

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """For Haystack's serialisation."""
        store = NearkinDocumentStore.from_dict(data["init_parameters"]["document_store"])
        made: Self = default_from_dict(
            cls, {**data, "init_parameters": {**data["init_parameters"], "document_store": store}}
        )
        return made

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(
        self,
        query_embedding: list[float],
        filters: Filters = None,
        top_k: int | None = None,
        within_cluster: int | list[int] | None = None,
        per_cluster: int | None = None,
    ) -> dict[str, list[Document]]:
        """The nearest documents, best first. Raises DocumentStoreError, FilterError."""
        documents = self.document_store.search(
            query_embedding,
            self.top_k if top_k is None else top_k,
            apply_filter_policy(self.filter_policy, self.filters, filters),
            within_cluster=self.within_cluster if within_cluster is None else within_cluster,
            per_cluster=self.per_cluster if per_cluster is None else per_cluster,
        )
        return {"documents": documents}


# ---- embedders


class _Embeds:
    def __init__(self, embedder: str | Embedder = "clip", settings: Json | None = None) -> None:
        self.embedder = base.made(embedder, settings or {})

    def to_dict(self) -> Json:
        """For Haystack's serialisation."""
        made: Json = default_to_dict(self, embedder=self.embedder.name, settings=self.embedder.settings)
        return made


@component
class NearkinTextEmbedder(_Embeds):
    """Embeds a text by one of nearkin's embedders that reads words, by name (`settings`: see its class)."""

    @component.output_types(embedding=list[float])  # type: ignore[untyped-decorator]
    def run(self, text: str) -> dict[str, list[float]]:
        """The text's vector. Raises NoTextTower (a ValueError)."""
        return {"embedding": base.of_texts(self.embedder, [text])[0]}


@component
class NearkinImageEmbedder(_Embeds):
    """Embeds a picture to search with, by one of nearkin's embedders."""

    @component.output_types(embedding=list[float])  # type: ignore[untyped-decorator]
    def run(self, image: str | Path | ByteStream) -> dict[str, list[float]]:
        """The picture's vector. Raises ValueError: it can't be read."""
        return {"embedding": base.of_pictures(self.embedder, [_seen(image)])[0]}


@component
class NearkinDocumentImageEmbedder(_Embeds):
    """Embeds documents by the pictures at their `meta["file_path"]`, or in their blobs."""

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """Copies of the documents with embeddings. Raises ValueError: a document has no picture, or it can't be
        read."""
        vectors = base.of_pictures(self.embedder, [_seen(_picture(one)) for one in documents])
        return {"documents": [replace(one, embedding=row) for one, row in zip(documents, vectors, strict=True)]}


def _picture(one: Document) -> str | Path | ByteStream:
    found: str | Path | ByteStream | None = one.blob or one.meta.get("file_path")
    if found is None:
        raise UsageError(f"the document {one.id!r} has neither a blob nor a meta 'file_path', so no picture to embed")
    return found


def _seen(picture: str | PathLike[str] | ByteStream) -> Any:
    return picture.data if isinstance(picture, ByteStream) else picture


# ---- documents


def _metadata(one: Document) -> Json:
    apart = {name: value.to_dict() for name in APARTS if (value := getattr(one, name)) is not None}
    return {**one.meta, **({APART: apart} if apart else {})}


def _place(one: Document) -> str | None:
    return base.place(one.meta.get("file_path")) if one.content is None else None


def _document(one: Hit | Item) -> Document:
    apart = one.metadata.get(APART, {})
    kept = {name: apart[name] for name in APARTS if name in apart}
    return Document.from_dict({"id": one.key, "content": one.text, "meta": base.shown(one), **kept})


def _floats(vector: Any) -> list[float] | None:
    return None if vector is None else [float(one) for one in vector]


# ---- filters


def _where(filters: Filters) -> Json:
    """Raises FilterError."""
    if not filters:
        return base.EVERYTHING
    if "field" not in filters:
        return _joined(_part(filters, "operator"), [_where(one) for one in _part(filters, "conditions")])
    return _test(_named(filters["field"]), _part(filters, "operator"), _part(filters, "value"))


def _part(filters: Json, name: str) -> Any:
    if name not in filters:
        raise FilterError(f"{name!r} is missing in the filter {filters!r}")
    return filters[name]


def _joined(operator: str, parts: list[Json]) -> Json:
    match operator:
        case "AND":
            return base.every_of(parts)
        case "OR":
            return base.any_of(parts)
        case "NOT":
            return base.none_of(base.every_of(parts))
    raise base.unknown(operator, ("AND", "OR", "NOT"))


def _named(name: str) -> str:
    """The item's field: its own, or one of its metadata."""
    own = {"id": "key", "content": "text"}
    return own[name] if name in own else base.field(name.removeprefix("meta."))


def _test(key: str, operator: str, value: Any) -> Json:
    if operator in ("==", "!="):
        return _equal(key, value) if operator == "==" else base.none_of(_equal(key, value))
    if operator in ("in", "not in"):
        if not isinstance(value, list):
            raise FilterError(f"{operator!r} at {key!r} takes a list; got {value!r}")
        among = base.any_of([_equal(key, one) for one in value])
        return among if operator == "in" else base.none_of(among)
    if operator not in base.COMPARISONS:
        raise base.unknown(operator, (*base.COMPARISONS, "in", "not in"))
    return _ordered(key, operator, value)


def _equal(key: str, value: Any) -> Json:
    """A field that is missing equals None."""
    return {key: value} if value is not None else base.any_of([{key: {"$exists": False}}, {key: None}])


def _ordered(key: str, operator: str, value: Any) -> Json:
    if value is None:
        return base.NOTHING
    if isinstance(value, datetime):
        value = value.isoformat()
    if isinstance(value, str) and not _is_date(value):
        raise FilterError(f"{operator!r} at {key!r} compares with a number or a date of ISO 8601; got {value!r}")
    return {key: {base.COMPARISONS[operator]: value}}


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
