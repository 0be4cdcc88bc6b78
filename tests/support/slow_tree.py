"""The cluster tree by its rules alone, in Python's own whole numbers: slow, and the referee of the real one.

Nothing is kept from one round to the next but the sets of leaves; nothing of the tree's own code is used except how
vectors are rounded, their fingerprints, and the thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import UNIT, compute_fingerprints, round_vectors
from indexers.tree.parts import PART_NEIGHBOURS
from indexers.tree.rounds import THRESHOLDS

STAGE = 88
"""Rounds of one stage."""


class Node(NamedTuple):
    """leaves: the places of its leaves. total: the sum of its items' vectors. key: its smallest fingerprint. height:
    the similarity at which it merged."""

    leaves: frozenset[int]
    total: tuple[int, ...]
    size: int
    key: int
    height: float


Merges = dict[frozenset[int], tuple[frozenset[frozenset[int]], float]]
"""The halves of each merge, and its height."""


class SlowTree:
    """The tree of distinct vectors, of each of which there are `counts` items, over edges between their places.

    merges: see Merges. rounds: the nodes alive at the beginning of each round, the last one being that of the crown.
    """

    def __init__(self, vectors: np.ndarray, counts: Sequence[int], pairs: set[tuple[int, int]], limit: int) -> None:
        rounded = round_vectors(vectors)
        keys = compute_fingerprints(rounded).tolist()
        self.merges: Merges = {}
        self.rounds: list[int] = []
        alive = [
            Node(frozenset([place]), tuple(int(value) * count for value in row), count, keys[place], 1.0)
            for place, (row, count) in enumerate(zip(rounded.tolist(), counts, strict=True))
        ]
        self.edges = {frozenset(pair) for pair in pairs if len(set(pair)) == 2}
        for number in range(len(THRESHOLDS)):
            self.rounds.append(len(alive))
            cap = 1.0 if number % STAGE == 0 else max(float(THRESHOLDS[number - 1]), -1.0)
            if len(alive) <= limit:
                self.merge_group(alive, -np.inf, cap)
                return
            if number and number % STAGE == 0:
                self.link_parts(alive)
            alive = self.run_round(alive, float(THRESHOLDS[number]) * UNIT, cap)

    def link_parts(self, alive: list[Node]) -> None:
        """Replace the edges by those from each part to its most similar ones, by a leaf of each."""
        self.edges = set()
        for node in alive:
            others = sorted((other for other in alive if other is not node), key=lambda other: rank(node, other))
            self.edges |= {frozenset([min(node.leaves), min(other.leaves)]) for other in others[:PART_NEIGHBOURS]}

    def run_round(self, alive: list[Node], threshold: float, cap: float) -> list[Node]:
        """Let each node link to its most similar neighbour, and merge each group of linked nodes."""
        holder = {leaf: place for place, node in enumerate(alive) for leaf in node.leaves}
        near: list[set[int]] = [set() for _ in alive]
        for a, b in (sorted(edge) for edge in self.edges):
            if holder[a] != holder[b]:
                near[holder[a]].add(holder[b])
                near[holder[b]].add(holder[a])
        group = list(range(len(alive)))
        for place, node in enumerate(alive):
            best = min(near[place], key=lambda other: rank(node, alive[other]), default=None)
            if best is not None and compare(node, alive[best]) >= threshold:
                group = [group[best] if number == group[place] else number for number in group]
        after: list[Node] = []
        for number in dict.fromkeys(group):
            after += self.merge_group(
                [alive[place] for place in range(len(alive)) if group[place] == number], threshold, cap
            )
        return after

    def merge_group(self, nodes: list[Node], threshold: float, cap: float) -> list[Node]:
        """Merge all pairs that are each other's most similar one, until none is as similar as the threshold."""
        nodes = sorted(nodes, key=lambda node: node.key)
        while len(nodes) > 1:
            best = [
                min((other for other in nodes if other is not node), key=lambda other: rank(node, other))
                for node in nodes
            ]
            partner = dict(zip(map(id, nodes), best, strict=True))
            mutual = [
                (node, other)
                for node, other in zip(nodes, best, strict=True)
                if partner[id(other)] is node and node.key < other.key and compare(node, other) >= threshold
            ]
            if not mutual:
                break
            merged = {id(node) for pair in mutual for node in pair}
            nodes = [node for node in nodes if id(node) not in merged] + [self.merge(a, b, cap) for a, b in mutual]
            nodes.sort(key=lambda node: node.key)
        return nodes

    def merge(self, a: Node, b: Node, cap: float) -> Node:
        total = tuple(left + right for left, right in zip(a.total, b.total, strict=True))
        height = min(compare(a, b) / UNIT, cap, a.height, b.height)
        node = Node(a.leaves | b.leaves, total, a.size + b.size, min(a.key, b.key), height)
        self.merges[node.leaves] = frozenset([a.leaves, b.leaves]), height
        return node


def build_slowly(
    vectors: dict[int, np.ndarray], pairs: set[tuple[int, int]], limit: int
) -> tuple[SlowTree, list[set[int]]]:
    """Return the tree of items, of which equal ones share a leaf, over edges between them; and each leaf's items."""
    items = sorted(vectors)
    rounded = [round_vectors(vectors[item][None])[0].tobytes() for item in items]
    leaves = list(dict.fromkeys(rounded))
    place = {item: leaves.index(row) for item, row in zip(items, rounded, strict=True)}
    held = [{item for item in items if place[item] == leaf} for leaf in range(len(leaves))]
    rows = np.array([vectors[min(held[leaf])] for leaf in range(len(leaves))])
    edges = {(place[a], place[b]) for a, b in pairs}
    return SlowTree(rows, [len(items) for items in held], edges, limit), held


def describe_merges(tree: ClusterTree) -> dict[frozenset[int], tuple[set[frozenset[int]], float]]:
    """Return the halves of each merge of a tree, as sets of items, and its height."""
    described = {}
    for merge, height in zip(tree.merges().tolist(), tree.heights(tree.merges()).tolist(), strict=True):
        children = tree.children(merge) or ()
        halves = {frozenset(tree.members(child).tolist()) for child in children}
        described[frozenset(tree.members(merge).tolist())] = halves, height
    return described


def is_equal(tree: ClusterTree, slow: SlowTree, held: list[set[int]]) -> bool:
    """Return True if a tree has the merges and heights of the slow one, and as many nodes in each round."""

    def to_items(leaves: frozenset[int]) -> frozenset[int]:
        return frozenset(item for leaf in leaves for item in held[leaf])

    merges = {
        to_items(leaves): ({to_items(half) for half in halves}, height)
        for leaves, (halves, height) in slow.merges.items()
    }
    counts = tree.rounds.counts[: tree.rounds.crown_round + 1].tolist()
    return merges == describe_merges(tree) and counts == slow.rounds


def compare(a: Node, b: Node) -> float:
    """Return the average similarity of all pairs of items, times UNIT."""
    return float(sum(left * right for left, right in zip(a.total, b.total, strict=True))) / float(a.size * b.size)


def rank(node: Node, other: Node) -> tuple[float, int]:
    """Return by what neighbours are ordered: the most similar first, among equals that of the smallest key."""
    return -compare(node, other), other.key
