"""nearkin in Haystack: its own suites for document stores whole, then pictures, components and bad input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("haystack", reason="needs nearkin[haystack]")

from haystack import Document, Pipeline
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DocumentStoreError, DuplicateDocumentError
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DocumentStore, DuplicatePolicy
from haystack.errors import FilterError
from haystack.testing.document_store import DocumentStoreBaseExtendedTests, DocumentStoreBaseTests

from retrieval import Collection
from retrieval.adapters.haystack import (
    NearkinDocumentImageEmbedder,
    NearkinDocumentStore,
    NearkinEmbeddingRetriever,
    NearkinImageEmbedder,
    NearkinTextEmbedder,
)


class Promises:
    """What the suites leave to each store: a store to test, the precision of its numbers, its default policy."""

    @pytest.fixture
    def document_store(self, tmp_path: Path) -> Iterator[DocumentStore]:
        store = NearkinDocumentStore(tmp_path / "collection")
        yield store
        store.close()

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        """Compare documents in order, exactly but for their embeddings, which are stored as float32."""
        assert [document.to_dict(flatten=False) | {"embedding": None} for document in received] == [
            document.to_dict(flatten=False) | {"embedding": None} for document in expected
        ]
        for document, expected_document in zip(received, expected, strict=True):
            assert (document.embedding is None) == (expected_document.embedding is None)
            if document.embedding is not None:
                np.testing.assert_allclose(document.embedding, expected_document.embedding, rtol=1e-6)

    def test_write_documents(self, document_store: DocumentStore) -> None:
        written = [Document(content="one"), Document(content="two", embedding=[1.0, 2.0])]
        assert document_store.write_documents(written) == 2
        self.assert_documents_are_equal(document_store.filter_documents(), written)
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([Document(content="three"), written[0]])
        assert document_store.count_documents() == 2


class TestHaystacksOwnBaseSuite(Promises, DocumentStoreBaseTests):
    pass


class TestHaystacksOwnExtendedSuite(Promises, DocumentStoreBaseExtendedTests):
    pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NearkinDocumentStore]:
    new_store = NearkinDocumentStore(tmp_path / "store")
    yield new_store
    new_store.close()


@pytest.fixture
def pictures(store: NearkinDocumentStore, folder: Path) -> NearkinDocumentStore:
    """Return the store with the five discs, their ids the colours."""
    files = sorted(folder.glob("*.png"))
    documents = [Document(id=file.stem, meta={"file_path": str(file), "colour": file.stem}) for file in files]
    embedded = NearkinDocumentImageEmbedder("tiny").run(documents=documents)["documents"]
    assert store.write_documents(embedded) == 5
    assert all(document.embedding is None for document in documents)
    return store


# ---- writing


def test_a_whole_document_comes_back(store: NearkinDocumentStore) -> None:
    document = Document(
        content="text",
        blob=ByteStream(b"\x00\xff", meta={"from": "me"}, mime_type="image/png"),
        meta={"tags": ["a", "b"], "deep": {"id": 1}, "none": None},
        sparse_embedding=SparseEmbedding([1, 5], [0.5, 0.25]),
        embedding=[0.5, 0.25],
    )
    store.write_documents([document])
    assert store.filter_documents() == [document]
    assert len(store.collection.search(query="text")) == 1
    assert not store.collection.search(query="png")


def test_duplicates_within_one_batch(store: NearkinDocumentStore) -> None:
    twice = [Document(id="a", content="first"), Document(id="a", content="second")]
    with pytest.raises(DuplicateDocumentError, match="'a' exists already"):
        store.write_documents(twice)
    assert store.count_documents() == 0
    assert store.write_documents(twice, policy=DuplicatePolicy.SKIP) == 1
    assert store.filter_documents()[0].content == "first"


def test_overwriting_leaves_nothing_behind(store: NearkinDocumentStore) -> None:
    store.write_documents([Document(id="a", content="old", meta={"x": 1}, embedding=[1.0, 0.0])])
    new = Document(id="a", meta={"y": 2})
    store.write_documents([new], policy=DuplicatePolicy.OVERWRITE)
    assert store.filter_documents() == [new]
    assert store.search([1.0, 0.0]) == []
    assert store.collection.verify().ok


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    document = Document(content="text", embedding=[1.0, 2.0])
    first = NearkinDocumentStore(tmp_path / "c")
    first.write_documents([document])
    again = NearkinDocumentStore.from_dict(first.to_dict())
    first.close()
    assert again.filter_documents() == [document]
    again.close()


# ---- filters beside Haystack's own store

FILTERS = [
    {"field": "meta.n", "operator": op, "value": value}
    for op in ("==", "!=", ">", ">=", "<", "<=")
    for value in (3, 2.5, None)
]
FILTERS += [
    {"field": "meta.n", "operator": "in", "value": [1, 3, None]},
    {"field": "meta.n", "operator": "not in", "value": [1, 3, None]},
    {"field": "meta.n", "operator": "in", "value": []},
    {"field": "meta.deep.text", "operator": "==", "value": "t2"},
    {"field": "meta.even", "operator": "==", "value": True},
    {"field": "n", "operator": "==", "value": 3},
    {"field": "content", "operator": "==", "value": "document 4"},
    {"field": "id", "operator": "in", "value": ["2", "5", "nobody"]},
    {"field": "meta.id", "operator": "==", "value": "own 2"},
    {"field": "meta.nowhere", "operator": "!=", "value": 1},
    {"operator": "AND", "conditions": []},
    {"operator": "OR", "conditions": []},
    {
        "operator": "NOT",
        "conditions": [{"operator": "OR", "conditions": [{"field": "meta.n", "operator": ">", "value": 2}]}],
    },
]


def test_filters_hold_for_what_they_hold_for_in_memory(store: NearkinDocumentStore) -> None:
    documents = [
        Document(
            id=str(n),
            content=f"document {n}",
            meta={"n": n, "even": n % 2 == 0, "deep": {"text": f"t{n}"}, "id": f"own {n}"} if n < 6 else {"n": None},
        )
        for n in range(8)
    ]
    memory = InMemoryDocumentStore()
    for document_store in (store, memory):
        document_store.write_documents(documents)
    for filters in FILTERS:
        ours, theirs = (
            {document.id for document in document_store.filter_documents(filters)} for document_store in (store, memory)
        )
        assert ours == theirs, filters


# ---- searching


def test_finds_what_the_store_in_memory_finds(store: NearkinDocumentStore) -> None:
    random = np.random.default_rng(0)
    documents = [Document(id=str(n), embedding=random.standard_normal(8).tolist(), meta={"n": n}) for n in range(50)]
    memory = InMemoryDocumentStore(embedding_similarity_function="cosine")
    for document_store in (store, memory):
        document_store.write_documents(documents)
    for filters in (None, {"field": "meta.n", "operator": "<", "value": 20}):
        query = random.standard_normal(8).tolist()
        ours, theirs = store.search(query, 10, filters), memory.embedding_retrieval(query, filters, 10)
        assert [document.id for document in ours] == [document.id for document in theirs]
        np.testing.assert_allclose(
            [document.score for document in ours], [document.score for document in theirs], atol=1e-5
        )


def test_a_pipeline_finds_pictures_by_a_picture(pictures: NearkinDocumentStore, folder: Path) -> None:
    pipeline = Pipeline()
    pipeline.add_component("embedder", NearkinImageEmbedder("tiny"))
    pipeline.add_component("retriever", NearkinEmbeddingRetriever(pictures, top_k=2))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    documents = pipeline.run({"embedder": {"image": str(folder / "red.png")}})["retriever"]["documents"]
    assert len(documents) == 2
    assert (documents[0].id, documents[0].score) == ("red", pytest.approx(1))
    assert documents[0].meta["uri"] == str(folder / "red.png")
    assert documents[0].meta["colour"] == "red"
    again = Pipeline.from_dict(pipeline.to_dict(), allowed_modules=["retrieval.adapters.haystack"])
    by_bytes = ByteStream((folder / "red.png").read_bytes())
    [kept] = again.run({"embedder": {"image": by_bytes}, "retriever": {"top_k": 1}})["retriever"]["documents"]
    assert kept.id == "red"
    again.get_component("retriever").document_store.close()


def test_filters_of_retrievers_are_replaced_or_merged(pictures: NearkinDocumentStore) -> None:
    red, green = ({"field": "meta.colour", "operator": "==", "value": colour} for colour in ("red", "green"))
    query = pictures.filter_documents(red)[0].embedding
    replacing = NearkinEmbeddingRetriever(pictures, filters=red)
    assert [document.id for document in replacing.run(query_embedding=query)["documents"]] == ["red"]
    assert [document.id for document in replacing.run(query_embedding=query, filters=green)["documents"]] == ["green"]
    merging = NearkinEmbeddingRetriever(
        pictures, filters={"operator": "AND", "conditions": [red]}, filter_policy="merge"
    )
    assert merging.run(query_embedding=query, filters={"operator": "AND", "conditions": [green]})["documents"] == []


def test_retrievers_stay_within_clusters(pictures: NearkinDocumentStore) -> None:
    [cluster] = pictures.collection.clusters("fine")
    query = pictures.filter_documents()[0].embedding
    retriever = NearkinEmbeddingRetriever(pictures, within_cluster=cluster.id, per_cluster=2)
    documents = retriever.run(query_embedding=query)["documents"]
    assert len(documents) == 2
    assert all(cluster.id in document.meta["clusters"] for document in documents)
    assert len(retriever.run(query_embedding=query, per_cluster=3)["documents"]) == 3


# ---- bad input


def test_a_wrong_dimension_is_a_document_store_error(pictures: NearkinDocumentStore) -> None:
    with pytest.raises(DocumentStoreError, match="have 2 coordinates; this collection's have 13"):
        pictures.write_documents([Document(content="x"), Document(content="y", embedding=[1.0, 2.0])])
    with pytest.raises(DocumentStoreError, match="have 2 coordinates"):
        pictures.search([1.0, 2.0])
    assert pictures.count_documents() == 5


def test_an_unknown_operator_is_a_filter_error(store: NearkinDocumentStore) -> None:
    with pytest.raises(FilterError, match="unknown operator 'near'; the operators are: =="):
        store.filter_documents({"field": "meta.n", "operator": "near", "value": 1})
    with pytest.raises(FilterError, match="unknown operator 'XOR'; the operators are: AND, OR, NOT"):
        store.delete_by_filter({"operator": "XOR", "conditions": []})
    with pytest.raises(FilterError, match=r"for lists there are \$in and \$contains"):
        store.filter_documents({"field": "meta.n", "operator": "==", "value": [1]})


def test_a_picture_that_cannot_be_read_is_a_value_error(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"not a picture")
    embedder = NearkinDocumentImageEmbedder("tiny")
    for bad in ("broken.png", "nowhere.png"):
        with pytest.raises(ValueError, match=bad):
            embedder.run(documents=[Document(meta={"file_path": str(folder / bad)})])
        with pytest.raises(ValueError, match=bad):
            NearkinImageEmbedder("tiny").run(image=folder / bad)
    with pytest.raises(ValueError, match="neither a blob nor a meta 'file_path'"):
        embedder.run(documents=[Document(content="text")])


def test_an_embedder_of_pictures_reads_no_words() -> None:
    with pytest.raises(ValueError, match="reads pictures only"):
        NearkinTextEmbedder("tiny").run(text="red")


def test_metadata_that_json_cannot_hold_is_a_document_store_error(store: NearkinDocumentStore) -> None:
    with pytest.raises(DocumentStoreError, match="metadata holds texts, numbers"):
        store.write_documents([Document(content="x", meta={"path": Path("/")})])


def test_an_open_collection_may_be_given(collection: Collection) -> None:
    store = NearkinDocumentStore(collection)
    store.write_documents([Document(content="x")])
    assert collection.count() == 1


def test_without_the_package_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['haystack'] = None\nimport retrieval.adapters.haystack"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingPackage: this adapter needs the package 'haystack-ai'" in done.stderr
    assert "pip install 'nearkin[haystack]'" in done.stderr
