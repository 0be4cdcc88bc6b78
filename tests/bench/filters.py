"""Searching under a filter: five shares, kept at random and cluster by cluster, the query inside and outside."""

from __future__ import annotations

import time

import numpy as np

from retrieval import Collection
from retrieval.config import Config
from tests.bench.harness import Bench, time_in_turns

SHARES = (0.0001, 0.01, 0.1, 0.5, 0.9)
SHAPES = (("random", "inside"), ("cluster", "inside"), ("cluster", "outside"))


def run(bench: Bench) -> None:
    with Collection.open(bench.folder) as collection:
        for share in SHARES:
            for order, where in SHAPES:
                one(bench, collection, share, order, where)


def one(bench: Bench, collection: Collection, share: float, order: str, side: str) -> None:
    kept = max(10, int(share * bench.count))
    ranks = bench.orders[order]
    rows = np.flatnonzero(ranks < kept)
    matrix = unit(bench.data[0][rows])
    queries = near(bench, rows if side == "inside" else np.flatnonzero(ranks >= kept))
    filtered = {order: {"$lt": kept}}

    def contiguous(i: int) -> np.ndarray:
        scores = matrix @ (queries[i] / np.linalg.norm(queries[i]))
        return np.argpartition(-scores, 9)[:10]

    fresh = first_use(collection, queries, order, kept)
    plain, seen, scan = time_in_turns(
        60,
        lambda i: collection.search(vector=queries[i], k=10),
        lambda i: collection.search(vector=queries[i], k=10, where=filtered),
        contiguous,
    )
    title = f"filter keeping {share:.4g} of the items, {order}" + (f", query {side}" if order == "cluster" else "")
    limit = max(3 * plain, 1.2 * scan) * 1e3
    bench.add(
        title,
        seen * 1e3,
        "ms",
        f"at most {limit:.3g} ms: 3 x unfiltered or 1.2 x contiguous scan",
        peer=scan * 1e3,
        limit=limit,
    )
    bench.add(title + ", seen for the first time", (fresh - seen) * 1e3, "ms more", "at most 30 ms more", limit=30)
    best = [set((rows[contiguous(i)] + 1).tolist()) for i in range(60)]
    answers = [{hit.item for hit in collection.search(vector=queries[i], k=10, where=filtered)} for i in range(60)]
    recall = np.mean([len(a & b) / 10 for a, b in zip(answers, best, strict=True)])
    bench.add(title + ", recall@10", float(recall), "", "at least .99", limit=0.99, more=True)
    if share in (0.01, 0.1):
        callback(bench, title, queries, rows, seen, best)


def first_use(collection: Collection, queries: np.ndarray, order: str, kept: int) -> float:
    """Return the median seconds of a search under a filter that is new to the collection."""
    times = []
    for place in range(7):
        start = time.perf_counter()
        collection.search(vector=queries[place], k=10, where={order: {"$lt": kept - 0.5 + place / 100}})
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def callback(
    bench: Bench, title: str, queries: np.ndarray, rows: np.ndarray, seen: float, best: list[set[int]]
) -> None:
    """Compare with hnswlib's own filter at the smallest ef that reaches our recall.

    With its default ef it is quick because it looks at too little; that recall goes into the note.
    """
    allowed = set((rows + 1).tolist())

    def ask(i: int) -> set[int]:
        ids = bench.raw.knn_query(queries[i], k=10, num_threads=1, filter=lambda label: label in allowed)[0][0]
        return set(ids.tolist())

    note = ""
    for ef in (bench.raw.ef, 256, 512, 1024, 2048, 4096, 8192):
        bench.raw.set_ef(ef)
        recall = np.mean([len(ask(i) & best[i]) / 10 for i in range(20)])
        note = note or f"recall {recall:.2f} at its ef {ef}"
        if recall >= 0.99:
            break
    (peer,) = time_in_turns(7, ask, warm=1)
    note += f", {recall:.2f} at ef {ef}: {peer * 1e3:.3g} ms"
    bench.raw.set_ef(Config().ef)
    speedup_title = title + ", times faster than hnswlib's callback at our recall"
    bench.add(speedup_title, peer / seen, "x", "at least 10 x", limit=10, more=True, note=note)


def near(bench: Bench, rows: np.ndarray) -> np.ndarray:
    """Return queries near some of these rows."""
    random = np.random.default_rng(2)
    chosen = bench.data[0][random.choice(rows, 70)]
    noise = 0.3 * random.standard_normal(chosen.shape)
    return (chosen + noise).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(scaled)
