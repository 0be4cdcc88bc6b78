"""One search and many, beside hnswlib's own."""

from __future__ import annotations

import numpy as np

from retrieval import Collection
from tests.bench.harness import Bench, time_in_turns
from tests.bench.proofs import run_nested


def run(bench: Bench) -> None:
    queries, raw = bench.queries, bench.raw
    with Collection.open(bench.folder) as collection:
        ours, peer = time_in_turns(
            600,
            lambda i: collection.search(vector=queries[i], k=10),
            lambda i: raw.knn_query(queries[i], k=10, num_threads=1),
        )
        limit = 1.3 * peer + 0.0005
        bench.add(
            "search(vector, k=10), hits with metadata",
            ours * 1e3,
            "ms",
            "1.3 x raw hnswlib + .5 ms",
            peer=peer * 1e3,
            limit=limit * 1e3,
        )
        answers = [{hit.item for hit in collection.search(vector=query, k=10)} for query in queries[:300]]
        recall = np.mean(
            [len(answer & best) / 10 for answer, best in zip(answers, exact(bench, queries[:300]), strict=True)]
        )
        bench.add("recall@10, default settings", float(recall), "", "at least .98", limit=0.98, more=True)
    many(bench)
    run_nested(bench)


def many(bench: Bench) -> None:
    queries, raw = bench.queries, bench.raw
    for threads in (1, 2):
        raw.set_num_threads(threads)
        with Collection.open(bench.folder, threads=threads) as collection:
            ours, peer = time_in_turns(
                15, lambda _: collection.search_many(queries, k=10), lambda _: raw.knn_query(queries, k=10), warm=1
            )
        bench.add(
            f"search_many, 1,000 queries, {threads} threads",
            len(queries) / ours,
            "queries/s",
            "at least .9 of raw hnswlib",
            peer=len(queries) / peer,
            limit=0.9 * len(queries) / peer,
            more=True,
        )


def exact(bench: Bench, queries: np.ndarray) -> list[set[int]]:
    """Ids of the ten nearest, by brute force."""
    vectors = bench.data[0] / np.linalg.norm(bench.data[0], axis=1, keepdims=True)
    scores = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ vectors.T
    return [set((np.argpartition(-row, 10)[:10] + 1).tolist()) for row in scores]
