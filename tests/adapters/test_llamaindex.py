"""nearkin in LlamaIndex: the same scenarios on its own simple store and on ours, then pictures and bad input."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llama_index.core", reason="needs nearkin[llamaindex]")

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    Node,
    NodeRelationship,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from indexers.errors import BadFilter, BadVector, ItemNotFound, NoTextTower
from retrieval import Collection
from retrieval.adapters.llamaindex import NearkinEmbedding, NearkinVectorStore
from tests.adapters.test_langchain import Reading

OP = FilterOperator
DIMENSION = 6


def make_node(n: int) -> TextNode:
    """Return node n, of one of three documents or of none, with metadata of every kind, some of it missing."""
    random = np.random.default_rng(n)
    metadata = {"n": n, "even": n % 2 == 0, "name": f"Näme {n}", "tags": [f"t{n % 3}", f"u{n % 2}"], "sizes": [n, 7]}
    metadata |= {"text": f"own {n}", "maybe": [None, "", [], "x"][n % 4]}
    if n % 5 == 0:
        del metadata["name"], metadata["tags"], metadata["maybe"]
    node = TextNode(
        id_=f"node {n}",
        text=f"what node {n} says",
        metadata=metadata,
        embedding=random.standard_normal(DIMENSION).tolist(),
        excluded_llm_metadata_keys=["n"],
        start_char_idx=n,
    )
    if n % 4:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"document {n % 4}")
    return node


NODES = [make_node(n) for n in range(24)]


@pytest.fixture(params=["simple", "nearkin"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BasePydanticVectorStore]:
    """Yield each of the two stores, with the same nodes."""
    store = SimpleVectorStore() if request.param == "simple" else NearkinVectorStore(tmp_path / "one")
    store.add(NODES)
    yield store
    if isinstance(store, NearkinVectorStore):
        store.close()


@pytest.fixture
def both_stores(tmp_path: Path) -> Iterator[tuple[SimpleVectorStore, NearkinVectorStore]]:
    theirs, ours = SimpleVectorStore(), NearkinVectorStore(tmp_path / "both")
    for store in (theirs, ours):
        store.add(NODES)
    yield theirs, ours
    ours.close()


def query(n: int = 99, k: int = 24, **options: object) -> VectorStoreQuery:
    vector = np.random.default_rng(n).standard_normal(DIMENSION).tolist()
    return VectorStoreQuery(query_embedding=vector, similarity_top_k=k, **options)


def where(*tests: tuple[str, OP, object], condition: FilterCondition = FilterCondition.AND) -> MetadataFilters:
    filters = [MetadataFilter(key=key, operator=op, value=value) for key, op, value in tests]
    return MetadataFilters(filters=filters, condition=condition)


def check_same_answer(
    stores: Sequence[BasePydanticVectorStore], vector_query: VectorStoreQuery, **options: object
) -> list[str]:
    """Check that both stores answer with the same ids and similarities, and return the ids."""
    theirs, ours = (store.query(vector_query, **options) for store in stores)
    assert ours.ids == theirs.ids
    if vector_query.mode == VectorStoreQueryMode.DEFAULT:
        np.testing.assert_allclose(ours.similarities, theirs.similarities, atol=1e-5)
    return list(ours.ids or [])


# ---- scenarios on both


@pytest.mark.parametrize("k", [1, 5, 24, 100])
def test_the_nearest(both_stores: tuple[SimpleVectorStore, NearkinVectorStore], k: int) -> None:
    for n in range(99, 104):
        assert len(check_same_answer(both_stores, query(n, k))) == min(k, 24)


TESTS: list[tuple[str, OP, object]] = [
    *[("n", op, 7) for op in (OP.EQ, OP.NE, OP.GT, OP.GTE, OP.LT, OP.LTE)],
    *[("n", op, 6.5) for op in (OP.EQ, OP.GT, OP.LT)],
    *[("name", op, "Näme 7") for op in (OP.EQ, OP.NE, OP.GT, OP.LTE)],
    *[("even", op, value) for op in (OP.EQ, OP.NE) for value in (0, 1)],
    *[("n", op, [3, 4, 99]) for op in (OP.IN, OP.NIN)],
    *[("name", op, ["Näme 3", "Näme 4"]) for op in (OP.IN, OP.NIN)],
    *[("tags", op, ["t1", "u0"]) for op in (OP.ANY, OP.ALL)],
    *[("sizes", op, [7, 9]) for op in (OP.ANY, OP.ALL)],
    ("tags", OP.CONTAINS, "t2"),
    ("sizes", OP.CONTAINS, 7),
    ("name", OP.CONTAINS, "me 1"),
    ("name", OP.TEXT_MATCH, "Näme 1"),
    ("name", OP.TEXT_MATCH, "NÄME 1"),
    ("name", OP.TEXT_MATCH_INSENSITIVE, "NÄME 1"),
    ("maybe", OP.IS_EMPTY, None),
    ("tags", OP.IS_EMPTY, None),
    ("nowhere", OP.IS_EMPTY, None),
    ("nowhere", OP.EQ, 1),
    ("nowhere", OP.NE, 1),
    ("maybe", OP.NE, "x"),
    ("maybe", OP.NIN, ["x"]),
    ("text", OP.EQ, "own 3"),
    ("doc_id", OP.EQ, "document 1"),
    ("document_id", OP.IN, ["document 1", "document 2"]),
    ("ref_doc_id", OP.NE, "document 3"),
]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: f"{test[0]} {test[1].value} {test[2]}")
def test_every_operator(
    both_stores: tuple[SimpleVectorStore, NearkinVectorStore], test: tuple[str, OP, object]
) -> None:
    node_ids = check_same_answer(both_stores, query(filters=where(test)))
    if test[0] != "nowhere":
        assert 0 < len(node_ids) <= 24 or test[1:] in [(OP.TEXT_MATCH, "NÄME 1"), (OP.EQ, 6.5)]


@pytest.mark.parametrize("condition", list(FilterCondition))
def test_every_condition(both_stores: tuple[SimpleVectorStore, NearkinVectorStore], condition: FilterCondition) -> None:
    tests = ("n", OP.GT, 5), ("tags", OP.CONTAINS, "t1"), ("name", OP.NE, "Näme 7")
    assert (
        check_same_answer(both_stores, query(filters=where(*tests, condition=condition)))
        or condition == FilterCondition.NOT
    )
    assert len(check_same_answer(both_stores, query(filters=where(condition=condition)))) == 24


def test_only_some_nodes(both_stores: tuple[SimpleVectorStore, NearkinVectorStore]) -> None:
    node_ids = [node.node_id for node in NODES[3:9]]
    assert set(check_same_answer(both_stores, query(node_ids=[*node_ids, "nobody"]))) == set(node_ids)
    assert len(check_same_answer(both_stores, query(node_ids=node_ids, filters=where(("n", OP.LT, 5))))) == 2


@pytest.mark.parametrize("threshold", [None, 0.2, 0.9, 1.0])
def test_variety(both_stores: tuple[SimpleVectorStore, NearkinVectorStore], threshold: float | None) -> None:
    """Only two hits: from the third on, LlamaIndex counts likeness to the last chosen hit, ours to all chosen hits."""
    for n in range(99, 104):
        check_same_answer(both_stores, query(n, 2, mode=VectorStoreQueryMode.MMR), mmr_threshold=threshold)


def test_adding_again_replaces(both_stores: tuple[SimpleVectorStore, NearkinVectorStore]) -> None:
    new = TextNode(id_="node 3", text="new", metadata={"fresh": 1}, embedding=NODES[5].embedding)
    for store in both_stores:
        assert store.add([new]) == ["node 3"]
    check_same_answer(both_stores, query())
    assert check_same_answer(both_stores, query(filters=where(("fresh", OP.EQ, 1)))) == ["node 3"]
    assert "node 3" not in check_same_answer(both_stores, query(filters=where(("n", OP.EQ, 3))))


@pytest.mark.parametrize(
    ("ids", "tests"),
    [(["node 1", "node 2", "nobody"], []), (None, [("n", OP.GT, 9)]), (["node 1", "node 20"], [("n", OP.GT, 9)])],
)
def test_deleting_nodes(
    both_stores: tuple[SimpleVectorStore, NearkinVectorStore],
    ids: list[str] | None,
    tests: list[tuple[str, OP, object]],
) -> None:
    for store in both_stores:
        store.delete_nodes(ids, where(*tests) if tests else None)
    assert len(check_same_answer(both_stores, query())) < 24


def test_deleting_documents(both_stores: tuple[SimpleVectorStore, NearkinVectorStore]) -> None:
    for store in both_stores:
        store.delete("document 2")
        store.delete("nobody")
    assert len(check_same_answer(both_stores, query())) == 18


def test_clearing_and_filling_again(both_stores: tuple[SimpleVectorStore, NearkinVectorStore]) -> None:
    for store in both_stores:
        store.clear()
    assert check_same_answer(both_stores, query()) == []
    for store in both_stores:
        store.add(NODES[:2])
    assert len(check_same_answer(both_stores, query())) == 2


def test_a_node_gives_its_embedding_back(store: BasePydanticVectorStore) -> None:
    np.testing.assert_allclose(store.get("node 3"), NODES[3].embedding, rtol=1e-6)
    with pytest.raises(KeyError):
        store.get("nobody")


def test_async_forms_answer_alike(store: BasePydanticVectorStore) -> None:
    async def use() -> list[str]:
        await store.adelete("document 1")
        await store.async_add([NODES[1]])
        return list((await store.aquery(query())).ids or [])

    assert asyncio.run(use()) == store.query(query()).ids


@pytest.mark.parametrize("mode", [VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.SEMANTIC_HYBRID])
def test_a_mode_that_there_is_none_of_is_a_value_error(
    store: BasePydanticVectorStore, mode: VectorStoreQueryMode
) -> None:
    with pytest.raises(ValueError, match=r"(?i)invalid query mode"):
        store.query(query(mode=mode))


def test_a_node_without_an_embedding_is_a_value_error(store: BasePydanticVectorStore) -> None:
    with pytest.raises(ValueError, match="embedding not set"):
        store.add([TextNode(text="x")])


# ---- what only ours does


@pytest.fixture
def ours(both_stores: tuple[SimpleVectorStore, NearkinVectorStore]) -> NearkinVectorStore:
    return both_stores[1]


def test_whole_nodes_come_back(ours: NearkinVectorStore) -> None:
    assert ours.get_nodes([node.node_id for node in NODES]) == [
        node.model_copy(update={"embedding": None}) for node in NODES
    ]
    result = ours.query(query(k=1))
    assert [node.node_id for node in result.nodes or []] == result.ids


def test_nodes_of_every_class_come_back(tmp_path: Path) -> None:
    store, embedding = NearkinVectorStore(tmp_path / "c"), [1.0, 2.0]
    nodes: list[BaseNode] = [
        IndexNode(id_="index", text="a", index_id="i", embedding=embedding),
        ImageNode(id_="picture", image_path="/p.png", text="said", embedding=embedding),
        ImageNode(id_="seen", image="aGVsbG8=", embedding=embedding),
        Node(id_="plain", embedding=embedding),
    ]
    nodes[-1].set_content("b")
    store.add(nodes)
    back = store.get_nodes()
    assert [type(node) for node in back] == [type(node) for node in nodes]
    assert [node.get_content() for node in back] == [node.get_content() for node in nodes]
    assert back[1].image_path == "/p.png"
    assert back[2].image == "aGVsbG8="
    assert "aGVsbG8=" not in back[2].get_content()
    assert store.client.get("/p.png").key == "picture"
    store.close()


def test_what_the_collection_learns_is_in_the_node(ours: NearkinVectorStore) -> None:
    ours.client.update("node 3", {"n": 300})
    assert ours.get_nodes(filters=where(("n", OP.GT, 100)))[0].metadata["n"] == 300


def test_filters_may_be_nested(ours: NearkinVectorStore) -> None:
    inner = where(("n", OP.LT, 3), ("n", OP.GT, 20), condition=FilterCondition.OR)
    outer = MetadataFilters(filters=[inner, MetadataFilter(key="even", value=1)])
    assert {node.metadata["n"] for node in ours.get_nodes(filters=outer)} == {0, 2, 22}


def test_only_some_documents(ours: NearkinVectorStore) -> None:
    result = ours.query(query(doc_ids=["document 1"]))
    assert {node.ref_doc_id for node in result.nodes or []} == {"document 1"}


def test_words_and_both(ours: NearkinVectorStore) -> None:
    vector_query = query(k=3, query_str="node 17", mode=VectorStoreQueryMode.TEXT_SEARCH)
    assert (ours.query(vector_query).ids or [])[0] == "node 17"
    vector_query.mode = VectorStoreQueryMode.HYBRID
    assert "node 17" in (ours.query(vector_query).ids or [])
    assert not ours.client.search(query="TextNode")


def test_searches_stay_within_clusters(ours: NearkinVectorStore) -> None:
    [cluster, *_] = ours.client.clusters("coarse")
    result = ours.query(query(), within_cluster=cluster.id)
    assert len(result.ids or []) == cluster.size
    assert len(ours.query(query(), per_cluster=1, level="coarse").ids or []) < 24


def test_an_index_over_the_store(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "index", create=True) as collection:
        store = NearkinVectorStore(collection)
        context = StorageContext.from_defaults(vector_store=store)
        texts = [Document(text=colour, id_=f"of {colour}") for colour in ("red", "green", "blue")]
        embedding = NearkinEmbedding(Reading())
        index = VectorStoreIndex.from_documents(texts, storage_context=context, embed_model=embedding)
        [hit] = index.as_retriever(similarity_top_k=1).retrieve("green")
        assert (hit.node.get_content(), hit.score) == ("green", pytest.approx(1))
        index.delete_ref_doc("of green")
        again = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
        assert {hit.node.get_content() for hit in again.as_retriever(similarity_top_k=5).retrieve("green")} == {
            "red",
            "blue",
        }


def test_a_multi_modal_index_over_two_stores(tmp_path: Path, folder: Path) -> None:
    texts, pictures = (NearkinVectorStore(tmp_path / name) for name in ("texts", "pictures"))
    context = StorageContext.from_defaults(vector_store=texts, image_store=pictures)
    embedding = NearkinEmbedding(Reading())
    nodes = [ImageNode(image_path=str(file), metadata={"colour": file.stem}) for file in sorted(folder.glob("*.png"))]
    index = MultiModalVectorStoreIndex(
        [*nodes, TextNode(text="red")], storage_context=context, embed_model=embedding, image_embed_model=embedding
    )
    retriever = index.as_retriever(similarity_top_k=1, image_similarity_top_k=1)
    [hit] = retriever.text_to_image_retrieve("blue")
    assert isinstance(hit.node, ImageNode)
    assert hit.node.metadata == {"colour": "blue"}
    [hit] = retriever.image_to_image_retrieve(str(folder / "green.png"))
    assert (hit.node.metadata["colour"], hit.score) == ("green", pytest.approx(1))
    [hit] = retriever.text_retrieve(QueryBundle("red"))
    assert hit.node.get_content() == "red"
    for store in (texts, pictures):
        store.close()


def test_pictures_that_were_there_before_are_image_nodes(filled: Collection, folder: Path) -> None:
    store, embedding = NearkinVectorStore(filled), NearkinEmbedding("tiny")
    vector_query = VectorStoreQuery(query_embedding=embedding.get_image_embedding(str(folder / "red.png")))
    [node] = store.query(vector_query).nodes or []
    assert isinstance(node, ImageNode)
    assert node.image_path == str(folder / "red.png")
    assert node.metadata["colour"] == "red"
    assert len(node.metadata["clusters"]) == 3


def test_our_embedders_are_embeddings(folder: Path) -> None:
    embedding = NearkinEmbedding(Reading())
    paths = [str(folder / "black.png"), str(folder / "red.png")]
    vectors = embedding.get_image_embedding_batch(paths)
    assert embedding.get_image_embedding(BytesIO(Path(paths[1]).read_bytes())) == vectors[1]
    assert asyncio.run(embedding.aget_image_embedding(paths[0])) == vectors[0]
    assert embedding.get_text_embedding_batch(["red", "blue"])[1] == embedding.get_query_embedding("blue")
    assert embedding.model_name == "reading"


# ---- bad input


def test_a_wrong_dimension_is_a_value_error(ours: NearkinVectorStore) -> None:
    with pytest.raises(ValueError, match="have 2 coordinates") as caught:
        ours.add([TextNode(text="x", embedding=[1.0, 2.0])])
    assert isinstance(caught.value, BadVector)
    with pytest.raises(ValueError, match="have 2 coordinates"):
        ours.query(VectorStoreQuery(query_embedding=[1.0, 2.0]))


def test_a_filter_that_cannot_be_is_a_value_error(ours: NearkinVectorStore) -> None:
    with pytest.raises(ValueError, match=r"\$in and \$nin at 'metadata.n' take a list; got 3") as caught:
        ours.query(query(filters=where(("n", OP.IN, 3))))
    assert isinstance(caught.value, BadFilter)
    unheard = MetadataFilter.model_construct(key="n", value=3, operator="near")
    with pytest.raises(ValueError, match="unknown operator 'near'; the operators are: =="):
        ours.query(query(filters=MetadataFilters.model_construct(filters=[unheard], condition=None)))


def test_what_is_not_there(ours: NearkinVectorStore) -> None:
    assert ours.get_nodes(["nobody"]) == []
    with pytest.raises(ItemNotFound, match="no item with the key or path 'nobody'"):
        ours.get("nobody")


def test_a_picture_that_cannot_be_read_is_a_value_error(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"not a picture")
    for bad in ("broken.png", "nowhere.png"):
        with pytest.raises(ValueError, match=bad):
            NearkinEmbedding("tiny").get_image_embedding(str(folder / bad))
    with pytest.raises(NoTextTower, match="reads pictures only"):
        NearkinEmbedding("tiny").get_text_embedding("red")


def test_without_the_package_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['llama_index'] = None\nimport retrieval.adapters.llamaindex"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingPackage: this adapter needs the package 'llama-index-core'" in done.stderr
    assert "pip install 'nearkin[llamaindex]'" in done.stderr
