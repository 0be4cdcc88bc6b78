"""How good and how stable the tree's levels are on labelled sets, beside what a user would take instead.

AMI is adjusted mutual information with the classes; it counts every item.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans, MiniBatchKMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from indexers.arrays import scale_to_unit
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.cuts import MIN_CLUSTER_SIZE
from indexers.tree.level_cut import LevelLabels
from tests.bench.harness import Bench, make_nested_vectors
from tests.bench.labelled import Labelled, load_labelled
from tests.bench.trees import K, graph

LEVELS = ("coarse", "medium", "fine")
STABLE = {"coarse": 0.90, "medium": 0.95, "fine": 0.95}
DRAWS = 12
"""Stability is the mean of as many draws of the items that leave and come; average linkage's own is a mean as well, so
that ours may be less by what their difference varies by chance: twice its standard error."""


def run(bench: Bench) -> None:
    sets = load_labelled(bench)
    for dataset in sets:
        quality(bench, dataset)
    synthetic(bench)
    compare_with_means(bench, sets)
    noise(bench)
    for dataset in sets:
        stability(bench, dataset)
    measure_removal(bench, sets)


class Tree:
    """A tree over the exact graph, its levels, and average linkage over all pairs beside it."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors
        self.tree = ClusterTree(vectors.shape[1])
        self.tree.update(np.arange(len(vectors)), vectors, new_pairs=build_edges(find_neighbours(vectors, K)))
        self.levels = self.tree.choose_levels()

    @cached_property
    def cuts(self) -> LevelLabels:
        return self.tree.cut_levels(self.levels)

    def at(self, level: str) -> np.ndarray:
        """Return the clusters of a level; loose items are clusters of their own."""
        label: np.ndarray = getattr(self.cuts, level)
        return split_loose(label, label == 0)

    @cached_property
    def hac(self) -> AgglomerativeClustering:
        return link(self.vectors)


def link(vectors: np.ndarray) -> AgglomerativeClustering:
    """Return scikit-learn's average linkage from precomputed distances, which is faster and the same."""
    distance = 1 - vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(distance, 0)
    linkage = AgglomerativeClustering(None, distance_threshold=0, metric="precomputed", linkage="average")
    return linkage.fit(np.maximum(distance, 0))


def cut(hac: AgglomerativeClustering, count: int) -> np.ndarray:
    """Return the labels of the linkage with `count` clusters."""
    items = len(hac.children_) + 1
    top = np.arange(items + len(hac.children_))
    for place, pair in enumerate(hac.children_[: items - count]):
        top[pair] = items + place
    for node in range(items + len(hac.children_) - 1, -1, -1):
        top[node] = top[top[node]]
    return top[:items]


def agreement(label: np.ndarray, other_label: np.ndarray) -> float:
    return float(adjusted_mutual_info_score(label, other_label))


def split_loose(label: np.ndarray, loose: np.ndarray) -> np.ndarray:
    """Return the labels with loose items as clusters of their own."""
    numbers = np.unique(label, return_inverse=True)[1]
    numbers[loose] = len(label) + np.arange(np.count_nonzero(loose))
    return numbers


def find_small(label: np.ndarray) -> np.ndarray:
    """Return True for items of clusters of fewer than MIN_CLUSTER_SIZE."""
    _, place, size = np.unique(label, return_inverse=True, return_counts=True)
    return size[place] < MIN_CLUSTER_SIZE


# ---- labelled sets


def quality(bench: Bench, dataset: Labelled) -> None:
    tree = Tree(dataset.vectors)
    label = {level: tree.at(level) for level in LEVELS}
    scores = {level: agreement(dataset.label, label[level]) for level in LEVELS}
    best = max(LEVELS, key=lambda level: scores[level])
    count = len(np.unique(label[best]))
    hac = agreement(dataset.label, cut(tree.hac, count))
    means = MiniBatchKMeans(count, n_init=3, random_state=0).fit_predict(dataset.vectors)
    note = ", ".join(f"{level} {scores[level]:.3f} at {len(np.unique(label[level]))}" for level in LEVELS)
    _row(bench, f"{dataset.name}: AMI of the best level, beside average linkage", scores[best], hac, -0.01, note)
    _row(
        bench,
        f"{dataset.name}: AMI of the best level, beside MiniBatchKMeans",
        scores[best],
        agreement(dataset.label, means),
    )
    shares = {level: _describe_shares(getattr(tree.cuts, level)) for level in LEVELS}
    title = f"{dataset.name}: the largest cluster of coarse, share of all"
    bench.add(title, shares["coarse"][0], "", "at most .6", limit=0.6)
    title = f"{dataset.name}: loose items of fine, beside those of medium"
    goal = "the peer's plus .1"
    bench.add(title, shares["fine"][1], "", goal, peer=shares["medium"][1], limit=shares["medium"][1] + 0.1)
    ours = split_loose(label["medium"], find_small(label["medium"]))
    for name, theirs in peers(bench, dataset):
        title = f"{dataset.name}: AMI of medium, loose ones as singletons, beside {name}"
        note = f"clusters {_clusters(ours)} beside {_clusters(theirs)}"
        _row(bench, title, agreement(dataset.label, ours), agreement(dataset.label, theirs), note=note)


