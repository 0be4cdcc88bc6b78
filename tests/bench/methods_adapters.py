"""What the adapters cost above the library itself, and how LangChain's other stores do on the same vectors.

Collections are without clusters here: with them the library has more to do, and an adapter's share is smaller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from retrieval import Collection
from retrieval.config import Config
from tests.bench.harness import Bench, time_in_turns

BATCH = 1000
K = 10
ADDED = 10_000
"""Vectors that are added where stores are compared (at full scale)."""
SEARCHES = 1000
ROUNDS = 3
Add = Callable[[slice], object]


class Ready(Embeddings):
    """Ready-made vectors under their numbers as texts, as LangChain wants them."""

    def __init__(self, vectors: np.ndarray) -> None:
        self._rows = vectors.tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._rows[int(text)] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def run(bench: Bench) -> None:
    count = min(ADDED, bench.count // 10)
    vectors, queries = bench.data[0][:count], bench.queries.tolist()
    rounds = []
    for number in range(ROUNDS):
        stores = others(bench.work / f"round-{number}", Ready(vectors))
        rounds.append(time_adding(bench.work / f"round-{number}", vectors, stores))
    added = {name: float(np.median([seconds[name] for seconds in rounds])) for name in rounds[0]}
    rates(bench, {name: count / spent for name, spent in added.items()}, f"adding {count:,} ready vectors")
    searched = searching(bench, vectors, queries, stores)
    report_sums(bench, count, added, searched)
    overhead(bench, queries)


# ---- adding


def time_adding(work: Path, vectors: np.ndarray, stores: dict[str, VectorStore]) -> dict[str, float]:
    """Add in batches, in turns whose order rotates, and return the seconds of each store."""
    jobs = {name: make_adder(name, work / name, vectors) for name in ("library", *OPENED)}
    jobs |= {name: texts_adder(store, len(vectors)) for name, store in stores.items()}
    seconds = dict.fromkeys(jobs, 0.0)
    names = list(jobs)
    for turn, start in enumerate(range(0, len(vectors), BATCH)):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.perf_counter()
            jobs[name](slice(start, start + BATCH))
            seconds[name] += time.perf_counter() - began
    return seconds


def rates(bench: Bench, rate: dict[str, float], title: str) -> None:
    for name in OPENED:
        limit = {"peer": rate["library"], "limit": 0.7 * rate["library"]}
        bench.add(f"{title} through {name}", rate[name], "a second", "at least .7 of the library", more=True, **limit)
    for name in (store_name for store_name in rate if store_name not in ("library", "ours", *OPENED)):
        limit = {"peer": rate[name], "limit": rate[name]}
        bench.add(f"{title} as LangChain store beside {name}", rate["ours"], "a second", "faster", more=True, **limit)


def make_adder(name: str, folder: Path, vectors: np.ndarray) -> Add:
    """Return the function that adds a part of the vectors in the framework's own form."""
    collection = Collection.open(folder, create=True, clusters=0)
    if name != "library":
        return OPENED[name](collection, vectors)[0]
    rows = vectors.tolist()

    def add(part: slice) -> None:
        numbers = range(len(rows))[part]
        texts, metadata = [str(n) for n in numbers], [{"n": n} for n in numbers]
        collection.add_vectors(rows[part], keys=texts, metadata=metadata, texts=texts)

    return add


def texts_adder(store: VectorStore, count: int) -> Add:
    texts = [str(n) for n in range(count)]

    def add(part: slice) -> None:
        store.add_texts(texts[part], [{"n": int(text)} for text in texts[part]], ids=ids(texts[part]))

    return add


def ids(texts: Sequence[str]) -> list[str]:
    """Qdrant wants UUIDs."""
    return [f"00000000-0000-0000-0000-{int(text):012d}" for text in texts]


# ---- the frameworks: what adds, and what searches


def langchain(collection: Collection, vectors: np.ndarray) -> tuple[Add, Callable[[list[float]], Any]]:
    from retrieval.adapters.langchain import NearkinVectorStore

    store, rows = NearkinVectorStore(collection, Ready(vectors[:1])), vectors.tolist()

    def add(part: slice) -> None:
        texts = [str(n) for n in range(len(rows))[part]]
        store.add_embeddings(texts, rows[part], [{"n": int(text)} for text in texts], ids=texts)

    return add, lambda query: store.similarity_search_by_vector(query, k=K)


def llamaindex(collection: Collection, vectors: np.ndarray) -> tuple[Add, Callable[[list[float]], Any]]:
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.types import VectorStoreQuery

    from retrieval.adapters.llamaindex import NearkinVectorStore

    store = NearkinVectorStore(collection)
    nodes = [TextNode(id_=str(n), text=str(n), metadata={"n": n}) for n in range(len(vectors))]
    for node, row in zip(nodes, vectors, strict=True):
        node.embedding = row.tolist()
    return lambda part: store.add(nodes[part]), lambda query: store.query(VectorStoreQuery(query, K))


def haystack(collection: Collection, vectors: np.ndarray) -> tuple[Add, Callable[[list[float]], Any]]:
    from haystack import Document

    from retrieval.adapters.haystack import NearkinDocumentStore

    store = NearkinDocumentStore(collection)
    documents = [
        Document(id=str(n), content=str(n), meta={"n": n}, embedding=row) for n, row in enumerate(vectors.tolist())
    ]
    return lambda part: store.write_documents(documents[part]), lambda query: store.search(query, K)


