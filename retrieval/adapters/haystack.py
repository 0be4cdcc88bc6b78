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

from indexers.catalogue.metadata import OPAQUE_KEY
from indexers.embedders.base import Embedder, revive_embedder
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
    base.raise_missing_package("haystack-ai", "haystack", error)

Filters = dict[str, Any] | None
APARTS = ("blob", "sparse_embedding")
"""Fields of a document that are stored as they are and never searched."""


@contextmanager
def _raise_haystack_errors() -> Iterator[None]:
    """Turn our errors into Haystack's."""
    try:
        yield
    except BadFilter as error:
        raise FilterError(str(error)) from error
    except NearkinError as error:
        raise DocumentStoreError(str(error)) from error


class NearkinDocumentStore:
    """A collection as a Haystack document store: documents are items, their ids keys, their content an item's text.

    `path`: the collection's folder, created if there is none, or an open Collection. `embedder` (a name), `settings`:
    see Collection.open.

    A document without content whose `meta` has a `file_path` is the picture at that path. Dates compare as texts: write
    all of them in one form of ISO 8601.
    """

    def __init__(self, path: base.CollectionOrPath, embedder: str | None = None, **settings: Any) -> None:
        self._arguments = {"path": path, "embedder": embedder, **settings}
        self.collection = base.open_collection(path, embedder, **settings)

    def to_dict(self) -> Json:
        """Return the store as a dictionary, for Haystack's serialisation."""
        values: Json = default_to_dict(self, **{**self._arguments, "path": str(self.collection.path)})
        return values

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Return the store of such a dictionary."""
        store: Self = default_from_dict(cls, data)
        return store

    def close(self) -> None:
        """Close the collection."""
        self.collection.close()

    # ---- writing

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Write documents, with or without embeddings, in one transaction, and return their number.

        By default a known id is an error, as with FAIL.

        Raises DuplicateDocumentError, ValueError (no documents), DocumentStoreError (a wrong dimension, ...).
        """
        if not isinstance(documents, list) or any(not isinstance(document, Document) for document in documents):
            raise ValueError(f"documents is a list of Documents; got {documents!r}")
        with _raise_haystack_errors():
            if policy != DuplicatePolicy.OVERWRITE:
                documents = self._select_new(documents, policy)
            if documents:
                self._store(documents)
        return len(documents)

    def _select_new(self, documents: list[Document], policy: DuplicatePolicy) -> list[Document]:
        """Return the documents whose id the collection lacks, the first of each id. Raises DuplicateDocumentError."""
        known = {item.key for item in base.find_items(self.collection, {document.id for document in documents})}
        new: dict[str, Document] = {}
        for document in documents:
            if document.id not in known:
                new.setdefault(document.id, document)
        if len(new) < len(documents) and policy != DuplicatePolicy.SKIP:
            duplicate = next(document.id for document in documents if new.get(document.id) is not document)
            raise DuplicateDocumentError(f"the id {duplicate!r} exists already; nothing was written")
        return list(new.values())

    def _store(self, documents: list[Document]) -> None:
        self.collection.add_vectors(
            [document.embedding for document in documents],
            keys=[document.id for document in documents],
            uris=[_to_uri(document) for document in documents],
            metadata=[_build_metadata(document) for document in documents],
            texts=[document.content for document in documents],
            replace=True,
        )

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete documents by id; unknown ids are skipped."""
        with _raise_haystack_errors():
            base.remove_items(self.collection, document_ids)

    def delete_all_documents(self) -> None:
        """Delete all documents."""
        self.collection.remove(where=base.MATCH_ALL)

    def delete_by_filter(self, filters: Filters) -> int:
        """Delete all documents that pass the filters, and return their number. Raises FilterError."""
        with _raise_haystack_errors():
            return self.collection.remove(where=_to_where(filters))

    def update_by_filter(self, filters: Filters, meta: Json) -> int:
        """Merge `meta` into that of all documents that pass the filters; return their number. Raises FilterError."""
        with _raise_haystack_errors():
            return self.collection.update_all(meta, where=_to_where(filters))

    # ---- reading

    def count_documents(self) -> int:
        """Return the number of documents."""
        return self.collection.count()

    def filter_documents(self, filters: Filters = None) -> list[Document]:
        """Return the documents that pass the filters, with their embeddings. Raises FilterError."""
        with _raise_haystack_errors():
            items = list(base.iterate_items(self.collection, _to_where(filters)))
            vectors = self.collection.vectors([item.id for item in items])
        return [replace(_to_document(item), embedding=_to_floats(vectors.get(item.id))) for item in items]

    def search(
        self, query_embedding: Sequence[float], top_k: int = 10, filters: Filters = None, **options: Any
    ) -> list[Document]:
        """Return the documents nearest to a vector, with their scores (larger is nearer).

        `options`: `within_cluster`, `per_cluster`, `level` and all else that Collection.search takes. Raises
        DocumentStoreError, FilterError.
        """
        within = options.pop("within_cluster", None)
        with _raise_haystack_errors():
            hits = self.collection.search(
                vector=query_embedding, k=top_k, where=_to_where(filters), within=within, **options
            )
        return [replace(_to_document(hit), score=hit.score) for hit in hits]


@component
class NearkinEmbeddingRetriever:
    """A component that retrieves the documents of a NearkinDocumentStore nearest to an embedding.

    `within_cluster`: only from these clusters. `per_cluster`: at most so many from one cluster.
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
        """Return the component as a dictionary, for Haystack's serialisation."""
        names = ("filters", "top_k", "within_cluster", "per_cluster")
        policy, store = str(self.filter_policy), self.document_store.to_dict()
        values: Json = default_to_dict(
            self, document_store=store, filter_policy=policy, **{name: getattr(self, name) for name in names}
        )
        return values

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Return the component of such a dictionary."""
        store = NearkinDocumentStore.from_dict(data["init_parameters"]["document_store"])
        retriever: Self = default_from_dict(
            cls, {**data, "init_parameters": {**data["init_parameters"], "document_store": store}}
        )
        return retriever

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(
        self,
        query_embedding: list[float],
        filters: Filters = None,
        top_k: int | None = None,
        within_cluster: int | list[int] | None = None,
        per_cluster: int | None = None,
    ) -> dict[str, list[Document]]:
        """Return the nearest documents, best first. Raises DocumentStoreError, FilterError."""
        documents = self.document_store.search(
            query_embedding,
            self.top_k if top_k is None else top_k,
            apply_filter_policy(self.filter_policy, self.filters, filters),
            within_cluster=self.within_cluster if within_cluster is None else within_cluster,
            per_cluster=self.per_cluster if per_cluster is None else per_cluster,
        )
        return {"documents": documents}


# ---- embedders


class _EmbedderComponent:
    """The common part of components that embed: an embedder by name (`settings`: see its class) or an instance."""

    def __init__(self, embedder: str | Embedder = "clip", settings: Json | None = None) -> None:
        self.embedder = base.load_embedder(embedder, settings or {})

    def to_dict(self) -> Json:
        """Return the component as a dictionary, for Haystack's serialisation."""
        values: Json = default_to_dict(self, embedder=self.embedder.name, settings=self.embedder.settings)
        return values

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Return the component of such a dictionary; an older version may have written it."""
        values = data["init_parameters"]
        if isinstance(values.get("embedder"), str) and values.get("settings") is not None:
            return cls(revive_embedder(values["embedder"], values["settings"]))
        component: Self = default_from_dict(cls, data)
        return component


@component
class NearkinTextEmbedder(_EmbedderComponent):
    """A component that embeds a text by one of nearkin's embedders that read words."""

    @component.output_types(embedding=list[float])  # type: ignore[untyped-decorator]
    def run(self, text: str) -> dict[str, list[float]]:
        """Return the text's vector. Raises NoTextTower (a ValueError)."""
        return {"embedding": base.embed_texts(self.embedder, [text])[0]}


