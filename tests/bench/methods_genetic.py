"""The genetic search beside restarts of k-means that take as long, on labelled sets. Time is the processor's: what else
runs on the machine does not decide how many restarts there are."""

from __future__ import annotations

import time

import numpy as np
import sklearn.cluster

from indexers.clusterers.genetic import Genetic
from tests.bench.harness import Bench
from tests.bench.labelled import Labelled, featured
from tests.bench.quality import agreement

SEEDS = range(5)
RESTARTS = 20
"""At least; more if the search took longer."""
FIFTY = 50


def run(bench: Bench) -> None:
    for one in featured(bench):
        for count in (len(np.unique(one.label)), FIFTY):
            inertia(bench, one, count)
        number(bench, one)


def inertia(bench: Bench, one: Labelled, count: int) -> None:
    ours, theirs, restarts, seconds = [], [], [], []
    for seed in SEEDS:
        start = time.process_time()
        ours.append(Genetic(count, random_state=seed).fit(one.vectors).inertia_)
        seconds.append(time.process_time() - start)
        found = restarted(one.vectors, count, seed, seconds[-1])
        theirs.append(min(found))
        restarts.append(len(found))
    ratio = np.divide(ours, theirs)
    note = f"ratio {ratio.mean():.5f} +- {ratio.std(ddof=1):.5f}, {ratio.min():.5f} to {ratio.max():.5f}; "
    note += f"{np.mean(seconds):.3g} s, {min(restarts)} to {max(restarts)} restarts"
    bench.add(
        f"{one.name}, {count} clusters: inertia, beside the best of restarts that take as long",
        float(np.mean(ours)),
        "",
        "below the peer's",
        peer=float(np.mean(theirs)),
        limit=float(np.mean(theirs)),
        note=note,
    )


def restarted(vectors: np.ndarray, count: int, seed: int, seconds: float) -> list[float]:
    """The inertia of each of at least RESTARTS starts of k-means++, for as many seconds."""
    found: list[float] = []
    start = time.process_time()
    while len(found) < RESTARTS or time.process_time() - start < seconds:
        state = 100_000 * seed + len(found)
        one = sklearn.cluster.KMeans(count, n_init=1, max_iter=1000, tol=0, random_state=state)
        found.append(float(one.fit(vectors).inertia_))
    return found


def number(bench: Bench, one: Labelled) -> None:
    """A number that evolves, beside k-means that is told the number of classes."""
    classes = len(np.unique(one.label))
    ours, theirs, counts = [], [], []
    for seed in SEEDS:
        found = Genetic(None, random_state=seed).fit(one.vectors)
        ours.append(agreement(one.label, found.labels_))
        counts.append(len(found.cluster_centers_))
        told = sklearn.cluster.KMeans(classes, n_init=1, random_state=seed).fit(one.vectors)
        theirs.append(agreement(one.label, told.labels_))
    spread = f"+- {np.std(ours, ddof=1):.3f} beside {np.std(theirs, ddof=1):.3f}"
    bench.add(
        f"{one.name}: AMI with a number that evolves, beside k-means that is told {classes}",
        float(np.mean(ours)),
        "",
        "for comparison",
        peer=float(np.mean(theirs)),
        note=f"{spread}; {min(counts)} to {max(counts)} clusters",
    )
