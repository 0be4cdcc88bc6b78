"""Distances other than the index's own: time beside the cosine search and recall, at query time and in a space of their
own; and over vectors of very different lengths, of which their directions tell little."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from retrieval import Collection
from tests.bench.harness import Bench, time_in_turns

METRICS = ("manhattan", "minkowski:3", "euclidean")
QUERIES = 100
BLOCK = 2000


def run(bench: Bench) -> None:
    data, queries = bench.data[0], bench.queries[:QUERIES]
    with Collection.open(bench.folder, clusters=0) as collection:
        for metric in METRICS:
            measure(bench, f"{metric}, asked of a space for cosine", collection, collection, data, queries, metric)
        for metric in ("manhattan", "euclidean"):
            with Collection.open(fill_collection(bench, metric, data)) as own:
                measure(bench, f"{metric}, in a space of its own", own, collection, data, queries, metric)
    random = np.random.default_rng(3)
    for spread in (0.1, 1.0):
        longer = [rows * np.exp(spread * random.standard_normal((len(rows), 1))) for rows in (data, queries)]
        lengths(bench, spread, *(rows.astype(np.float32) for rows in longer))


def lengths(bench: Bench, spread: float, data: np.ndarray, queries: np.ndarray) -> None:
    with Collection.open(fill_collection(bench, "cosine", data, f"-lengths-{spread}")) as collection:
        for metric in METRICS:
            title = f"{metric}, lengths log-normal of deviation {spread}, asked of a space for cosine"
            measure(bench, title, collection, collection, data, queries, metric)


def fill_collection(bench: Bench, metric: str, data: np.ndarray, name: str = "") -> Path:
    """Return the folder of a collection of these vectors, without clusters."""
    folder = bench.work / f"distances-{metric}{name}-{bench.count}"
    if not folder.exists():
        with Collection.open(folder, create=True, metric=metric, clusters=0) as collection:
            collection.add_vectors(data)
    return folder


def measure(
    bench: Bench,
    title: str,
    collection: Collection,
    beside: Collection,
    data: np.ndarray,
    queries: np.ndarray,
    metric: str,
) -> None:
    def search(i: int) -> set[int]:
        return {hit.item for hit in collection.search(vector=queries[i], k=10, metric=metric)}

    def cosine(i: int) -> object:
        return beside.search(vector=queries[i], k=10)

    ours, peer = time_in_turns(len(queries), search, cosine)
    note = f"of processor time {busy(search, len(queries)) / busy(cosine, len(queries)):.2f} x"
    goal = "at most 10 x the cosine search"
    bench.add(title, ours * 1e3, "ms", goal, peer=peer * 1e3, limit=10 * peer * 1e3, note=note)
    answers = [search(place) for place in range(len(queries))]
    best = nearest(data, queries, distance(metric))
    recall = np.mean([len(answer & set((row + 1).tolist())) / 10 for answer, row in zip(answers, best, strict=True)])
    bench.add(f"{title}: recall@10", float(recall), "", "at least .99", limit=0.99, more=True)


def busy(job: Callable[[int], object], count: int) -> float:
    """Return the median seconds of processor time, which other processes don't lengthen."""
    times = []
    for place in range(count):
        start = time.thread_time()
        job(place)
        times.append(time.thread_time() - start)
    return float(np.median(times))


def distance(metric: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return the distance of one query to many rows, in an order-preserving form."""
    name, _, order = metric.partition(":")
    if name != "minkowski":
        kind = {"manhattan": "cityblock", "euclidean": "sqeuclidean"}[name]
        return lambda query, rows: cdist(query[None], rows, kind)[0]
    return lambda query, rows: (np.abs(rows - query) ** np.float32(order)).sum(1)


def nearest(data: np.ndarray, queries: np.ndarray, apart: Callable[..., np.ndarray]) -> list[np.ndarray]:
    """Return the rows of the ten nearest, by brute force."""
    best = []
    for query in queries:
        table = [apart(query, data[start : start + BLOCK]) for start in range(0, len(data), BLOCK)]
        best.append(np.argpartition(np.concatenate(table), 9)[:10])
    return best
