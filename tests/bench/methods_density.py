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
from tests.bench.harness import Bench, nested, process
from tests.bench.labelled import Labelled, featured
from tests.bench.quality import agreement, cut, linked
from tests.bench.trees import WHOLE, K, graph

SEEDS = 5
PART = 4000
"""Rows of a draw, at most; a draw is of four rows in five."""
CLUSTERS = 1000


def run(bench: Bench) -> None:
    for one in featured(bench):
        quality(bench, one)
        draws(bench, one)
    cost(bench)


def quality(bench: Bench, one: Labelled) -> None:
    """It has no seed: the same rows give the same clusters."""
    ours, peer, count = _both(one.vectors, one.label)
    what = f"{one.name}: AMI of densities at {count} clusters, beside average linkage"
    bench.add(what, ours, "", "at least the peer's", peer=peer, limit=peer, more=True)


def draws(bench: Bench, one: Labelled) -> None:
    """How much of it is chance: other rows of the same set."""
    size = min(int(0.8 * len(one.label)), PART)
    chosen = [np.random.default_rng(seed).permutation(len(one.label))[:size] for seed in range(SEEDS)]
    found = np.array([_both(one.vectors[rows], one.label[rows])[:2] for rows in chosen])
    (ours, peer), spread = found.mean(0), found.std(0, ddof=1)
    bench.add(
        f"{one.name}: the same, mean of {SEEDS} draws of {size:,} rows",
        float(ours),
        "",
        "at least the peer's",
        peer=float(peer),
        limit=float(peer),
        more=True,
        note=f"spread {spread[0]:.3f}, peer {spread[1]:.3f}",
    )


def _both(vectors: np.ndarray, label: np.ndarray) -> tuple[float, float, int]:
    """AMI of densities and of average linkage at the number of classes."""
    count = len(np.unique(label))
    ours = Density(count).fit(vectors).labels_
    return agreement(label, ours), agreement(label, cut(linked(vectors), count)), count


def cost(bench: Bench) -> None:
    """In a process of its own, so that its peak is its own; of which the vectors that are given take their part."""
    vectors, group = nested(bench.count, bench.dimension)
    vectors = scale_to_unit(vectors)
    path = bench.work / "density.npz"
    np.savez(path, vectors=vectors, group=group, near=_table(vectors, graph(bench, vectors)))
    code = "import sys; from tests.bench.methods_density import job; job(sys.argv[1])"
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    found = process(code, str(path), environment=one)
    whole, given = bench.count >= WHOLE, vectors.nbytes / 2**20
    what = f"densities over a stored graph, {bench.count:,} x {bench.dimension}"
    note = f"AMI {found['groups']:.3f} with {CLUSTERS} groups, {found['above']:.3f} with 40 super-groups"
    bench.add(what, found["seconds"], "s", "120 s on one core", limit=120 if whole else None, note=note)
    note = f"of which the vectors that are given {given:.0f}"
    bench.add(f"{what}: memory at its peak", found["peak"], "MiB", "", note=note)


def _table(vectors: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The neighbours of each row from the edges, nearest first, at most K, -1 where there are fewer."""
    parts = np.array_split(edges, len(edges) // 10_000 + 1)
    similarity = np.concatenate([np.einsum("ij,ij->i", vectors[part[:, 0]], vectors[part[:, 1]]) for part in parts])
    both = np.concatenate([edges, edges[:, ::-1]])
    both = both[np.lexsort((-np.tile(similarity, 2), both[:, 0]))]
    degree = np.bincount(both[:, 0], minlength=len(vectors))
    place = np.arange(len(both)) - np.repeat(np.cumsum(degree) - degree, degree)
    table = np.full((len(vectors), K), -1)
    table[both[place < K, 0], place[place < K]] = both[place < K, 1]
    return table


def job(path: str) -> None:
    """What the process does; it prints its figures."""
    with np.load(path) as given:
        vectors, group, near = given["vectors"], given["group"], given["near"]
    start = time.perf_counter()
    found = Density(min(CLUSTERS, len(vectors))).fit(vectors, neighbours=near)
    figures = {"seconds": time.perf_counter() - start, "peak": _peak()}
    above = apply_merges(found.children_[: len(vectors) - 40], len(vectors))
    figures |= {"groups": agreement(group, found.labels_), "above": agreement(group // 25, above)}
    print(json.dumps(figures))


def _peak() -> float:
    """MiB that this process had at most; getrusage would count those of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
