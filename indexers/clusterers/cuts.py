"""Reading a tree: cuts by similarity or count, members, the merges in order, and the levels for people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.clusterers.nodes import Nodes
from indexers.clusterers.pools import NONE, Ints

MEMBERS = 5
"""Items that make a cluster; fewer are loose."""
CANDIDATES = 96
"""Cuts among which levels are chosen, in geometric steps of their counts."""
NEIGHBOURS = 15
"""At most as many neighbours has a cluster of medium in the graph by which coarse is chosen."""


@dataclass(frozen=True)
class Levels:
    """Similarities at which to cut, coarse <= medium <= fine."""

    coarse: float
    medium: float
    fine: float


def merges(nodes: Nodes) -> Ints:
    """All merges, the most similar first and children before parents, int64 slots. Equally similar ones are ordered by
    size and then key, so that the order depends on the tree alone."""
    slots = np.flatnonzero(nodes.left[: nodes.used] >= 0)
    return slots[np.lexsort((nodes.key[slots], nodes.size[slots], -nodes.height[slots]))]


def tops(nodes: Nodes, taken: Ints) -> Ints:
    """For every slot the topmost node above it when only the merges `taken` are made."""
    top = np.arange(nodes.used)
    for side in (nodes.left, nodes.right):
        top[side[taken]] = taken
    while True:
        further = top[top]
        if np.array_equal(further, top):
            return top
        top = further


def taken_at(nodes: Nodes, threshold: float) -> Ints:
    """The merges of at least a similarity."""
    inner = nodes.left[: nodes.used] >= 0
    return np.flatnonzero(inner & (nodes.height[: nodes.used] >= threshold))


def taken_until(nodes: Nodes, count: int) -> Ints:
    """The merges that leave `count` clusters, or as near as the number of leaves and of separate parts allows."""
    ordered = merges(nodes)
    leaves = int(np.count_nonzero(nodes.old.birth[: nodes.used] == 0))
    return ordered[: max(leaves - count, 0)]


def below(nodes: Nodes, node: int) -> Ints:
    """The leaves of a node."""
    leaves, front = [NONE], np.array([node], np.int64)
    while len(front):
        inner = nodes.left[front] >= 0
        leaves.append(front[~inner])
        front = np.concatenate([nodes.left[front[inner]], nodes.right[front[inner]]]).astype(np.int64)
    return np.sort(np.concatenate(leaves))


def kept(nodes: Nodes, node: int) -> Ints:
    """The topmost nodes within a node whose sums are kept."""
    found, front = [NONE], np.array([node], np.int64)
    while len(front):
        has = nodes.row[front] >= 0
        found.append(front[has])
        rest = front[~has]
        front = np.concatenate([nodes.left[rest], nodes.right[rest]]).astype(np.int64)
    return np.concatenate(found)


def levels(nodes: Nodes) -> Levels:
    """Three cuts that suit people.

    *medium*: the greatest modularity (Newman and Girvan 2004) of the neighbour graph. *fine*: the most clusters of at
    least five items. *coarse*: what medium is for items, once more for the clusters of medium: the greatest modularity
    of the graph of their nearest ones. The graph of items can't say it, since it has next to no edges between clusters.
    """
    ordered = merges(nodes)
    if not len(ordered):
        return Levels(0.0, 0.0, 0.0)
    height = nodes.height[ordered]
    possible = np.flatnonzero(np.append(height[:-1] > height[1:], True))  # between equal heights there is no cut
    leaves = np.flatnonzero(nodes.old.birth[: nodes.used] == 0)
    owner, near = nodes.near.get(leaves)
    medium = _most_modular(nodes, ordered, possible, leaves[owner], near, -1)
    coarse = medium
    clusters = np.unique(tops(nodes, ordered[: medium + 1])[leaves])
    if len(clusters) > 3:
        source, target = _cluster_graph(nodes, clusters)
        coarse = _most_modular(nodes, ordered, possible, source, target, medium)
    large = nodes.size >= MEMBERS
    gained = large[ordered].astype(np.int64) - large[nodes.left[ordered]] - large[nodes.right[ordered]]
    fine = min(int(possible[np.argmax(np.cumsum(gained)[possible])]), medium)
    return Levels(*(_between(height, place) for place in (coarse, medium, fine)))


def _cluster_graph(nodes: Nodes, clusters: Ints) -> tuple[Ints, Ints]:
    """The nearest clusters of each, both ways, by average similarity."""
    count = min(NEIGHBOURS, round(len(clusters) ** 0.5))
    sums = np.stack([nodes.sums.get(nodes.row[kept(nodes, node)]).sum(0) for node in clusters.tolist()])
    sums /= nodes.size[clusters][:, None]
    source, target = [], []
    for start in range(0, len(clusters), 1024):
        part = np.arange(start, min(start + 1024, len(clusters)))
        distance = -(sums[part] @ sums.T)
        distance[np.arange(len(part)), part] = np.inf
        source.append(np.repeat(clusters[part], count))
        target.append(clusters[np.argpartition(distance, count - 1, axis=1)[:, :count].ravel()])
    one, other = np.concatenate(source), np.concatenate(target)
    return np.concatenate([one, other]), np.concatenate([other, one])


def _between(height: NDArray[np.float64], place: int) -> float:
    """A similarity that takes the merges up to `place` and no more, as far from the two next ones as can be."""
    return float(height[place] if place + 1 == len(height) else (height[place] + height[place + 1]) / 2)


def _most_modular(nodes: Nodes, ordered: Ints, possible: Ints, source: Ints, target: Ints, after: int) -> int:
    """The last merge of the cut of greatest modularity, among CANDIDATES cuts that make more merges than `after`.

    Every edge is given in both directions. Edges inside a cluster stay inside, so that each cut starts from the one
    before.
    """
    total = max(len(source), 1)
    degree = np.bincount(source, minlength=nodes.used).astype(np.float64)
    possible = possible[possible > after]
    if not len(possible):
        return after
    left = len(ordered) - possible  # clusters, but for what no edge joins
    wanted = np.unique(np.geomspace(1, max(left.max() / (2 if after < 0 else 1), 1), CANDIDATES).astype(np.int64))
    candidate = possible[np.unique(np.searchsorted(-left, -wanted).clip(0, len(possible) - 1))]
    best, greatest, done, inside = int(candidate[0]), -np.inf, 0, 0
    for last in candidate.tolist():
        top = tops(nodes, ordered[done : last + 1])
        degree = np.bincount(top, degree, nodes.used).astype(np.float64)
        source, target = top[source], top[target]
        across = source != target
        inside += len(source) - int(np.count_nonzero(across))
        source, target = source[across], target[across]
        done = last + 1
        modularity = inside / total - float(np.sum((degree / total) ** 2))
        if modularity > greatest:
            best, greatest = last, modularity
    return best
