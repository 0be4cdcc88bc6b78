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

from indexers.catalogue.metadata import OPAQUE_KEY
from indexers.embedders.base import Embedder
from indexers.errors import UsageError
from indexers.types import Json
from retrieval.adapters import base
from retrieval.collection import Collection
from retrieval.records.clusters import SomeClusters
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
    base.raise_missing_package("llama-index-core", "llamaindex", error)

PARENT = "ref_doc_id"
PARENTS = ("doc_id", "document_id", PARENT)
"""The names that filters may use for the document of a node."""


class NearkinEmbedding(MultiModalEmbedding):  # type: ignore[misc]
    """One of nearkin's embedders as a LlamaIndex embedding of pictures, and of words if it reads them.

    `embedder`: its name or an instance. `settings`: see its class.
    """

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: str | Embedder = "clip", **settings: Any) -> None:
        instance = base.load_embedder(embedder, settings)
        super().__init__(model_name=instance.name, embed_batch_size=instance.batch_size)
        self._embedder = instance

    @classmethod
    def class_name(cls) -> str:
        return "NearkinEmbedding"

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return base.embed_texts(self._embedder, texts)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_image_embeddings(self, img_file_paths: list[ImageType]) -> list[list[float]]:
        return base.embed_pictures(self._embedder, img_file_paths)

    def _get_image_embedding(self, img_file_path: ImageType) -> list[float]:
        return self._get_image_embeddings([img_file_path])[0]

    async def _aget_image_embedding(self, img_file_path: ImageType) -> list[float]:
        return self._get_image_embedding(img_file_path)


