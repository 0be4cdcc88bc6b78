"""nearkin in LangChain: its own suite for vector stores whole, then pictures, searches and bad input."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("langchain_core", reason="needs nearkin[langchain]")
pytest.importorskip("langchain_tests", reason="LangChain's suite comes with langchain-tests")

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from indexers.embedders.tiny import Tiny
from indexers.errors import BadFilter, BadVector, ClusterNotFound, NoTextTower
from indexers.types import Vectors
from retrieval import Collection
from retrieval.adapters.langchain import NearkinEmbeddings, NearkinVectorStore

COLOURS = {"red": (1, 0, 0), "green": (0, 0.5, 0), "blue": (0, 0, 1), "black": (0, 0, 0)}

for _promise in vars(VectorStoreIntegrationTests).values():
    if inspect.iscoroutinefunction(_promise):  # what `-o asyncio_mode=auto` does, but for this suite alone
        pytest.mark.asyncio(_promise)


class TestLangChainsOwnSuite(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        store = NearkinVectorStore(tmp_path / "collection", embedding=self.get_embeddings())
        yield store
        store.close()


class Reading(Tiny):
    """An embedder that reads the names of colours as pictures of them; all other words are grey."""

    name = "reading"
    supports_text = True

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return np.array([[*COLOURS.get(text.split()[-1], (0.5, 0.5, 0.5)) * 4, 1] for text in texts], np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NearkinVectorStore]:
    """Yield an empty store over a collection whose embedder reads words."""
    new_store = NearkinVectorStore(tmp_path / "store", embedder=Reading())
    yield new_store
    new_store.close()


@pytest.fixture
def pictures(store: NearkinVectorStore, folder: Path) -> NearkinVectorStore:
    """Return the store with the five discs, their ids the colours."""
    files = sorted(folder.glob("*.png"))
    colours = [{"colour": file.stem} for file in files]
    assert store.add_images(files, colours, [file.stem for file in files]) == [file.stem for file in files]
    return store


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[tuple[NearkinVectorStore, InMemoryVectorStore]]:
    """Yield our store and LangChain's own, with the same forty texts."""
    embedding = DeterministicFakeEmbedding(size=16)
    texts, metadata = [f"text {n}" for n in range(40)], [{"n": n} for n in range(40)]
    ours = NearkinVectorStore.from_texts(texts, embedding, metadata, ids=texts, path=tmp_path / "numbers")
    yield ours, InMemoryVectorStore.from_texts(texts, embedding, metadata, ids=texts)
    ours.close()


def ids(documents: Sequence[Document]) -> list[str | None]:
    return [document.id for document in documents]


# ---- pictures


def test_pictures_are_found_by_pictures_and_carry_what_a_search_says(
    pictures: NearkinVectorStore, folder: Path
) -> None:
    [first, *_] = pictures.similarity_search_by_image(folder / "red.png", k=3)
    assert (first.id, first.page_content) == ("red", "")
    path = list(pictures.collection.search(item="green")[0].clusters)
    assert len(path) == 3
    uri = str(folder / "red.png")
    assert first.metadata == {"uri": uri, "score": pytest.approx(1), "clusters": path, "colour": "red"}


def test_words_find_pictures_by_the_text_tower(pictures: NearkinVectorStore) -> None:
    assert pictures.similarity_search("blue", k=1)[0].id == "blue"
    [best, *_] = pictures.similarity_search_with_score("green", k=2)
    assert best[0].id == "green"
    assert best[1] == best[0].metadata["score"]


def test_texts_stand_beside_pictures(pictures: NearkinVectorStore) -> None:
    [key] = pictures.add_texts(["green"], [{"said": "by me"}])
    documents = {document.id: document for document in pictures.similarity_search("green", k=2)}
    assert set(documents) == {key, "green"}
    assert (documents[key].page_content, documents[key].metadata["said"]) == ("green", "by me")


def test_filters_are_those_of_the_library(pictures: NearkinVectorStore, folder: Path) -> None:
    where = {"colour": {"$in": ["green", "black"]}}
    assert set(ids(pictures.similarity_search_by_image(folder / "red.png", filter=where))) == {"green", "black"}
    assert ids(pictures.similarity_search("red", filter={"key": "black"})) == ["black"]


def test_a_picture_without_an_id_is_known_by_its_bytes(store: NearkinVectorStore, folder: Path) -> None:
    first = store.add_images([folder / "red.png", folder / "blue.png"])
    assert store.add_images([str(folder / "blue.png"), str(folder / "red.png")]) == first[::-1]
    assert store.collection.count() == 2
    assert ids(store.get_by_ids(first)) == first


