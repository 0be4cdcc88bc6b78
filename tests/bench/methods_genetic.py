"""The genetic search compared with restarts of k-means that take as long, on labelled sets.

Time is the processor's, so that other processes do not change the number of restarts.
"""

from __future__ import annotations

import time

import numpy as np
import sklearn.cluster

from indexers.clusterers.genetic import Genetic
from tests.bench.harness import Bench
from tests.bench.labelled import Labelled, load_featured
from tests.bench.quality import agreement

SEEDS = range(5)
RESTARTS = 20
"""At least; more if the search took longer."""
FIFTY = 50


def run(bench: Bench) -> None:
    for dataset in load_featured(bench):
        for count in (len(np.unique(dataset.label)), FIFTY):
            inertia(bench, dataset, count)
        measure_number(bench, dataset)


def inertia(bench: Bench, dataset: Labelled, count: int) -> None:
    ours, theirs, restarts, seconds = [], [], [], []
    for seed in SEEDS:
        start = time.process_time()
        ours.append(Genetic(count, random_state=seed).fit(dataset.vectors).inertia_)
        seconds.append(time.process_time() - start)
        inertias = restart(dataset.vectors, count, seed, seconds[-1])
        theirs.append(min(inertias))
        restarts.append(len(inertias))
    ratio = np.divide(ours, theirs)
    note = f"ratio {ratio.mean():.5f} +- {ratio.std(ddof=1):.5f}, {ratio.min():.5f} to {ratio.max():.5f}; "
    note += f"{np.mean(seconds):.3g} s, {min(restarts)} to {max(restarts)} restarts"
    bench.add(
        f"{dataset.name}, {count} clusters: inertia, beside the best of restarts that take as long",
        float(np.mean(ours)),
        "",
        "below the peer's",
        peer=float(np.mean(theirs)),
        limit=float(np.mean(theirs)),
        note=note,
    )


def restart(vectors: np.ndarray, count: int, seed: int, seconds: float) -> list[float]:
    """Return the inertia of each start of k-means++: at least RESTARTS, and as many as fit into the seconds."""
    inertias: list[float] = []
    start = time.process_time()
    while len(inertias) < RESTARTS or time.process_time() - start < seconds:
        state = 100_000 * seed + len(inertias)
        kmeans = sklearn.cluster.KMeans(count, n_init=1, max_iter=1000, tol=0, random_state=state)
        inertias.append(float(kmeans.fit(vectors).inertia_))
    return inertias


def measure_number(bench: Bench, dataset: Labelled) -> None:
    """Compare the search that evolves the number of clusters with k-means that knows the number of classes."""
    classes = len(np.unique(dataset.label))
    ours, theirs, counts = [], [], []
    for seed in SEEDS:
        genetic = Genetic(None, random_state=seed).fit(dataset.vectors)
        ours.append(agreement(dataset.label, genetic.labels_))
        counts.append(len(genetic.cluster_centers_))
        kmeans = sklearn.cluster.KMeans(classes, n_init=1, random_state=seed).fit(dataset.vectors)
        theirs.append(agreement(dataset.label, kmeans.labels_))
    spread = f"+- {np.std(ours, ddof=1):.3f} beside {np.std(theirs, ddof=1):.3f}"
    bench.add(
        f"{dataset.name}: AMI with a number that evolves, beside k-means that is told {classes}",
        float(np.mean(ours)),
        "",
        "for comparison",
        peer=float(np.mean(theirs)),
        note=f"{spread}; {min(counts)} to {max(counts)} clusters",
    )
