"""What agglomeration of densities is worth, beside average linkage over all pairs, and what it costs over a large
stored graph."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.clusterers.density import Density
from indexers.clusterers.steps.dendrogram import apply_merges
from tests.bench.harness import Bench, make_nested_vectors, run_python
from tests.bench.labelled import Labelled, load_featured
from tests.bench.quality import agreement, cut, link
from tests.bench.trees import WHOLE, K, graph

SEEDS = 5
PART = 4000
"""Rows of a draw, at most; a draw is of four rows in five."""
CLUSTERS = 1000


def run(bench: Bench) -> None:
    for dataset in load_featured(bench):
        quality(bench, dataset)
        measure_draws(bench, dataset)
    measure_cost(bench)


def quality(bench: Bench, dataset: Labelled) -> None:
    """Compare densities with average linkage; neither has a seed."""
    ours, peer, count = _both(dataset.vectors, dataset.label)
    title = f"{dataset.name}: AMI of densities at {count} clusters, beside average linkage"
    bench.add(title, ours, "", "at least the peer's", peer=peer, limit=peer, more=True)


def measure_draws(bench: Bench, dataset: Labelled) -> None:
    """Repeat the comparison on other rows of the same dataset, to see how much is chance."""
    size = min(int(0.8 * len(dataset.label)), PART)
    chosen = [np.random.default_rng(seed).permutation(len(dataset.label))[:size] for seed in range(SEEDS)]
    scores = np.array([_both(dataset.vectors[rows], dataset.label[rows])[:2] for rows in chosen])
    (ours, peer), spread = scores.mean(0), scores.std(0, ddof=1)
    bench.add(
        f"{dataset.name}: the same, mean of {SEEDS} draws of {size:,} rows",
        float(ours),
        "",
        "at least the peer's",
        peer=float(peer),
        limit=float(peer),
        more=True,
        note=f"spread {spread[0]:.3f}, peer {spread[1]:.3f}",
    )


def _both(vectors: np.ndarray, label: np.ndarray) -> tuple[float, float, int]:
    """Return the AMI of densities and of average linkage at the number of classes, and that number."""
    count = len(np.unique(label))
    ours = Density(count).fit(vectors).labels_
    return agreement(label, ours), agreement(label, cut(link(vectors), count)), count


def measure_cost(bench: Bench) -> None:
    """Measure time and peak memory in a separate process; the peak includes the input vectors."""
    vectors, group = make_nested_vectors(bench.count, bench.dimension)
    vectors = scale_to_unit(vectors)
    path = bench.work / "density.npz"
    np.savez(path, vectors=vectors, group=group, near=_table(vectors, graph(bench, vectors)))
    code = "import sys; from tests.bench.methods_density import job; job(sys.argv[1])"
    single_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    outcome = run_python(code, str(path), environment=single_thread)
    whole, input_size = bench.count >= WHOLE, vectors.nbytes / 2**20
    title = f"densities over a stored graph, {bench.count:,} x {bench.dimension}"
    note = f"AMI {outcome['groups']:.3f} with {CLUSTERS} groups, {outcome['above']:.3f} with 40 super-groups"
    bench.add(title, outcome["seconds"], "s", "120 s on one core", limit=120 if whole else None, note=note)
    note = f"of which the vectors that are given {input_size:.0f}"
    bench.add(f"{title}: memory at its peak", outcome["peak"], "MiB", "", note=note)


def _table(vectors: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the neighbours of each row from the edges, nearest first, at most K, -1 where there are fewer."""
    parts = np.array_split(edges, len(edges) // 10_000 + 1)
    similarity = np.concatenate([np.einsum("ij,ij->i", vectors[part[:, 0]], vectors[part[:, 1]]) for part in parts])
    directed = np.concatenate([edges, edges[:, ::-1]])
    directed = directed[np.lexsort((-np.tile(similarity, 2), directed[:, 0]))]
    degree = np.bincount(directed[:, 0], minlength=len(vectors))
    place = np.arange(len(directed)) - np.repeat(np.cumsum(degree) - degree, degree)
    table = np.full((len(vectors), K), -1)
    table[directed[place < K, 0], place[place < K]] = directed[place < K, 1]
    return table


def job(path: str) -> None:
    """Fit in the separate process, and print the figures."""
    with np.load(path) as arrays:
        vectors, group, near = arrays["vectors"], arrays["group"], arrays["near"]
    start = time.perf_counter()
    clusterer = Density(min(CLUSTERS, len(vectors))).fit(vectors, neighbours=near)
    figures = {"seconds": time.perf_counter() - start, "peak": _peak()}
    above = apply_merges(clusterer.children_[: len(vectors) - 40], len(vectors))
    figures |= {"groups": agreement(group, clusterer.labels_), "above": agreement(group // 25, above)}
    print(json.dumps(figures))


def _peak() -> float:
    """MiB that this process had at most; getrusage would count those of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