def test_searches_stay_within_clusters(tmp_path: Path) -> None:
    store = NearkinVectorStore(tmp_path / "c", embedding=DeterministicFakeEmbedding(size=8))
    random = np.random.default_rng(0)
    middles = np.repeat(random.standard_normal((4, 8)), 12, axis=0)
    near = middles + 0.01 * random.standard_normal((48, 8))
    store.add_embeddings([str(n) for n in range(48)], near.tolist())
    clusters = store.collection.clusters("fine")
    assert len(clusters) >= 2
    documents = store.similarity_search_by_vector(near[0].tolist(), k=48, within_cluster=clusters[0].id)
    assert len(documents) == clusters[0].size
    assert all(clusters[0].id in document.metadata["clusters"] for document in documents)
    spread = store.similarity_search_by_vector(near[0].tolist(), k=4, per_cluster=1)
    paths = [document.metadata["clusters"][2] for document in spread if len(document.metadata.get("clusters", [])) == 3]
    assert len(set(paths)) == len(paths)
    store.close()


# ---- the same answers as LangChain's own store


@pytest.mark.parametrize("search", ["similarity_search", "max_marginal_relevance_search"])
def test_finds_what_the_store_in_memory_finds(
    numbers: tuple[NearkinVectorStore, InMemoryVectorStore], search: str
) -> None:
    for query in ("something", "or", "other"):
        ours, theirs = (ids(getattr(store, search)(query, k=6)) for store in numbers)
        assert ours == theirs


@pytest.mark.parametrize(("fetch_k", "lambda_mult"), [(8, 0.1), (40, 0.9), (3, 0.5)])
def test_variety_is_chosen_from_as_many(
    numbers: tuple[NearkinVectorStore, InMemoryVectorStore], fetch_k: int, lambda_mult: float
) -> None:
    options = {"k": 5, "fetch_k": fetch_k, "lambda_mult": lambda_mult}
    vector = numbers[1].embedding.embed_query("something")
    ours, theirs = (ids(store.max_marginal_relevance_search_by_vector(vector, **options)) for store in numbers)
    assert ours == theirs


def test_scores_are_cosines_and_relevances_lie_between_0_and_1(
    numbers: tuple[NearkinVectorStore, InMemoryVectorStore],
) -> None:
    ours, theirs = ([score for _, score in store.similarity_search_with_score("x", k=40)] for store in numbers)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert min(ours) < 0
    relevant = numbers[0].similarity_search_with_relevance_scores("text 3", k=40, score_threshold=0.5)
    assert next(document.id for document, _ in relevant) == "text 3"
    assert all(0.5 <= score <= 1 for _, score in relevant)


def test_distances_become_relevances_too(tmp_path: Path) -> None:
    store = NearkinVectorStore(tmp_path / "l2", embedding=DeterministicFakeEmbedding(size=4), metric="l2")
    store.add_texts(["a", "b"])
    [(first, best), (_, second)] = store.similarity_search_with_relevance_scores("a", k=2)
    assert (first.page_content, best) == ("a", pytest.approx(1, abs=1e-3))
    assert 0 < second < best
    store.close()


def test_retrievers_and_async_forms(numbers: tuple[NearkinVectorStore, InMemoryVectorStore]) -> None:
    store = numbers[0]
    retriever = store.as_retriever(
        search_type="mmr", search_kwargs={"k": 3, "fetch_k": 9, "filter": {"n": {"$gt": 20}}}
    )
    documents = retriever.invoke("text 25")
    assert len(documents) == 3
    assert all(document.metadata["n"] > 20 for document in documents)
    assert asyncio.run(retriever.ainvoke("text 25")) == documents
    assert asyncio.run(store.amax_marginal_relevance_search("x", k=2)) == store.max_marginal_relevance_search("x", k=2)
    assert len(asyncio.run(store.asimilarity_search_with_relevance_scores("text 3", k=2))) == 2


def test_a_store_is_there_when_it_is_opened_again(tmp_path: Path, folder: Path) -> None:
    embedding = NearkinEmbeddings(Reading())
    NearkinVectorStore.from_texts(["red"], embedding, ids=["a"], path=tmp_path / "c").close()
    with Collection.open(tmp_path / "c", embedder=Reading()) as collection:
        store = NearkinVectorStore(collection, embedding)
        assert store.embeddings is embedding
        assert store.similarity_search_by_image(folder / "red.png")[0].page_content == "red"
        assert store.similarity_search("red")[0].id == "a"


def test_delete_without_ids_deletes_all(numbers: tuple[NearkinVectorStore, InMemoryVectorStore]) -> None:
    assert numbers[0].delete()
    assert numbers[0].similarity_search("text 3") == []


# ---- embeddings


