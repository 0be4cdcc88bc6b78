"""What it brings to choose the rows that a clusterer learns from, and how long that takes."""

from __future__ import annotations

import time

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.clusterers.kmeans import KMeans
from indexers.clusterers.sampled import Sampled
from indexers.clusterers.steps.neighbours import find_neighbours
from indexers.clusterers.steps.sampling import NEIGHBOURS, choose_rows
from tests.bench.harness import Bench
from tests.bench.labelled import Labelled, load_featured
from tests.bench.quality import agreement
from tests.bench.trees import graph

SEEDS = range(5)
ROWS = 3000
COPIED, TIMES = 0.1, 30
WITHIN = 10
"""Seconds."""


def run(bench: Bench) -> None:
    for dataset in load_featured(bench):
        copies(bench, dataset)
    measure_speed(bench)


def copies(bench: Bench, dataset: Labelled) -> None:
    """Repeat a tenth of the rows thirty times with some noise, and compare the AMI, which counts each picture once."""
    vectors, label = dataset.vectors[:ROWS], dataset.label[:ROWS]
    classes = len(np.unique(label))
    ours, theirs, clean = [], [], []
    for seed in SEEDS:
        rows = add_copies(vectors, seed)
        table = find_neighbours(rows, NEIGHBOURS)
        kind = Sampled("kmeans", {"n_clusters": classes}, random_state=seed)
        ours.append(agreement(label, kind.fit(rows, neighbours=table).labels_[: len(label)]))
        plain = KMeans(classes, random_state=seed)
        theirs.append(agreement(label, plain.fit(rows).labels_[: len(label)]))
        clean.append(agreement(label, plain.fit(vectors).labels_))
    peer = float(np.mean(theirs))
    bench.add(
        f"{dataset.name}, a tenth of {len(label):,} copied {TIMES} times: AMI of k-means, copies once, beside without",
        float(np.mean(ours)),
        "",
        "at least the peer's",
        peer=peer,
        limit=peer,
        more=True,
        note=f"+- {np.std(ours, ddof=1):.3f} beside {np.std(theirs, ddof=1):.3f}; no copies: {np.mean(clean):.3f}",
    )


def add_copies(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Append copies at a cosine of about .995 to the rows."""
    random = np.random.default_rng(seed)
    again = np.repeat(random.permutation(len(vectors))[: int(COPIED * len(vectors))], TIMES)
    noise = random.standard_normal((len(again), vectors.shape[1])).astype(np.float32)
    return np.concatenate([vectors, scale_to_unit(vectors[again] + 0.1 * scale_to_unit(noise))])


def measure_speed(bench: Bench) -> None:
    vectors = scale_to_unit(bench.data[0])
    table = to_table(graph(bench, vectors), len(vectors))
    start = time.process_time()
    choice = choose_rows(vectors, table, outliers=0.02, count=5000, random_state=0)
    bench.add(
        f"{len(vectors):,} x {vectors.shape[1]}, neighbours given: choose 5,000 rows, processor time",
        time.process_time() - start,
        "s",
        f"at most {WITHIN} s",
        limit=WITHIN,
        note=f"{len(choice.rows):,} chosen",
    )


def to_table(edges: np.ndarray, count: int) -> np.ndarray:
    """Return edges as a table of K neighbours of each row."""
    directed = np.concatenate([edges, edges[:, ::-1]])
    directed = directed[np.argsort(directed[:, 0], kind="stable")]
    size = np.bincount(directed[:, 0], minlength=count)
    rank = np.arange(len(directed)) - np.repeat(np.cumsum(size) - size, size)
    table = np.full((count, NEIGHBOURS), -1)
    near = rank < NEIGHBOURS
    table[directed[near, 0], rank[near]] = directed[near, 1]
    return table