class NearkinVectorStore(BasePydanticVectorStore):  # type: ignore[misc]
    """A collection as a LlamaIndex vector store: nodes are items, their ids keys. It keeps whole nodes.

    `path`: the collection's folder, created if there is none, or an open Collection. `settings`: see Collection.open.

    Queries are by vector (`default`), by vector with variety (`mmr`), by words (`text_search`) and by both (`hybrid`);
    they also take `within_cluster`, `per_cluster` and `level`.
    """

    stores_text: bool = True
    _collection: Collection = PrivateAttr()

    def __init__(self, path: base.CollectionOrPath, **settings: Any) -> None:
        super().__init__(stores_text=True)
        self._collection = base.open_collection(path, **settings)

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

    # ---- writing

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Add nodes with their embeddings, or replace those with a known id, and return their ids.

        Raises ValueError if a node has no embedding, or one of another dimension.
        """
        keys = [node.node_id for node in nodes]
        if keys:
            self._collection.add_vectors(
                [node.get_embedding() for node in nodes],
                keys=keys,
                uris=[_to_uri(node) for node in nodes],
                metadata=[_build_metadata(node) for node in nodes],
                texts=[node.get_content(MetadataMode.NONE) for node in nodes],
                replace=True,
            )
        return keys

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Delete the nodes of a document; an unknown one is skipped."""
        self._collection.remove(where={base.metadata_field(PARENT): ref_doc_id})

    def delete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **_: Any) -> None:
        """Delete the nodes that have these ids and pass the filters; either may be left out."""
        self._collection.remove(where=_build_filter(node_ids, None, filters))

    def clear(self) -> None:
        """Delete all nodes."""
        self._collection.remove(where=base.MATCH_ALL)

    # ---- reading

    def get(self, text_id: str) -> list[float]:
        """Return a node's embedding. Raises ItemNotFound (a KeyError)."""
        [vector] = self._collection.vectors([text_id]).values()
        return [float(value) for value in vector]

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return the nodes that have these ids and pass the filters, without their embeddings."""
        return [_to_node(item) for item in base.iterate_items(self._collection, _build_filter(node_ids, None, filters))]

    def query(self, query: VectorStoreQuery, **options: Any) -> VectorStoreQueryResult:
        """Return the nodes nearest to the query, with their similarities (larger is nearer).

        Raises ValueError (BadVector, BadFilter, an unsupported mode).
        """
        # an index over a store that keeps whole nodes sends an empty list of ids
        where = _build_filter(query.node_ids or None, query.doc_ids or None, query.filters)
        hits = self._search(_build_query(query, options), query.similarity_top_k, where, **options)
        return VectorStoreQueryResult(
            nodes=[_to_node(hit) for hit in hits],
            similarities=[hit.score for hit in hits],
            ids=[hit.key for hit in hits],
        )

    def _search(self, query: Json, k: int, where: Json, *, within_cluster: SomeClusters = None, **options: Any) -> Hits:
        return self._collection.search(**query, k=k, where=where, within=within_cluster, **options)


def _build_query(query: VectorStoreQuery, options: Json) -> Json:
    """Return the arguments of Collection.search for a query; the options of its mode are removed from `options`."""
    nearness = options.pop("mmr_threshold", query.mmr_threshold)
    pool = options.pop("mmr_prefetch_k", None)
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
    raise UsageError(f"invalid query mode {query.mode.value!r}; the modes are: default, mmr, text_search, hybrid")


# ---- nodes


def _build_metadata(node: BaseNode) -> Json:
    content = node_to_metadata_dict(node, remove_text=True)
    apart = {name: content[name] for name in ("_node_content", "_node_type")}
    return {**node.metadata, **({PARENT: node.ref_doc_id} if node.ref_doc_id else {}), OPAQUE_KEY: apart}


def _to_uri(node: BaseNode) -> str | None:
    if not isinstance(node, ImageNode):
        return None
    return base.to_uri(node.image_path or node.image_url or None)


def _to_node(record: Hit | Item) -> BaseNode:
    """Return the node that was stored; for an item that was added otherwise, a text or image node made from it."""
    apart = record.metadata.get(OPAQUE_KEY, {})
    if "_node_content" not in apart:
        metadata, text = base.build_metadata(record), record.text or ""
        if record.uri is None:
            return TextNode(id_=record.key, text=text, metadata=metadata)
        return ImageNode(id_=record.key, text=text, image_path=record.uri, metadata=metadata)
    node = metadata_dict_to_node(apart, text=record.text)
    node.metadata = {key: value for key, value in base.drop_reserved(record.metadata).items() if key != PARENT}
    return node


# ---- filters


def _build_filter(node_ids: list[str] | None, doc_ids: list[str] | None, filters: MetadataFilters | None) -> Json:
    parts = [] if node_ids is None else [base.match_keys(node_ids)]
    parts += [] if doc_ids is None else [{base.metadata_field(PARENT): {"$in": doc_ids}}]
    parts += [] if filters is None else [_to_where(filters)]
    return base.join_all(parts)


def _to_where(filters: MetadataFilters | MetadataFilter) -> Json:
    if isinstance(filters, MetadataFilter):
        key = PARENT if filters.key in PARENTS else filters.key
        return _to_test(key, filters.operator, filters.value)
    parts = [_to_where(part) for part in filters.filters]
    if not parts or filters.condition in (None, FilterCondition.AND):
        return base.join_all(parts)
    return base.join_any(parts) if filters.condition == FilterCondition.OR else base.negate(base.join_any(parts))


def _to_test(key: str, operator: FilterOperator, value: Any) -> Json:
    name = str(getattr(operator, "value", operator))
    if name not in TESTS:
        raise base.make_operator_error(name, TESTS)
    return TESTS[name](key, value)


def _compare(name: str, key: str, value: Any) -> Json:
    return base.match_field(key, {name: value})


def _compare_list(name: str, key: str, values: Any) -> Json:
    """Return a test of a list; as LlamaIndex has no filter values true and false, 1 and 0 stand for them too."""
    if not isinstance(values, list):
        return _compare(name, key, values)
    truths = [bool(value) for value in values if not isinstance(value, str) and value in (0, 1)]
    return _compare(name, key, [*values, *truths])


def _compare_equal(name: str, key: str, value: Any) -> Json:
    return _compare_list(name, key, [value])


TESTS: dict[str, Callable[[str, Any], Json]] = {
    **{operator: partial(_compare, ours) for operator, ours in base.COMPARISONS.items()},
    "==": partial(_compare_equal, "$in"),
    "!=": partial(_compare_equal, "$nin"),
    "in": partial(_compare_list, "$in"),
    "nin": partial(_compare_list, "$nin"),
    "contains": partial(_compare, "$contains"),
    "text_match": partial(_compare, "$contains"),
    "text_match_insensitive": partial(_compare, "$icontains"),
    "any": lambda key, values: base.join_any([_compare("$contains", key, value) for value in values]),
    "all": lambda key, values: base.join_all([_compare("$contains", key, value) for value in values]),
    "is_empty": lambda key, _: _compare("$empty", key, True),
}