@component
class NearkinImageEmbedder(_EmbedderComponent):
    """A component that embeds the picture of a query."""

    @component.output_types(embedding=list[float])  # type: ignore[untyped-decorator]
    def run(self, image: str | Path | ByteStream) -> dict[str, list[float]]:
        """Return the picture's vector. Raises ValueError if it can't be read."""
        return {"embedding": base.embed_pictures(self.embedder, [_unwrap(image)])[0]}


@component
class NearkinDocumentImageEmbedder(_EmbedderComponent):
    """A component that embeds documents by the pictures at their `meta["file_path"]`, or in their blobs."""

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """Return copies of the documents with embeddings.

        Raises ValueError if a document has no picture, or one that can't be read.
        """
        vectors = base.embed_pictures(self.embedder, [_unwrap(_find_picture(document)) for document in documents])
        pairs = zip(documents, vectors, strict=True)
        return {"documents": [replace(document, embedding=vector) for document, vector in pairs]}


def _find_picture(document: Document) -> str | Path | ByteStream:
    picture: str | Path | ByteStream | None = document.blob or document.meta.get("file_path")
    if picture is None:
        raise UsageError(f"the document {document.id!r} has no picture: neither a blob nor a meta 'file_path'")
    return picture


def _unwrap(picture: str | PathLike[str] | ByteStream) -> Any:
    return picture.data if isinstance(picture, ByteStream) else picture


