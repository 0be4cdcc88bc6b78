"""nearkin as a LlamaIndex vector store, and its embedders as multi-modal embeddings.

from llama_index.core.schema import ImageNode
from retrieval.adapters.llamaindex import NearkinEmbedding, NearkinVectorStore

store, embedding = NearkinVectorStore("photos"), NearkinEmbedding(embedder="lite0")
store.add([ImageNode(image_path="beach.jpg", embedding=embedding.get_image_embedding("beach.jpg"))])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from indexers.catalogue.metadata import APART
from indexers.embedders.base import Embedder
from indexers.errors import UsageError
from indexers.types import Json
from retrieval.adapters import base
from retrieval.collection import Collection
from retrieval.records.items import Item
from retrieval.records.search import Hit, Hits

try:
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.embeddings import MultiModalEmbedding
    from llama_index.core.schema import BaseNode, ImageNode, ImageType, MetadataMode, TextNode
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        FilterCondition,
        FilterOperator,
        MetadataFilter,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
except ImportError as error:
    base.missing("llama-index-core", "llamaindex", error)

PARENT = "ref_doc_id"
PARENTS = ("doc_id", "document_id", PARENT)
"""The document that a node comes from, as filters may call it."""


class NearkinEmbedding(MultiModalEmbedding):  # type: ignore[misc]
    """One of nearkin's embedders, by name (`settings`: see its class) or an instance, as LlamaIndex embedding of
    pictures, and of words where it reads them."""

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: str | Embedder = "clip", **settings: Any) -> None:
        found = base.made(embedder, settings)
        super().__init__(model_name=found.name, embed_batch_size=found.batch_size)
        self._embedder = found

    @classmethod
    def class_name(cls) -> str:
        return "NearkinEmbedding"

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return base.of_texts(self._embedder, texts)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_image_embeddings(self, img_file_paths: list[ImageType]) -> list[list[float]]:
        return base.of_pictures(self._embedder, img_file_paths)

    def _get_image_embedding(self, img_file_path: ImageType) -> list[float]:
        return self._get_image_embeddings([img_file_path])[0]

    async def _aget_image_embedding(self, img_file_path: ImageType) -> list[float]:
        return self._get_image_embedding(img_file_path)


class NearkinVectorStore(BasePydanticVectorStore):  # type: ignore[misc]
    """A collection as a LlamaIndex vector store: nodes are items, their ids keys. It keeps whole nodes.

    `path`: the collection's folder, made if there is none, or an open Collection. `settings`: see Collection.open.
    Queries are by vector (`default`), by vector with variety (`mmr`), by words (`text_search`) and by both (`hybrid`);
    they also take `within_cluster`, `per_cluster` and `level`.
    """

    stores_text: bool = True
    _collection: Collection = PrivateAttr()

    def __init__(self, path: base.Place, **settings: Any) -> None:
        super().__init__(stores_text=True)
        self._collection = base.opened(path, **settings)

    @classmethod
    def class_name(cls) -> str:
        return "NearkinVectorStore"

    @property
    def client(self) -> Collection:
        """The collection."""
        return self._collection

    def close(self) -> None:
        """Close the collection."""
        self._collection.close()

    # ---- putting in

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Add nodes with their embeddings, or replace those with a known id; their ids. Raises ValueError: a node has
        no embedding, or one of another dimension."""
        keys = [node.node_id for node in nodes]
        if keys:
            self._collection.add_vectors(
                [node.get_embedding() for node in nodes],
                keys=keys,
                uris=[_place(node) for node in nodes],
                metadata=[_metadata(node) for node in nodes],
                texts=[node.get_content(MetadataMode.NONE) for node in nodes],
                replace=True,
            )
        return keys

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Delete the nodes of a document; an unknown one is passed over."""
        self._collection.remove(where={base.field(PARENT): ref_doc_id})

    def delete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **_: Any) -> None:
        """Delete the nodes with these ids that the filters hold for (one of both may be left out)."""
        self._collection.remove(where=_restriction(node_ids, None, filters))

    def clear(self) -> None:
        """Delete all nodes."""
        self._collection.remove(where=base.EVERYTHING)

    # ---- asking

    def get(self, text_id: str) -> list[float]:
        """A node's embedding. Raises ItemNotFound (a KeyError)."""
        [vector] = self._collection.vectors([text_id]).values()
        return [float(one) for one in vector]

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes with these ids that the filters hold for, without their embeddings."""
        return [_node(one) for one in base.every(self._collection, _restriction(node_ids, None, filters))]

    def query(self, query: VectorStoreQuery, **how: Any) -> VectorStoreQueryResult:
        """The nodes nearest to the query, with their similarities (larger is nearer). Raises ValueError: BadVector,
        BadFilter, a mode that there is none of here."""
        # an index over a store that keeps whole nodes names none of them
        where = _restriction(query.node_ids or None, query.doc_ids or None, query.filters)
        hits = self._search(_asked(query, how), query.similarity_top_k, where, **how)
        return VectorStoreQueryResult(
            nodes=[_node(one) for one in hits], similarities=[one.score for one in hits], ids=[one.key for one in hits]
        )

    def _search(self, asked: Json, k: int, where: Json, *, within_cluster: Any = None, **how: Any) -> Hits:
        return self._collection.search(**asked, k=k, where=where, within=within_cluster, **how)


def _asked(query: VectorStoreQuery, how: Json) -> Json:
    """What a query asks for in its mode, whose own options are taken out of `how`."""
    nearness = how.pop("mmr_threshold", query.mmr_threshold)
    pool = how.pop("mmr_prefetch_k", None)
    by_vector, by_words = {"vector": query.query_embedding}, {"query": query.query_str}
    match query.mode:
        case VectorStoreQueryMode.DEFAULT:
            return by_vector
        case VectorStoreQueryMode.MMR:
            return {**by_vector, "diversify": 1 - (0.5 if nearness is None else nearness), "pool": pool}
        case VectorStoreQueryMode.TEXT_SEARCH:
            return by_words
        case VectorStoreQueryMode.HYBRID:
            return {**by_vector, **by_words}
    raise UsageError(f"invalid query mode {query.mode.value!r}; there are: default, mmr, text_search, hybrid")


# ---- nodes


def _metadata(node: BaseNode) -> Json:
    made = node_to_metadata_dict(node, remove_text=True)
    apart = {name: made[name] for name in ("_node_content", "_node_type")}
    return {**node.metadata, **({PARENT: node.ref_doc_id} if node.ref_doc_id else {}), APART: apart}


def _place(node: BaseNode) -> str | None:
    if not isinstance(node, ImageNode):
        return None
    return base.place(node.image_path or node.image_url or None)


def _node(one: Hit | Item) -> BaseNode:
    """The node of an item; one that came by another way becomes a node of its own kind, with what `base.shown` says."""
    apart = one.metadata.get(APART, {})
    if "_node_content" not in apart:
        metadata, text = base.shown(one), one.text or ""
        if one.uri is None:
            return TextNode(id_=one.key, text=text, metadata=metadata)
        return ImageNode(id_=one.key, text=text, image_path=one.uri, metadata=metadata)
    node = metadata_dict_to_node(apart, text=one.text)
    node.metadata = {key: value for key, value in base.said(one.metadata).items() if key != PARENT}
    return node


# ---- filters


def _restriction(node_ids: list[str] | None, doc_ids: list[str] | None, filters: MetadataFilters | None) -> Json:
    parts = [] if node_ids is None else [base.keyed(node_ids)]
    parts += [] if doc_ids is None else [{base.field(PARENT): {"$in": doc_ids}}]
    parts += [] if filters is None else [_where(filters)]
    return base.every_of(parts)


def _where(given: MetadataFilters | MetadataFilter) -> Json:
    if isinstance(given, MetadataFilter):
        return _test(base.field(PARENT if given.key in PARENTS else given.key), given.operator, given.value)
    parts = [_where(one) for one in given.filters]
    if not parts or given.condition in (None, FilterCondition.AND):
        return base.every_of(parts)
    return base.any_of(parts) if given.condition == FilterCondition.OR else base.none_of(base.any_of(parts))


def _test(key: str, operator: FilterOperator, value: Any) -> Json:
    name = str(getattr(operator, "value", operator))
    if name not in TESTS:
        raise base.unknown(name, TESTS)
    return TESTS[name](key, value)


def _one(name: str, key: str, value: Any) -> Json:
    return {key: {name: value}}


def _among(name: str, key: str, values: Any) -> Json:
    """LlamaIndex has no filter values true and false: 1 and 0 stand for them too, as in Python."""
    if not isinstance(values, list):
        return {key: {name: values}}
    return {key: {name: [*values, *(bool(one) for one in values if not isinstance(one, str) and one in (0, 1))]}}


def _equal(name: str, key: str, value: Any) -> Json:
    return _among(name, key, [value])


TESTS: dict[str, Callable[[str, Any], Json]] = {
    **{operator: partial(_one, ours) for operator, ours in base.COMPARISONS.items()},
    "==": partial(_equal, "$in"),
    "!=": partial(_equal, "$nin"),
    "in": partial(_among, "$in"),
    "nin": partial(_among, "$nin"),
    "contains": partial(_one, "$contains"),
    "text_match": partial(_one, "$contains"),
    "text_match_insensitive": partial(_one, "$icontains"),
    "any": lambda key, values: base.any_of([{key: {"$contains": one}} for one in values]),
    "all": lambda key, values: base.every_of([{key: {"$contains": one}} for one in values]),
    "is_empty": lambda key, _: {key: {"$empty": True}},
}