def test_our_embedders_are_embeddings(folder: Path) -> None:
    embedding = NearkinEmbeddings(Reading())
    [picture] = embedding.embed_image([folder / "black.png"])
    assert len(picture) == 13
    assert embedding.embed_query("blue") == embedding.embed_documents(["red", "blue"])[1]
    assert NearkinEmbeddings("tiny").embed_image([str(folder / "black.png")]) == [picture]


class Seeing(DeterministicFakeEmbedding):
    """A foreign embedding that takes pictures as well."""

    def embed_image(self, uris: Sequence[str]) -> list[list[float]]:
        return self.embed_documents([Path(uri).stem for uri in uris])


def test_pictures_go_through_an_embedding_that_takes_them(tmp_path: Path, folder: Path) -> None:
    store = NearkinVectorStore(tmp_path / "c", embedding=Seeing(size=6))
    store.add_images([folder / "red.png", folder / "blue.png"], ids=["r", "b"])
    assert store.similarity_search("red", k=1)[0].id == "r"
    [document] = store.similarity_search_by_image(folder / "blue.png", k=1)
    assert (document.id, document.metadata["uri"]) == ("b", str(folder / "blue.png"))
    store.close()


# ---- bad input


def test_a_wrong_dimension_is_a_value_error(numbers: tuple[NearkinVectorStore, InMemoryVectorStore]) -> None:
    with pytest.raises(ValueError, match="have 3 coordinates") as caught:
        numbers[0].add_embeddings(["x"], [[1.0, 2.0, 3.0]])
    assert isinstance(caught.value, BadVector)
    with pytest.raises(ValueError, match="have 3 coordinates"):
        numbers[0].similarity_search_by_vector([1.0, 2.0, 3.0])
    assert numbers[0].collection.count() == 40


def test_an_unknown_operator_is_a_value_error(numbers: tuple[NearkinVectorStore, InMemoryVectorStore]) -> None:
    with pytest.raises(ValueError, match=r"unknown operator '\$near'") as caught:
        numbers[0].similarity_search("x", filter={"n": {"$near": 3}})
    assert isinstance(caught.value, BadFilter)


def test_an_unreadable_picture_is_a_value_error(pictures: NearkinVectorStore, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"broken\.png.*can't be used"):
        pictures.similarity_search_by_image(folder / "broken.png")
    with pytest.raises(ValueError, match=r"nowhere\.png"):
        pictures.similarity_search_by_image(folder / "nowhere.png")
    with pytest.raises(ValueError, match=r"1 pictures can't be read.*broken\.png"):
        pictures.add_images([folder / "broken.png", folder / "red.png"])
    with pytest.raises(ValueError, match=r"nowhere\.png"):
        pictures.add_images([folder / "nowhere.png"])
    with pytest.raises(ValueError, match=r"broken\.png"):
        NearkinEmbeddings("tiny").embed_image([folder / "broken.png"])


def test_an_embedding_of_words_takes_no_pictures(tmp_path: Path, folder: Path) -> None:
    store = NearkinVectorStore(tmp_path / "c", embedding=DeterministicFakeEmbedding(size=6))
    with pytest.raises(ValueError, match="DeterministicFakeEmbedding has no `embed_image`"):
        store.add_images([folder / "red.png"])
    store.close()


def test_an_embedder_of_pictures_takes_no_words(collection: Collection, folder: Path) -> None:
    store = NearkinVectorStore(collection)
    store.add_images([folder / "red.png"])
    with pytest.raises(NoTextTower):
        store.add_texts(["red"])
    with pytest.raises(NoTextTower):
        store.similarity_search("red")


def test_not_as_many_ids_as_documents(numbers: tuple[NearkinVectorStore, InMemoryVectorStore]) -> None:
    with pytest.raises(ValueError, match="ids must have one value for each of 2; got 1"):
        numbers[0].add_texts(["a", "b"], ids=["x"])


def test_what_is_not_there(numbers: tuple[NearkinVectorStore, InMemoryVectorStore]) -> None:
    assert numbers[0].get_by_ids(["nobody", "text 3"]) == numbers[1].get_by_ids(["text 3"])
    assert numbers[0].delete(["nobody"])
    with pytest.raises(ClusterNotFound):
        numbers[0].similarity_search("x", within_cluster=4711)


def test_an_open_collection_has_its_settings(collection: Collection) -> None:
    with pytest.raises(ValueError, match="an open collection already has"):
        NearkinVectorStore(collection, embedder="tiny")


def test_without_the_package_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['langchain_core'] = None\nimport retrieval.adapters.langchain"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingPackage: this adapter needs the package 'langchain-core'" in done.stderr
    assert "pip install 'nearkin[langchain]'" in done.stderr
    assert isinstance(NearkinEmbeddings("tiny"), Embeddings)
