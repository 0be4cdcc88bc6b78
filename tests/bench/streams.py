"""Partitions learnt from a stream, beside scikit-learn's MiniBatchKMeans: how good they are, and what a batch costs.

Clusters settle when somebody first looks at them, which is timed apart from the batches, beside a fit from scratch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from indexers.arrays import scale_to_unit
from indexers.clusterers.incremental_kmeans.estimator import IncrementalKMeans
from tests.bench.harness import Bench, make_nested_vectors
from tests.bench.labelled import Labelled, load_labelled

BATCH = 1000
ROWS = 10
"""Rows per cluster that a set must have for a number of clusters to be asked of it."""
WORSE, SLOWER = 1.03, 1.5


def run(bench: Bench) -> None:
    for dataset in load_labelled(bench):
        count = len(dataset.vectors)
        for k in sorted({len(np.unique(dataset.label)), round((count / 2) ** 0.5), 100}):
            if k * ROWS <= count:
                stream(bench, dataset, k, seeds=3)
    vectors, label = make_nested_vectors(bench.count, bench.dimension)
    large = Labelled(f"nested {bench.count:,} x {bench.dimension}", scale_to_unit(vectors), label)
    for k in (100, 1000):
        if k * ROWS <= bench.count:
            stream(bench, large, k, seeds=1)


@dataclass(frozen=True)
class Streamed:
    """inertia: of all rows. seconds: of each whole batch, ours and partial_fit's. settled: seconds of the first look at
    the centres, after the last batch."""

    inertia: float
    seconds: np.ndarray
    theirs: np.ndarray
    settled: float


def stream(bench: Bench, dataset: Labelled, k: int, seeds: int) -> None:
    """Compare batches in random order, and class after class, with one fit from scratch: the mean of some seeds."""
    start = time.perf_counter()
    scratch = float(np.mean([inertia(dataset.vectors, fit_centres(dataset.vectors, k, seed)) for seed in range(seeds)]))
    seconds = (time.perf_counter() - start) / seeds
    for order_name in ("in random order", "sorted by class"):
        runs = []
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(dataset.vectors))
            if order_name == "sorted by class":
                order = order[np.argsort(dataset.label[order], kind="stable")]
            runs.append(stream_batches(dataset.vectors[order], k, seed))
        name, values = f"{dataset.name}, k {k}, {order_name}", [run.inertia / scratch for run in runs]
        worst, mean = f"most {max(values):.3f}", float(np.mean(values))
        bench.add(f"{name}: inertia over that of a fit", mean, "x", f"at most {WORSE}", limit=WORSE, note=worst)
        cost(bench, name, runs)
        settled = float(np.median([run.settled for run in runs]))
        bench.add(f"{name}: the first look, beside a fit", settled, "s", "", peer=seconds)


def cost(bench: Bench, name: str, runs: list[Streamed]) -> None:
    """Time whole batches of BATCH rows, without the first of a stream, which begins the centres."""
    ours = np.concatenate([run.seconds[1:] for run in runs]) * 1e3
    theirs = np.concatenate([run.theirs[1:] for run in runs]) * 1e3
    if not len(ours):
        return
    peer = float(np.median(theirs))
    bench.add(
        f"{name}: a batch of {BATCH:,}, beside partial_fit",
        float(np.median(ours)),
        "ms",
        f"at most {SLOWER} x",
        peer=peer,
        limit=SLOWER * peer,
        note=f"means {ours.mean():.3g} and {theirs.mean():.3g}",
    )


def stream_batches(vectors: np.ndarray, k: int, seed: int) -> Streamed:
    """Learn the same batches with both in turns, so that drift of the machine affects them alike."""
    ours = IncrementalKMeans(k, random_state=seed)
    theirs = MiniBatchKMeans(k, random_state=seed)
    seconds: tuple[list[float], list[float]] = ([], [])
    for start in range(0, len(vectors), BATCH):
        batch = vectors[start : start + BATCH]
        times = [_time(clusterer.partial_fit, batch) for clusterer in (ours, theirs)]
        if len(batch) == BATCH:
            seconds[0].append(times[0])
            seconds[1].append(times[1])
    settled = _time(lambda _: ours.cluster_centers_, vectors)
    return Streamed(inertia(vectors, ours.cluster_centers_), np.array(seconds[0]), np.array(seconds[1]), settled)


def fit_centres(vectors: np.ndarray, k: int, seed: int) -> np.ndarray:
    return np.asarray(MiniBatchKMeans(k, n_init=3, random_state=seed).fit(vectors).cluster_centers_)


def inertia(vectors: np.ndarray, centres: np.ndarray) -> float:
    """Return the sum of the squared distances of unit rows to the nearest centre."""
    total, length = 0.0, (centres**2).sum(1)
    for start in range(0, len(vectors), 4096):
        part = vectors[start : start + 4096]
        total += float((1 + length - 2 * (part @ centres.T)).min(1).sum(dtype=np.float64))
    return total


def _time(job: Callable[[np.ndarray], object], batch: np.ndarray) -> float:
    start = time.perf_counter()
    job(batch)
    return time.perf_counter() - start
