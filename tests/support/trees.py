"""Vectors to build cluster trees from, trees built at once, and all that a tree says in comparable form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from indexers.tree import leaves
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.cuts import find_heights
from indexers.tree.fixed_point import compute_fingerprints, round_vectors
from indexers.tree.rounds import STAGE, NodeChanges
from indexers.tree.update import Update

Pairs = set[tuple[int, int]]


def angles(*degrees: float) -> np.ndarray:
    """Return unit vectors in the plane: the cosine of the angle between two is their similarity."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], 1)


def blobs(count: int, groups: int, dimension: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors around random centres, (count, dimension), and the centre of each."""
    random = np.random.default_rng(seed)
    label = random.integers(0, groups, count)
    return random.standard_normal((groups, dimension))[label] + 0.3 * random.standard_normal((count, dimension)), label


def link_nearest(vectors: dict[int, np.ndarray], k: int) -> Pairs:
    """Return the symmetric graph of the k nearest, each edge once."""
    ids = np.array(sorted(vectors))
    if len(ids) < 2:
        return set()
    unit = np.array([vectors[item] / np.linalg.norm(vectors[item]) for item in ids.tolist()])
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -9)
    near = ids[np.argsort(-similarity, axis=1, kind="stable")[:, : min(k, len(ids) - 1)]]
    return {(min(a, b), max(a, b)) for a, row in zip(ids.tolist(), near.tolist(), strict=True) for b in row}


def build_at_once(vectors: dict[int, np.ndarray], pairs: Pairs, dimension: int, limit: int) -> ClusterTree:
    """Return the tree of a full run."""
    tree = ClusterTree(dimension, limit)
    ids = sorted(vectors)
    tree.update(ids, np.array([vectors[item] for item in ids]).reshape(-1, dimension), new_pairs=sorted(pairs))
    return tree


def build_weighted(vectors: np.ndarray, counts: np.ndarray, pairs: Pairs, limit: int) -> ClusterTree:
    """Return the tree of distinct vectors, of each of which there are `counts` items, by a full run. Only one item of
    each leaf can be read from it."""
    tree, places = ClusterTree(vectors.shape[1], limit), np.arange(len(vectors))
    nodes, rounded, none = tree.nodes, round_vectors(vectors), np.empty(0, np.int64)
    slots = nodes.allocate(len(vectors))
    leaves._write_leaves(nodes, slots, compute_fingerprints(rounded), counts, rounded, places)
    tree.items.first = np.full(nodes.capacity, -1, np.int32)
    tree.items.move(none, none, none, places, slots)
    edges = slots[np.array(sorted(pairs), np.int64).reshape(-1, 2)]
    leaves._write_edges(nodes, slots, none, none, edges)
    update = Update(nodes, tree.groups, tree.crown, tree.rounds, tree.parts, limit)
    update.run(NodeChanges(slots, none, none, none.reshape(0, 2), none.reshape(0, 2)))
    update.commit()
    tree.rounds = update.rounds
    return tree


def describe_tree(tree: ClusterTree) -> dict[Any, Any]:
    """Return all that a tree says, in terms of contents: slots may differ between equal trees."""
    nodes, lives, groups = tree.nodes, tree.nodes.old, tree.groups
    content_of = {-1: None, **{slot: int(nodes.content[slot]) for slot in range(nodes.used)}}

    def contents(slots: Iterable[int]) -> tuple[int | None, ...]:
        return tuple(content_of[slot] for slot in slots)

    heights = find_heights(nodes)
    facts: dict[Any, Any] = {"top": tree.rounds.crown_round, "count": tree.rounds.counts.tolist()}
    for slot in np.flatnonzero(nodes.size[: nodes.used]).tolist():
        own = np.array([slot])
        birth = int(lives.birth[slot])
        is_listed = not nodes.seam[slot] and (birth == 0 or (birth < tree.rounds.crown_round and birth % STAGE > 0))
        links = [
            (
                int(groups.round[group]),
                sorted(zip(*(contents(part.tolist()) for part in groups.read(own * 0 + group)), strict=True)),
            )
            for group in nodes.groups.get(own)[1].tolist()
        ]
        assert content_of[slot] not in facts, "two nodes have the same items"
        neighbours = sorted(set(contents(nodes.near.get(own)[1].tolist())))  # type: ignore[type-var]
        facts[content_of[slot]] = {
            "size": int(nodes.size[slot]),
            "key": int(nodes.key[slot]),
            "children": contents([nodes.left[slot], nodes.right[slot]]),
            "parent": content_of[int(nodes.parent[slot])],
            "height": (float(nodes.height[slot]), float(heights[slot])),
            "life": (int(lives.birth[slot]), int(lives.death[slot]), content_of[int(lives.above[slot])]),
            "seam": bool(nodes.seam[slot]),
            "neighbours": neighbours if is_listed else None,
            "links": links,
            "sum": nodes.sums.get(nodes.row[own]).tolist() if nodes.row[slot] >= 0 else None,
        }
    facts["parts"] = [
        {
            content_of[slot]: list(zip(contents(near), similarity, strict=True))
            for slot, near, similarity in zip(
                parts.slots.tolist(), parts.near.tolist(), parts.similarity.tolist(), strict=True
            )
        }
        for parts in tree.parts
    ]
    facts["links"] = [
        sorted(zip(contents(links.source.tolist()), contents(links.target.tolist()), strict=True))  # type: ignore[type-var]
        for links in nodes.links
    ]
    facts["steps"] = [
        (contents(step.nodes.tolist()), contents(step.best.tolist()), step.similarity.tolist())
        for step in tree.crown.steps
    ]
    return facts


def is_clean(tree: ClusterTree) -> bool:
    """Return True if nothing is left of the work of an update, and every item is where it belongs."""
    nodes = tree.nodes
    marks = nodes.dirty.any() or nodes.marked.any() or nodes.scratch.any() or (nodes.place >= 0).any()
    lives = all(
        np.array_equal(getattr(nodes.old, name), getattr(nodes.new, name)) for name in ("birth", "death", "above")
    )
    items = tree.items.ids()
    leaves = np.flatnonzero(nodes.old.birth == 0)
    held = np.concatenate([[], *(tree.items.in_leaves(leaves[place : place + 1]) for place in range(len(leaves)))])
    used = np.count_nonzero(nodes.size) + len(nodes.free) == nodes.used and len(set(nodes.free)) == len(nodes.free)
    return not marks and lives and sorted(held.tolist()) == items.tolist() and used