def compare_with_means(bench: Bench, sets: Sequence[Labelled]) -> None:
    """Compare medium with k-means that is told the true number of classes; the mean of three starts."""
    won = 0
    for dataset in sets:
        count = len(np.unique(dataset.label))
        means = [KMeans(count, n_init=1, random_state=seed).fit_predict(dataset.vectors) for seed in range(3)]
        peer = float(np.mean([agreement(dataset.label, label) for label in means]))
        medium = Tree(dataset.vectors).at("medium")
        score, rand = agreement(dataset.label, medium), float(adjusted_rand_score(dataset.label, medium))
        peer_rand = float(np.mean([adjusted_rand_score(dataset.label, label) for label in means]))
        title = f"{dataset.name}: AMI of medium, beside k-means told the true number, {count}"
        bench.add(title, score, "", "", peer=peer, note=f"ARI {rand:.3f} beside {peer_rand:.3f}")
        won += score > peer
    least = int(np.ceil(len(sets) * 2 / 3))
    title = f"of {len(sets)} sets those where medium is above k-means told the true number"
    bench.add(title, won, "", f"at least {least}", limit=least, more=True)


def _describe_shares(labels: np.ndarray) -> tuple[float, float]:
    """Return the share of items in the largest cluster, and of those in none."""
    counts = np.bincount(labels)
    return float(counts[1:].max(initial=0) / len(labels)), float(counts[0] / len(labels))


def noise(bench: Bench, count: int = 3000) -> None:
    """Count the clusters in noise without any, and in five blobs far from each other."""
    random = np.random.default_rng(5)
    blobs = random.standard_normal((5, 64))[np.arange(count) % 5] + 0.1 * random.standard_normal((count, 64))
    for name, vectors, true in (("noise", random.standard_normal((count, 64)), 1), ("five blobs", blobs, 5)):
        tree = Tree(scale_to_unit(vectors.astype(np.float32)))
        for level in LEVELS:
            clusters = _clusters(tree.at(level))
            bench.add(f"{name}: clusters of {level}", clusters, "", f"{true}", limit=true)


def peers(bench: Bench, dataset: Labelled) -> Iterator[tuple[str, np.ndarray]]:
    """Yield density clusterings, with noise as clusters of their own."""
    label = HDBSCAN(min_cluster_size=MIN_CLUSTER_SIZE, metric="cosine", algorithm="brute", copy=True).fit_predict(
        dataset.vectors
    )
    yield "HDBSCAN", split_loose(label, label < 0)
    layers = evoc_layers(dataset.vectors)
    if layers:
        chosen = layers[0]
        yield "evoc", split_loose(chosen, chosen < 0)


def evoc_layers(vectors: np.ndarray) -> list[np.ndarray]:
    """Return evoc's own choice, then all its layers; nothing if evoc is not installed."""
    os.environ.setdefault("NUMBA_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    try:
        from evoc import EVoC
    except ImportError as error:
        print(f"  evoc is left out: {error}", file=sys.stderr, flush=True)
        return []
    clusterer = EVoC(random_state=0).fit(vectors)
    return [np.asarray(clusterer.labels_), *(np.asarray(layer) for layer in clusterer.cluster_layers_)]


def _clusters(label: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(np.unique(label, return_inverse=True)[1]) >= MIN_CLUSTER_SIZE))


def _row(bench: Bench, title: str, ours: float, peer: float, more: float = 0.0, note: str = "") -> None:
    goal = "at least the peer's" + (f" less {-more:g}" if more else "")
    bench.add(title, ours, "", goal, peer=peer, limit=peer + more, more=True, note=note)


# ---- the synthetic set