OPENED = {"LangChain": langchain, "LlamaIndex": llamaindex, "Haystack": haystack}


def others(work: Path, embedding: Ready) -> dict[str, VectorStore]:
    """LangChain stores, ours and those beside it, each empty."""
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient
    from qdrant_client.models import Distance, VectorParams

    from retrieval.adapters.langchain import NearkinVectorStore

    client, size = QdrantClient(":memory:"), len(embedding.embed_query("0"))
    client.create_collection("ready", VectorParams(size=size, distance=Distance.COSINE))
    ours = {"max_neighbors": Config().m, "ef_construction": Config().ef_construction, "ef_search": Config().ef}
    collection = Collection.open(work / "ours", create=True, clusters=0)
    return {
        "ours": NearkinVectorStore(collection, embedding),
        "Chroma": chroma(work / "chroma", embedding, {}),
        "Chroma with our HNSW settings": chroma(work / "chroma-as-ours", embedding, ours),
        "InMemoryVectorStore": InMemoryVectorStore(embedding),
        "Qdrant's local mode": QdrantVectorStore(client, "ready", embedding, validate_collection_config=False),
    }


def chroma(folder: Path, embedding: Ready, settings: dict[str, int]) -> VectorStore:
    from langchain_chroma import Chroma

    hnsw = {"hnsw": {"space": "cosine", **settings}}
    return Chroma(embedding_function=embedding, persist_directory=str(folder), collection_configuration=hnsw)


# ---- searching


def searching(
    bench: Bench, vectors: np.ndarray, queries: list[list[float]], stores: dict[str, VectorStore]
) -> dict[str, float]:
    names = list(stores)
    asks = [asker(store, queries) for store in stores.values()]
    seconds = dict(zip(names, time_in_turns(20, *asks, warm=2), strict=True))
    best = nearest(vectors, np.array(queries[:100]))
    recall = {name: measure_recall(ask, best) for name, ask in zip(names, asks, strict=True)}
    for name in names[1:]:
        bench.add(
            f"search among {len(vectors):,} as LangChain store beside {name}",
            seconds["ours"] * 1e3,
            "ms",
            "faster",
            peer=seconds[name] * 1e3,
            limit=seconds[name] * 1e3,
        )
        bench.add(
            f"recall@10 of the same beside {name}",
            recall["ours"],
            "",
            "at least as good",
            peer=recall[name],
            limit=recall[name],
            more=True,
        )
    return seconds


def report_sums(bench: Bench, count: int, added: dict[str, float], searched: dict[str, float]) -> None:
    """Report adding and searching together: a store in memory adds at no cost, and pays with each search."""
    total = {name: added[name] + SEARCHES * searched[name] for name in searched}
    for name in (store_name for store_name in total if store_name != "ours"):
        limit = {"peer": total[name], "limit": total[name]}
        title = f"adding {count:,} and {SEARCHES:,} searches (summed) as LangChain store beside {name}"
        bench.add(title, total["ours"], "s", "faster", **limit)


def asker(store: VectorStore, queries: list[list[float]]) -> Callable[[int], set[int]]:
    return lambda place: {document.metadata["n"] for document in store.similarity_search_by_vector(queries[place], k=K)}


def measure_recall(ask: Callable[[int], set[int]], best: Sequence[set[int]]) -> float:
    """Return the recall; over fewer queries if each takes long."""
    began, shares = time.perf_counter(), []
    for place, right in enumerate(best):
        shares.append(len(ask(place) & right) / K)
        if time.perf_counter() - began > 20:
            break
    return float(np.mean(shares))


def nearest(vectors: np.ndarray, queries: np.ndarray) -> list[set[int]]:
    """Return the positions of the ten nearest, by brute force."""
    scores = queries @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T
    return [set(np.argpartition(-row, K)[:K].tolist()) for row in scores]


def overhead(bench: Bench, queries: list[list[float]]) -> None:
    """Time searches of a collection that LlamaIndex filled, whose documents are the largest."""
    folder = bench.work / f"adapters-{bench.count}"
    with Collection.open(folder, create=True, clusters=0) as collection:
        if not collection.count():
            add = llamaindex(collection, bench.data[0])[0]
            for start in range(0, bench.count, ADDED):
                add(slice(start, start + ADDED))
        searches = [open_one(collection, bench.data[0][:1])[1] for open_one in OPENED.values()]
        searches.insert(0, lambda query: collection.search(vector=query, k=K))
        # at no time the query of another job, which would have left its neighbourhood in the processor's cache
        jobs = [lambda i, ask=ask, row=row: ask(queries[(i + 50 * row) % 200]) for row, ask in enumerate(searches)]
        library, *ours = time_in_turns(200, *jobs)
    for name, seconds in zip(OPENED, ours, strict=True):
        bench.add(
            f"search among {bench.count:,} through {name}",
            seconds * 1e3,
            "ms",
            "the library's own + 1 ms",
            peer=library * 1e3,
            limit=library * 1e3 + 1,
        )
