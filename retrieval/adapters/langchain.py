"""nearkin as a LangChain vector store, and its embedders as LangChain embeddings.

from retrieval.adapters.langchain import NearkinVectorStore

store = NearkinVectorStore("photos")
store.add_images(["beach.jpg", "forest.jpg"])
documents = store.similarity_search_by_image("query.jpg", k=4)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Self

from indexers.embedders.base import Embedder
from indexers.errors import UsageError
from indexers.types import Json
from retrieval.adapters import base
from retrieval.collection import Collection
from retrieval.records.clusters import SomeClusters
from retrieval.records.items import Item
from retrieval.records.search import Hit, Hits

try:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore
except ImportError as error:
    base.raise_missing_package("langchain-core", "langchain", error)

ScoredDocuments = list[tuple[Document, float]]
Filter = Mapping[str, Any] | None


class NearkinEmbeddings(Embeddings):  # type: ignore[misc]
    """One of nearkin's embedders as LangChain `Embeddings`.

    `embedder`: its name or an instance. `settings`: see its class. Words need an embedder that reads them, such as
    `clip`.
    """

    def __init__(self, embedder: str | Embedder = "clip", **settings: Any) -> None:
        self.embedder = base.load_embedder(embedder, settings)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text. Raises NoTextTower."""
        return base.embed_texts(self.embedder, texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text. Raises NoTextTower."""
        return self.embed_documents([text])[0]

    def embed_image(self, uris: Sequence[str | PathLike[str]]) -> list[list[float]]:
        """Return a vector for each picture, by path or address. Raises ValueError if one can't be read."""
        return base.embed_pictures(self.embedder, uris)


class NearkinVectorStore(VectorStore):  # type: ignore[misc]
    """A collection as a LangChain vector store: documents are items, their ids keys, their content an item's text.

    `path`: the collection's folder, created if there is none, or an open Collection.
    `embedding`: turns words into vectors, and pictures too if it has a method `embed_image`; by default the
        collection's own embedder does.
    `settings`: see Collection.open; `embedder="clip"` chooses the collection's own embedder.

    Filters are those of `retrieval.filters`; a name means a key of the documents' metadata before it means one of the
    item's own fields. Every search also takes `within_cluster` (ids or records), `per_cluster` and `level`.
    Documents of pictures have `uri`, `score` and `clusters` (coarse to fine) in their metadata.
    """

    def __init__(self, path: base.CollectionOrPath, embedding: Embeddings | None = None, **settings: Any) -> None:
        self._embedding = embedding
        if isinstance(embedding, NearkinEmbeddings) and not isinstance(path, Collection):
            settings["embedder"], embedding = embedding.embedder, None
        self._foreign = embedding
        self.collection = base.open_collection(path, **settings)

    @property
    def embeddings(self) -> Embeddings | None:
        """The embedding that the store was made with, if any."""
        return self._embedding

    def close(self) -> None:
        """Close the collection."""
        self.collection.close()

    # ---- writing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[Json] | None = None,
        *,
        ids: list[str] | None = None,
        **_: Any,
    ) -> list[str]:
        """Add texts, or replace those with a known id, and return their ids.

        Raises ValueError (NoTextTower, BadVector ...).
        """
        words = list(texts)
        if self._foreign is not None:
            return self.add_embeddings(words, self._foreign.embed_documents(words), metadatas, ids=ids)
        keys = base.complete_keys(ids, len(words))
        self.collection.add_texts(words, keys=keys, metadata=metadatas or {}, replace=True)
        return keys

    def add_embeddings(
        self,
        texts: Sequence[str],
        embeddings: Sequence[Sequence[float]],
        metadatas: list[Json] | None = None,
        *,
        ids: list[str] | None = None,
    ) -> list[str]:
        """Add texts with ready-made vectors, and return their ids.

        Raises BadVector (a ValueError) if the dimension differs from the collection's.
        """
        keys = base.complete_keys(ids, len(texts))
        if keys:
            self.collection.add_vectors(embeddings, keys=keys, metadata=metadatas or {}, texts=texts, replace=True)
        return keys

    def add_images(
        self,
        uris: Sequence[str | PathLike[str]],
        metadatas: list[Json] | None = None,
        ids: list[str] | None = None,
    ) -> list[str]:
        """Add pictures by path or address, and return their ids.

        Without ids, a picture is known by its bytes. Known ids get the picture, and have their metadata merged. If one
        can't be read, the others are added and ValueError is raised.
        """
        paths = list(uris)
        if self._foreign is not None:
            return self._add_embedded_images(self._foreign, paths, metadatas, ids)
        keys = None if ids is None else base.complete_keys(ids, len(paths))
        report = base.check_report(self.collection.add(paths, keys=keys, metadata=metadatas or [{}] * len(paths)))
        return keys or [item.key for item in self.collection.get(report.items)]

    def _add_embedded_images(
        self, embedding: Embeddings, paths: list[Any], metadatas: list[Json] | None, ids: list[str] | None
    ) -> list[str]:
        keys = base.complete_keys(ids, len(paths))
        vectors, places = _embed_images(embedding, paths), [base.to_uri(path) for path in paths]
        self.collection.add_vectors(vectors, keys=keys, uris=places, metadata=metadatas or {})
        return keys

    def delete(self, ids: Sequence[str] | None = None, **_: Any) -> bool:
        """Delete documents by id, or all of them without ids; unknown ids are skipped."""
        if ids is None:
            self.collection.remove(where=base.MATCH_ALL)
        else:
            base.remove_items(self.collection, ids)
        return True

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[Json] | None = None,
        *,
        path: base.CollectionOrPath,
        ids: list[str] | None = None,
        **settings: Any,
    ) -> Self:
        """Open a store over the collection in `path`, and add these texts to it."""
        store = cls(path, embedding, **settings)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    # ---- reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents with these ids; unknown ids are skipped."""
        return [_to_document(item) for item in base.find_items(self.collection, ids)]

    def similarity_search(self, query: str, k: int = 4, filter: Filter = None, **options: Any) -> list[Document]:
        """Return the k documents nearest to a text."""
        return [document for document, _ in self.similarity_search_with_score(query, k, filter, **options)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter = None, **options: Any
    ) -> ScoredDocuments:
        """Return the k documents nearest to a text with their scores: larger is nearer (cosine similarity)."""
        return _score(self._search(self._to_query(query), k, filter, **options))

    def similarity_search_by_vector(
        self, embedding: Sequence[float], k: int = 4, filter: Filter = None, **options: Any
    ) -> list[Document]:
        """Return the k documents nearest to a vector. Raises BadVector (a ValueError)."""
        return [
            document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, filter, **options)
        ]

    def similarity_search_with_score_by_vector(
        self, embedding: Sequence[float], k: int = 4, filter: Filter = None, **options: Any
    ) -> ScoredDocuments:
        """Return the k documents nearest to a vector with their scores: larger is nearer."""
        return _score(self._search({"vector": embedding}, k, filter, **options))

    def similarity_search_by_image(
        self, uri: str | PathLike[str], k: int = 4, filter: Filter = None, **options: Any
    ) -> list[Document]:
        """Return the k documents nearest to a picture, by path or address. Raises ValueError if it can't be read."""
        query = {"picture": uri} if self._foreign is None else {"vector": _embed_images(self._foreign, [uri])[0]}
        with base.report_as_usage_error():
            return [document for document, _ in _score(self._search(query, k, filter, **options))]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter = None,
        **options: Any,
    ) -> list[Document]:
        """Return k of the `fetch_k` nearest to a text, chosen for nearness (`lambda_mult` 1) or variety (0)."""
        return self._search_diverse(self._to_query(query), k, fetch_k, lambda_mult, filter, options)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter = None,
        **options: Any,
    ) -> list[Document]:
        """Return k of the `fetch_k` nearest to a vector, chosen for nearness (`lambda_mult` 1) or variety (0)."""
        return self._search_diverse({"vector": embedding}, k, fetch_k, lambda_mult, filter, options)

    def _search_diverse(
        self, query: Json, k: int, fetch_k: int, lambda_mult: float, where: Filter, options: Json
    ) -> list[Document]:
        hits = self._search(query, k, where, diversify=1 - lambda_mult, pool=fetch_k, **options)
        return [document for document, _ in _score(hits)]

    def _to_query(self, query: str) -> Json:
        return {"text": query} if self._foreign is None else {"vector": self._foreign.embed_query(query)}

    def _search(
        self, query: Json, k: int, where: Filter, *, within_cluster: SomeClusters = None, **options: Any
    ) -> Hits:
        where = base.match_fields(where)
        return self.collection.search(**query, k=k, where=where, within=within_cluster, **options)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        metric = next((space.metric for space in self.collection.spaces() if space.current), "cosine")
        return _clip_similarity if metric in ("cosine", "ip") else _invert_distance


def _embed_images(embedding: Embeddings, uris: Sequence[Any]) -> Any:
    """Return the pictures' vectors. Raises ValueError if the embedding reads words only."""
    if not hasattr(embedding, "embed_image"):
        raise UsageError(
            f"{type(embedding).__name__} has no `embed_image`, so it can't embed pictures; use NearkinEmbeddings, or "
            "leave embedding out for the collection's own embedder"
        )
    return embedding.embed_image(uris)


def _to_document(record: Hit | Item) -> Document:
    return Document(id=record.key, page_content=record.text or "", metadata=base.build_metadata(record))


def _score(hits: Hits) -> ScoredDocuments:
    return [(_to_document(hit), hit.score) for hit in hits]


def _clip_similarity(score: float) -> float:
    """Return a similarity as a relevance from 0 to 1; below 0 it says no more than 0 does."""
    return min(max(score, 0.0), 1.0)


def _invert_distance(score: float) -> float:
    """Return a negated distance as a relevance from 0 to 1."""
    return 1 / (1 - score)
