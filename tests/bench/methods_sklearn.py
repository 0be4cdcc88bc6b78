"""What the scikit-learn adapter costs beside scikit-learn's own scan, and beside an embedder by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.neighbors import KNeighborsTransformer

from indexers.embedders.base import Embedder
from indexers.pictures import images
from retrieval.adapters.sklearn import ImageEmbedder, NearkinTransformer
from tests.bench.harness import Bench, make_nested_vectors
from tests.support import pictures

K = 15
SEEDS = 3
PICTURES = 256


LEAN = {"ef_construction": 100, "ef": 64}


def run(bench: Bench) -> None:
    for metric in ("euclidean", "cosine"):
        neighbours(bench, metric)
    embedding(bench)


def neighbours(bench: Bench, metric: str) -> None:
    """Time fitting and the graph in turns, each on as many cores as it takes by itself.

    The index has its own settings, and quicker ones. A scan takes nine times as long for three times as many rows.
    """
    count = min(20_000, bench.count)
    scores = np.array([_turn(make_nested_vectors(count, 128, seed)[0], metric) for seed in range(SEEDS)])
    scan, *times = np.median(scores[:, :3], axis=0).tolist()
    for name, ours, least in zip(("hnsw's own settings", "quicker ones"), times, scores[:, 3:].min(0), strict=True):
        title = f"graph of {K} neighbours, {count:,} x 128, {metric}, {name}"
        bench.add(title, ours, "s", "faster than a scan", peer=scan, limit=scan)
        bench.add(f"{title}: recall, the least of {SEEDS}", float(least), "", ".98", limit=0.98, more=True)


def _turn(rows: np.ndarray, metric: str) -> list[float]:
    """Return the seconds of a scan and of two graphs, and the recall of these."""
    scan = KNeighborsTransformer(n_neighbors=K, metric=metric, algorithm="brute", n_jobs=-1)
    transformers = [NearkinTransformer(K, metric=metric, settings=settings) for settings in (None, LEAN)]
    (first, true), *results = [
        time_job(lambda transformer=transformer: transformer.fit_transform(rows))
        for transformer in (scan, *transformers)
    ]
    return [first, *(seconds for seconds, _ in results), *(recall(graph, true) for _, graph in results)]


def recall(graph: object, true: object) -> float:
    """Return the share of the true neighbours that are found."""
    tables = [matrix.indices.reshape(matrix.shape[0], -1) for matrix in (graph, true)]  # type: ignore[attr-defined]
    return float(np.mean([len(np.intersect1d(*row)) / len(row[0]) for row in zip(*tables, strict=True)]))


def embedding(bench: Bench) -> None:
    """Time files to vectors, compared with the same by hand: decoded one by one, embedded in batches."""
    folder = bench.work / "sklearn"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{place}.jpg" for place in range(PICTURES)]
    for place, path in enumerate(paths):
        if not path.exists():
            pictures.noise(place, (320, 240)).save(path)
    ours = ImageEmbedder().fit(paths)
    embedder = ours.embedder if isinstance(ours.embedder, Embedder) else ours._find_embedder()
    ours.transform(paths[:32])
    times = [
        (time_job(lambda: ours.transform(paths))[0], time_job(lambda: by_hand(embedder, paths))[0]) for _ in range(3)
    ]
    rate, peer = (PICTURES / float(np.median(column)) for column in zip(*times, strict=True))
    title = f"{embedder.name}: files to vectors by ImageEmbedder, beside the embedder by itself"
    bench.add(title, rate, "/s", "at least .9 of it", peer=peer, limit=0.9 * peer, more=True)


def by_hand(embedder: Embedder, paths: list[Path]) -> np.ndarray:
    size = embedder.batch_size
    parts = [paths[start : start + size] for start in range(0, len(paths), size)]
    upright = ([images.as_picture(path, embedder.input_size) for path in part] for part in parts)
    return np.concatenate([embedder.embed(part) for part in upright])


def time_job(job: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = job()
    return time.perf_counter() - start, result
