"""Levels for people: the three cuts of a tree that are called fine, medium and coarse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints, sort_unique
from indexers.tree.cuts import MIN_CLUSTER_SIZE, choose_threshold, find_summed_nodes, find_tops, order_merges
from indexers.tree.nodes import Nodes

CANDIDATES = 96
"""Cuts among which levels are chosen first, in geometric steps of their counts."""
CLOSER = 24
"""Cuts between the neighbours of the best one that are looked at next, as often as there are any between."""
NEAREST = 8
"""Of a leaf's neighbours the most similar by which medium is chosen. A cluster of fewer members than a leaf has
neighbours would be lost in those around it: half of the usual 15 show clusters half that small."""
NEIGHBOURS = 15
"""At most as many neighbours has a cluster of medium in the graph by which coarse is chosen."""
Floats = NDArray[np.float64]


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
    def both(cls, one: Ints, other: Ints) -> Edges:
        return cls(np.concatenate([one, other]), np.concatenate([other, one]))


def choose_levels(nodes: Nodes) -> LevelThresholds:
    """Three cuts that suit people.

    *medium*: that by which a random walk over the graph of nearest neighbours is described most briefly (the map
    equation: Rosvall and Bergstrom 2008). It finds clusters of very different sizes, where modularity puts the small
    ones of a large collection together. *fine*: the most clusters of at least five items. *coarse*: the greatest
    modularity (Newman and Girvan 2004) of the graph of the clusters of medium and their nearest ones; the graph of
    items can't say it, since it has next to no edges between clusters.
    """
    ordered = order_merges(nodes)
    if not len(ordered):
        return LevelThresholds(0.0, 0.0, 0.0)
    height = nodes.height[ordered]
    possible = np.flatnonzero(np.append(height[:-1] > height[1:], True))  # between equal heights there is no cut
    leaves = np.flatnonzero(nodes.old.birth[: nodes.used] == 0)
    medium = _best(nodes, ordered, possible, _leaf_graph(nodes, leaves), score_brevity)
    coarse = medium
    clusters = np.unique(find_tops(nodes, ordered[: medium + 1])[leaves])
    if len(clusters) > 3:
        coarse = _best(nodes, ordered, possible[possible > medium], _cluster_graph(nodes, clusters), score_modularity)
    large = nodes.size >= MIN_CLUSTER_SIZE
    gained = large[ordered].astype(np.int64) - large[nodes.left[ordered]] - large[nodes.right[ordered]]
    fine = min(int(possible[np.argmax(np.cumsum(gained)[possible])]), medium)
    return LevelThresholds(*(choose_threshold(height, place) for place in (coarse, medium, fine)))


# ---- what makes a cut good: from the share of all edges' ends that each cluster has, and that lead out of it


def score_brevity(share: Floats, leaving: Floats) -> float:
    """Minus the bits of a step of a random walk, but for what is the same for all cuts."""
    return 2 * _entropy(leaving) - _entropy(leaving.sum(keepdims=True)) - _entropy(leaving + share)


def score_modularity(share: Floats, leaving: Floats) -> float:
    return float(1 - leaving.sum() - np.sum(share**2))


def _entropy(share: Floats) -> float:
    """Of shares p the sum of p log p."""
    there = share[share > 0]
    return float(np.sum(there * np.log2(there)))


# ---- graphs


def _leaf_graph(nodes: Nodes, leaves: Ints) -> Edges:
    """Each leaf's most similar neighbours."""
    owner, near = nodes.near.get(leaves)
    pair = sort_unique(leaves[owner] * nodes.capacity + near)
    source, target = pair // nodes.capacity, pair % nodes.capacity
    one = source < target
    similarity = np.empty(len(pair))
    similarity[one] = nodes.similarity(source[one], target[one])
    similarity[~one] = similarity[np.searchsorted(pair, (target * nodes.capacity + source)[~one])]
    order = np.lexsort((nodes.key[target], -similarity, source))
    rank = np.empty(len(pair), np.int64)
    rank[order] = np.arange(len(pair)) - np.searchsorted(source, source[order])
    chosen = rank < NEAREST
    low, high = np.minimum(source, target)[chosen], np.maximum(source, target)[chosen]
    pair = sort_unique(low * nodes.capacity + high)
    return Edges.both(pair // nodes.capacity, pair % nodes.capacity)


def _cluster_graph(nodes: Nodes, clusters: Ints) -> Edges:
    """The nearest clusters of each, by average similarity."""
    count = min(NEIGHBOURS, round(len(clusters) ** 0.5))
    sums = np.stack([nodes.sums.get(nodes.row[find_summed_nodes(nodes, node)]).sum(0) for node in clusters.tolist()])
    sums /= nodes.size[clusters][:, None]
    source, target = [], []
    for start in range(0, len(clusters), 1024):
        part = np.arange(start, min(start + 1024, len(clusters)))
        distance = -(sums[part] @ sums.T)
        distance[np.arange(len(part)), part] = np.inf
        source.append(np.repeat(clusters[part], count))
        target.append(clusters[np.argpartition(distance, count - 1, axis=1)[:, :count].ravel()])
    return Edges.both(np.concatenate(source), np.concatenate(target))


# ---- the search


def _best(nodes: Nodes, ordered: Ints, possible: Ints, edges: Edges, good: Callable[[Floats, Floats], float]) -> int:
    """The last merge of the best of the cuts after the merges `possible`."""
    if not len(possible):
        return len(ordered) - 1
    left = len(ordered) - possible  # clusters, but for what no edge joins
    wanted = sort_unique(np.geomspace(1, max(left.max() / 2, 1), CANDIDATES).astype(np.int64))
    place = sort_unique(np.searchsorted(-left, -wanted).clip(0, len(possible) - 1))
    while True:
        best = int(np.argmax(_scores(nodes, ordered, possible[place], edges, good)))
        low, high = int(place[max(best - 1, 0)]), int(place[min(best + 1, len(place) - 1)])
        if high - low < len(place[max(best - 1, 0) : best + 2]):  # none is between them that was not looked at
            return int(possible[place[best]])
        place = sort_unique(np.linspace(low, high, CLOSER).astype(np.int64))


def _scores(
    nodes: Nodes, ordered: Ints, lasts: Ints, edges: Edges, good: Callable[[Floats, Floats], float]
) -> list[float]:
    """How good the cuts are. Edges inside a cluster stay inside, so that each cut starts from the one before."""
    source, target, total = edges.source, edges.target, max(len(edges.source), 1)
    share = np.bincount(source, minlength=nodes.used) / total
    found, done = [], 0
    for last in lasts.tolist():
        top = find_tops(nodes, ordered[done : last + 1])
        share = np.bincount(top, share, nodes.used).astype(np.float64)
        source, target = top[source], top[target]
        across = source != target
        source, target = source[across], target[across]
        found.append(good(share, np.bincount(source, minlength=nodes.used) / total))
        done = last + 1
    return found