# ---- documents


def _build_metadata(document: Document) -> Json:
    apart = {name: value.to_dict() for name in APARTS if (value := getattr(document, name)) is not None}
    return {**document.meta, **({OPAQUE_KEY: apart} if apart else {})}


def _to_uri(document: Document) -> str | None:
    return base.to_uri(document.meta.get("file_path")) if document.content is None else None


def _to_document(record: Hit | Item) -> Document:
    apart = record.metadata.get(OPAQUE_KEY, {})
    fields = {name: apart[name] for name in APARTS if name in apart}
    values = {"id": record.key, "content": record.text, "meta": base.build_metadata(record)}
    return Document.from_dict({**values, **fields})


def _to_floats(vector: Any) -> list[float] | None:
    return None if vector is None else [float(value) for value in vector]


# ---- filters


def _to_where(filters: Filters) -> Json:
    """Return Haystack's filters in our grammar. Raises FilterError."""
    if not filters:
        return base.MATCH_ALL
    if "field" not in filters:
        return _join(_read_part(filters, "operator"), [_to_where(part) for part in _read_part(filters, "conditions")])
    return _to_test(filters["field"], _read_part(filters, "operator"), _read_part(filters, "value"))


def _read_part(filters: Json, name: str) -> Any:
    if name not in filters:
        raise FilterError(f"{name!r} is missing in the filter {filters!r}")
    return filters[name]


def _join(operator: str, parts: list[Json]) -> Json:
    match operator:
        case "AND":
            return base.join_all(parts)
        case "OR":
            return base.join_any(parts)
        case "NOT":
            return base.negate(base.join_all(parts))
    raise base.make_operator_error(operator, ("AND", "OR", "NOT"))


def _match(name: str, test: Any) -> Json:
    """Return the filter that a field of a document, or of its metadata, passes a test."""
    own = {"id": "key", "content": "text"}
    return {own[name]: test} if name in own else base.match_field(name.removeprefix("meta."), test)


def _to_test(key: str, operator: str, value: Any) -> Json:
    if operator in ("==", "!="):
        return _compare_equal(key, value) if operator == "==" else base.negate(_compare_equal(key, value))
    if operator in ("in", "not in"):
        if not isinstance(value, list):
            raise FilterError(f"{operator!r} at {key!r} takes a list; got {value!r}")
        any_equal = base.join_any([_compare_equal(key, option) for option in value])
        return any_equal if operator == "in" else base.negate(any_equal)
    if operator not in base.COMPARISONS:
        raise base.make_operator_error(operator, (*base.COMPARISONS, "in", "not in"))
    return _compare_order(key, operator, value)


def _compare_equal(key: str, value: Any) -> Json:
    """Return the test for a value; a missing field equals None."""
    if value is not None:
        return _match(key, value)
    return base.join_any([_match(key, {"$exists": False}), _match(key, None)])


def _compare_order(key: str, operator: str, value: Any) -> Json:
    if value is None:
        return base.MATCH_NONE
    if isinstance(value, datetime):
        value = value.isoformat()
    if isinstance(value, str) and not _is_date(value):
        raise FilterError(f"{operator!r} at {key!r} compares with a number or a date of ISO 8601; got {value!r}")
    return _match(key, {base.COMPARISONS[operator]: value})


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
