"""Levels for people: the three cuts of a tree that are called fine, medium and coarse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints, sort_unique
from indexers.tree.cuts import MIN_CLUSTER_SIZE, choose_threshold, find_heights, find_tops, order_merges
from indexers.tree.nodes import Nodes

FIRST_CUTS = 96
"""Cuts that are scored first, in geometric steps of their counts."""
CLOSER_CUTS = 24
"""Cuts between the neighbours of the best one that are scored next, as often as there are any between."""
NEAREST = 8
"""Medium is chosen by the links from each leaf to so many of its most similar neighbours. A cluster of fewer members
than a leaf has neighbours would be lost in those around it: half of the usual 15 show clusters half that small."""
CLUSTER_NEIGHBOURS = 15
"""Coarse is chosen by the links from each cluster of medium to at most so many of its nearest ones."""
Floats = NDArray[np.float64]
Score = Callable[[Floats, Floats], float]
"""Scores a cut, larger is better. It gets two arrays of one value a cluster: the share of all ends of edges that lie in
the cluster, and the share whose edges lead out of it."""


@dataclass(frozen=True)
class LevelThresholds:
    """Similarities at which to cut, coarse <= medium <= fine."""

    coarse: float
    medium: float
    fine: float


@dataclass(frozen=True)
class Edges:
    """Edges between nodes, each in both directions."""

    source: Ints
    target: Ints

    @classmethod
    def from_pairs(cls, a: Ints, b: Ints) -> Edges:
        """Return the edges of undirected pairs."""
        return cls(np.concatenate([a, b]), np.concatenate([b, a]))


def choose_levels(nodes: Nodes) -> LevelThresholds:
    """Choose three cuts that suit people.

    *medium*: the cut by which a random walk over the graph of nearest neighbours is described most briefly (the map
    equation: Rosvall and Bergstrom 2008). It finds clusters of very different sizes, where modularity joins the small
    ones of a large collection. *fine*: the most clusters of at least five items. *coarse*: the greatest modularity
    (Newman and Girvan 2004) of the graph of the medium clusters and their nearest ones; the graph of items can't show
    it, since it has next to no edges between clusters.
    """
    ordered = order_merges(nodes)
    if not len(ordered):
        return LevelThresholds(0.0, 0.0, 0.0)
    height = find_heights(nodes)[ordered]
    possible = np.flatnonzero(np.append(height[:-1] > height[1:], True))  # between equal heights there is no cut
    leaves = np.flatnonzero(nodes.old.birth[: nodes.used] == 0)
    medium = _find_best_cut(nodes, ordered, possible, _link_leaves(nodes, leaves), score_brevity)
    coarse = medium
    clusters = np.unique(find_tops(nodes, ordered[: medium + 1])[leaves])
    if len(clusters) > 3:
        edges = _link_clusters(nodes, clusters)
        coarse = _find_best_cut(nodes, ordered, possible[possible > medium], edges, score_modularity)
    is_large = nodes.size >= MIN_CLUSTER_SIZE
    gained = is_large[ordered].astype(np.int64) - is_large[nodes.left[ordered]] - is_large[nodes.right[ordered]]
    fine = min(int(possible[np.argmax(np.cumsum(gained)[possible])]), medium)
    return LevelThresholds(*(choose_threshold(height, last) for last in (coarse, medium, fine)))


# ---- scores


def score_brevity(share: Floats, leaving: Floats) -> float:
    """Return minus the bits that describe a step of a random walk, without the terms that all cuts share."""
    return 2 * _entropy(leaving) - _entropy(leaving.sum(keepdims=True)) - _entropy(leaving + share)


def score_modularity(share: Floats, leaving: Floats) -> float:
    """Return the modularity: the share of edges inside clusters, minus that expected by chance."""
    return float(1 - leaving.sum() - np.sum(share**2))


def _entropy(share: Floats) -> float:
    """Return the sum of p log2 p over shares p (a negative number)."""
    positive = share[share > 0]
    return float(np.sum(positive * np.log2(positive)))


# ---- graphs


def _link_leaves(nodes: Nodes, leaves: Ints) -> Edges:
    """Link each leaf to its most similar neighbours."""
    owner, near = nodes.near.get(leaves)
    pair = sort_unique(leaves[owner] * nodes.capacity + near)
    source, target = pair // nodes.capacity, pair % nodes.capacity
    forward = source < target
    similarity = np.empty(len(pair))
    similarity[forward] = nodes.similarity(source[forward], target[forward])
    similarity[~forward] = similarity[np.searchsorted(pair, (target * nodes.capacity + source)[~forward])]
    order = np.lexsort((nodes.key[target], -similarity, source))
    rank = np.empty(len(pair), np.int64)
    rank[order] = np.arange(len(pair)) - np.searchsorted(source, source[order])
    is_near = rank < NEAREST
    low, high = np.minimum(source, target)[is_near], np.maximum(source, target)[is_near]
    pair = sort_unique(low * nodes.capacity + high)
    return Edges.from_pairs(pair // nodes.capacity, pair % nodes.capacity)


def _link_clusters(nodes: Nodes, clusters: Ints) -> Edges:
    """Link each cluster to the nearest ones by average similarity."""
    count = min(CLUSTER_NEIGHBOURS, round(len(clusters) ** 0.5))
    sums = np.stack([nodes.add_up(node) for node in clusters.tolist()])
    sums /= nodes.size[clusters][:, None]
    source, target = [], []
    for start in range(0, len(clusters), 1024):
        part = np.arange(start, min(start + 1024, len(clusters)))
        distance = -(sums[part] @ sums.T)
        distance[np.arange(len(part)), part] = np.inf
        source.append(np.repeat(clusters[part], count))
        target.append(clusters[np.argpartition(distance, count - 1, axis=1)[:, :count].ravel()])
    return Edges.from_pairs(np.concatenate(source), np.concatenate(target))


# ---- the search


def _find_best_cut(nodes: Nodes, ordered: Ints, possible: Ints, edges: Edges, score: Score) -> int:
    """Return the place in `ordered` of the last merge of the best cut; cuts lie after the merges `possible`."""
    if not len(possible):
        return len(ordered) - 1
    remaining = len(ordered) - possible  # clusters of each cut, up to the parts that no edge joins
    counts = sort_unique(np.geomspace(1, max(remaining.max() / 2, 1), FIRST_CUTS).astype(np.int64))
    tried = sort_unique(np.searchsorted(-remaining, -counts).clip(0, len(possible) - 1))
    while True:
        best = int(np.argmax(_score_cuts(nodes, ordered, possible[tried], edges, score)))
        low, high = int(tried[max(best - 1, 0)]), int(tried[min(best + 1, len(tried) - 1)])
        if high - low < len(tried[max(best - 1, 0) : best + 2]):  # every cut between them was scored
            return int(possible[tried[best]])
        tried = sort_unique(np.linspace(low, high, CLOSER_CUTS).astype(np.int64))


def _score_cuts(nodes: Nodes, ordered: Ints, lasts: Ints, edges: Edges, score: Score) -> list[float]:
    """Return the score of the cut after each of the merges `lasts`, which ascend.

    Edges inside a cluster stay inside, so that each cut starts from the one before.
    """
    source, target, total = edges.source, edges.target, max(len(edges.source), 1)
    share = np.bincount(source, minlength=nodes.used) / total
    scores, done = [], 0
    for last in lasts.tolist():
        top = find_tops(nodes, ordered[done : last + 1])
        share = np.bincount(top, share, nodes.used).astype(np.float64)
        source, target = top[source], top[target]
        across = source != target
        source, target = source[across], target[across]
        scores.append(score(share, np.bincount(source, minlength=nodes.used) / total))
        done = last + 1
    return scores