def synthetic(bench: Bench) -> None:
    """Compare the best cuts, with loose items joined to the nearest cluster."""
    vectors, group = make_nested_vectors(bench.count, bench.dimension)
    vectors = scale_to_unit(vectors)
    tree = ClusterTree(vectors.shape[1])
    tree.update(np.arange(len(vectors)), vectors, new_pairs=graph(bench, vectors))
    layers = evoc_layers(vectors)
    for group_name, truth, counts, limit in (
        ("super-groups", group // 25, (30, 40, 50, 60, 80), 0.95),
        ("groups", group, (900, 1000, 1100, 1300, 1600, 2000), 0.96),
    ):
        best = max(agreement(truth, join_small(tree.cut(count=n).nodes, vectors)) for n in counts)
        peer = max((agreement(truth, join_small(split_loose(x, x < 0), vectors)) for x in layers), default=None)
        name = f"nested, {bench.count:,} items: AMI of the best cut with {group_name}, beside evoc's best layer"
        bench.add(name, best, "", f"at least {limit}, and evoc's", peer=peer, limit=max(limit, peer or 0), more=True)


def join_small(label: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Join items of clusters of fewer than MIN_CLUSTER_SIZE to the nearest larger one."""
    _, label, size = np.unique(label, return_inverse=True, return_counts=True)
    large, loose = np.flatnonzero(size >= MIN_CLUSTER_SIZE), np.flatnonzero(size[label] < MIN_CLUSTER_SIZE)
    if not len(large) or not len(loose):
        return label
    order = np.argsort(label, kind="stable")
    centre = scale_to_unit(np.add.reduceat(vectors[order], np.cumsum(size) - size, axis=0))[large]
    nearest = label.copy()
    for start in range(0, len(loose), 4096):
        part = loose[start : start + 4096]
        nearest[part] = large[(vectors[part] @ centre.T).argmax(1)]
    return nearest


# ---- stability


def stability(bench: Bench, dataset: Labelled) -> None:
    """Replace one item in a thousand; the tree keeps its levels, average linkage keeps the count."""
    count = min(len(dataset.vectors), 5000)
    moves = max(count // 1000, 1)
    ours: dict[str, list[float]] = {level: [] for level in LEVELS}
    theirs: dict[str, list[float]] = {level: [] for level in LEVELS}
    for draw in range(DRAWS):
        chosen = np.random.default_rng(draw).permutation(len(dataset.vectors))[
            : count + (count < len(dataset.vectors)) * moves
        ]
        before, after = Tree(dataset.vectors[chosen[:-moves]]), Tree(dataset.vectors[chosen[moves:]])
        after.levels = before.levels
        for level in LEVELS:
            old, new = before.at(level), after.at(level)
            ours[level].append(agreement(old[moves:], new[:-moves]))
            old, new = cut(before.hac, len(np.unique(old))), cut(after.hac, len(np.unique(new)))
            theirs[level].append(agreement(old[moves:], new[:-moves]))
    for level in LEVELS:
        difference = np.subtract(ours[level], theirs[level])
        chance = 2 * float(difference.std(ddof=1)) / DRAWS**0.5 + 1e-9
        peer, limit = float(np.mean(theirs[level])), STABLE[level]
        bench.add(
            f"{dataset.name}: stability of {level}, {moves} of {count:,} replaced, beside average linkage",
            float(np.mean(ours[level])),
            "AMI",
            f"at least {limit}, and the peer's less {chance:.3f}",
            peer=peer,
            limit=max(limit, peer - chance),
            more=True,
            note=f"least {min(ours[level]):.3f}, peer {min(theirs[level]):.3f}",
        )


def measure_removal(bench: Bench, sets: Sequence[Labelled], most: int = 5000) -> None:
    """Leave out 1 % of the items, and choose the levels anew: how far do the others stay together?"""
    same: dict[str, list[float]] = {level: [] for level in LEVELS}
    for dataset in sets:
        rows = dataset.vectors[:most]
        before = Tree(rows)
        for draw in range(3):
            kept = np.sort(np.random.default_rng(draw).permutation(len(rows))[len(rows) // 100 :])
            after = Tree(rows[kept])
            for level in LEVELS:
                same[level].append(agreement(before.at(level)[kept], after.at(level)))
    for level, least in (("coarse", 0.90), ("medium", 0.95), ("fine", 0.93)):
        title = f"stability of {level} without 1 % of the items, levels chosen anew, mean of {len(sets)} sets"
        mean = float(np.mean(same[level]))
        bench.add(title, mean, "AMI", f"at least {least}", limit=least, more=True, note=f"least {min(same[level]):.3f}")
