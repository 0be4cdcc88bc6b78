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
from retrieval.records.items import Item
from retrieval.records.search import Hit, Hits

try:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore
except ImportError as error:
    base.missing("langchain-core", "langchain", error)

Found = list[tuple[Document, float]]
Filter = Mapping[str, Any] | None


class NearkinEmbeddings(Embeddings):  # type: ignore[misc]
    """One of nearkin's embedders, by name (`settings`: see its class) or an instance, as LangChain `Embeddings`. Words
    need an embedder that reads them, such as `clip`."""

    def __init__(self, embedder: str | Embedder = "clip", **settings: Any) -> None:
        self.embedder = base.made(embedder, settings)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text. Raises NoTextTower."""
        return base.of_texts(self.embedder, texts)

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text. Raises NoTextTower."""
        return self.embed_documents([text])[0]

    def embed_image(self, uris: Sequence[str | PathLike[str]]) -> list[list[float]]:
        """A vector for each picture, by path or address. Raises ValueError: it can't be read."""
        return base.of_pictures(self.embedder, uris)


class NearkinVectorStore(VectorStore):  # type: ignore[misc]
    """A collection as a LangChain vector store: documents are items, their ids keys, their content an item's text.

    `path`: the collection's folder, made if there is none, or an open Collection. `embedding`: what turns words (with
    a method `embed_image`, pictures too) into vectors; left out, the collection's own embedder does, which `settings`
    may choose (`embedder="clip"`; see Collection.open). Filters are those of `retrieval.filters`.

    Every search also takes `within_cluster` (ids or records), `per_cluster` and `level`. Documents of pictures carry
    `uri`, `score` and `clusters` (coarse to fine) in their metadata.
    """

    def __init__(self, path: base.Place, embedding: Embeddings | None = None, **settings: Any) -> None:
        self._embedding = embedding
        if isinstance(embedding, NearkinEmbeddings) and not isinstance(path, Collection):
            settings["embedder"], embedding = embedding.embedder, None
        self._foreign = embedding
        self.collection = base.opened(path, **settings)

    @property
    def embeddings(self) -> Embeddings | None:
        """The embedding that was given, if any."""
        return self._embedding

    def close(self) -> None:
        """Close the collection."""
        self.collection.close()

    # ---- putting in

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[Json] | None = None,
        *,
        ids: list[str] | None = None,
        **_: Any,
    ) -> list[str]:
        """Add texts, or replace those with a known id; their ids. Raises ValueError (NoTextTower, BadVector ...)."""
        words = list(texts)
        if self._foreign is not None:
            return self.add_embeddings(words, self._foreign.embed_documents(words), metadatas, ids=ids)
        keys = base.keys_of(ids, len(words))
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
        """Add texts with ready-made vectors. Raises BadVector (a ValueError) for another dimension than before."""
        keys = base.keys_of(ids, len(texts))
        if keys:
            self.collection.add_vectors(embeddings, keys=keys, metadata=metadatas or {}, texts=texts, replace=True)
        return keys

    def add_images(
        self,
        uris: Sequence[str | PathLike[str]],
        metadatas: list[Json] | None = None,
        ids: list[str] | None = None,
    ) -> list[str]:
        """Add pictures by path or address; their ids. Without ids, a picture is known by its bytes. Known ones get the
        picture, and have their metadata merged. Raises ValueError, once the others are added, if one can't be read."""
        places = list(uris)
        if self._foreign is not None:
            return self._add_seen(self._foreign, places, metadatas, ids)
        keys = None if ids is None else base.keys_of(ids, len(places))
        report = base.added(self.collection.add(places, keys=keys, metadata=metadatas or [{}] * len(places)))
        return keys or [one.key for one in self.collection.get(report.items)]

    def _add_seen(
        self, embedding: Embeddings, places: list[Any], metadatas: list[Json] | None, ids: list[str] | None
    ) -> list[str]:
        keys = base.keys_of(ids, len(places))
        vectors, there = _look(embedding, places), [base.place(one) for one in places]
        self.collection.add_vectors(vectors, keys=keys, uris=there, metadata=metadatas or {})
        return keys

    def delete(self, ids: Sequence[str] | None = None, **_: Any) -> bool:
        """Delete documents by id, all of them if none is given; unknown ids are passed over."""
        if ids is None:
            self.collection.remove(where=base.EVERYTHING)
        else:
            base.forget(self.collection, ids)
        return True

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[Json] | None = None,
        *,
        path: base.Place,
        ids: list[str] | None = None,
        **settings: Any,
    ) -> Self:
        """A store over the collection in `path`, with these texts added to it."""
        store = cls(path, embedding, **settings)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    # ---- asking

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids; unknown ids are passed over."""
        return [_document(one) for one in base.known(self.collection, ids)]

    def similarity_search(self, query: str, k: int = 4, filter: Filter = None, **how: Any) -> list[Document]:
        """The k documents nearest to a text."""
        return [one for one, _ in self.similarity_search_with_score(query, k, filter, **how)]

    def similarity_search_with_score(self, query: str, k: int = 4, filter: Filter = None, **how: Any) -> Found:
        """With their scores: larger is nearer (cosine similarity)."""
        return _scored(self._search(self._asked(query), k, filter, **how))

    def similarity_search_by_vector(
        self, embedding: Sequence[float], k: int = 4, filter: Filter = None, **how: Any
    ) -> list[Document]:
        """The k documents nearest to a vector. Raises BadVector (a ValueError)."""
        return [one for one, _ in self.similarity_search_with_score_by_vector(embedding, k, filter, **how)]

    def similarity_search_with_score_by_vector(
        self, embedding: Sequence[float], k: int = 4, filter: Filter = None, **how: Any
    ) -> Found:
        """With their scores."""
        return _scored(self._search({"vector": embedding}, k, filter, **how))

    def similarity_search_by_image(
        self, uri: str | PathLike[str], k: int = 4, filter: Filter = None, **how: Any
    ) -> list[Document]:
        """The k documents nearest to a picture, by path or address. Raises ValueError: it can't be read."""
        seen = {"picture": uri} if self._foreign is None else {"vector": _look(self._foreign, [uri])[0]}
        with base.readable():
            return [one for one, _ in _scored(self._search(seen, k, filter, **how))]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter = None,
        **how: Any,
    ) -> list[Document]:
        """k of the `fetch_k` nearest to a text, chosen for nearness (`lambda_mult` 1) and variety (0)."""
        return self._diverse(self._asked(query), k, fetch_k, lambda_mult, filter, how)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter = None,
        **how: Any,
    ) -> list[Document]:
        """k of the `fetch_k` nearest to a vector, likewise."""
        return self._diverse({"vector": embedding}, k, fetch_k, lambda_mult, filter, how)

    def _diverse(
        self, asked: Json, k: int, fetch_k: int, lambda_mult: float, where: Filter, how: Json
    ) -> list[Document]:
        hits = self._search(asked, k, where, diversify=1 - lambda_mult, pool=fetch_k, **how)
        return [one for one, _ in _scored(hits)]

    def _asked(self, query: str) -> Json:
        return {"text": query} if self._foreign is None else {"vector": self._foreign.embed_query(query)}

    def _search(self, asked: Json, k: int, where: Filter, *, within_cluster: Any = None, **how: Any) -> Hits:
        return self.collection.search(**asked, k=k, where=where, within=within_cluster, **how)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        metric = next((one.metric for one in self.collection.spaces() if one.current), "cosine")
        return _similar if metric in ("cosine", "ip") else _near


def _look(embedding: Embeddings, uris: Sequence[Any]) -> Any:
    """Raises ValueError: the embedding reads words only."""
    if not hasattr(embedding, "embed_image"):
        raise UsageError(
            f"{type(embedding).__name__} has no `embed_image`, so it can't take pictures; give NearkinEmbeddings, or "
            "leave embedding out for the collection's own embedder"
        )
    return embedding.embed_image(uris)


def _document(one: Hit | Item) -> Document:
    return Document(id=one.key, page_content=one.text or "", metadata=base.shown(one))


def _scored(hits: Hits) -> Found:
    return [(_document(one), one.score) for one in hits]


def _similar(score: float) -> float:
    """A similarity as a relevance from 0 to 1: one below 0 says no more than 0 does."""
    return min(max(score, 0.0), 1.0)


def _near(score: float) -> float:
    """A negated distance likewise."""
    return 1 / (1 - score)
