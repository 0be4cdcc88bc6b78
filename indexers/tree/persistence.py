"""A tree as plain arrays, to be stored in a file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.tree.nodes import Lifetimes, Nodes
from indexers.tree.state import TreeState
from indexers.tree.storage import SlotLists, Sums

FORMAT = 2
LIFETIME_ARRAYS = ("birth", "death", "above")
"""The arrays of nodes.Lifetimes."""
NODE_ARRAYS = ("size", "key", "content", "least", "left", "right", "parent", "height", "row", "seam")
"""The arrays of nodes.Nodes that are stored."""
Arrays = dict[str, NDArray[Any]]


def collect_arrays(tree: TreeState) -> Arrays:
    """Return everything that the tree knows. Free slots are included, so that node numbers stay the same."""
    nodes, groups = tree.nodes, tree.groups
    used, items = nodes.used, tree.items.ids()
    arrays: Arrays = {
        "about": np.array([FORMAT, tree.dimension, tree.limit, tree.rounds.crown_round], np.int64),
        "count": tree.rounds.counts,
        "crown": tree.crown.base,
        "seams": tree.crown.seams,
        "items": items,
        "leaf": tree.items.leaf[items],
        "narrow": nodes.sums.narrow[: nodes.sums.used[0]],
        "wide": nodes.sums.wide[: nodes.sums.used[1]],
        "round": groups.round[: groups.used],
        "parts_count": np.array([len(parts.slots) for parts in tree.parts], np.int64),
        "parts": np.concatenate([parts.slots for parts in tree.parts]),
        "parts_near": np.concatenate([parts.near for parts in tree.parts]),
    }
    for name in NODE_ARRAYS:
        arrays[name] = getattr(nodes, name)[:used]
    for name in LIFETIME_ARRAYS:
        arrays[name] = getattr(nodes.old, name)[:used]
    for name, lists, slots in (
        ("near", nodes.near, used),
        ("member_of", nodes.groups, used),
        ("groups", groups.lists, groups.used),
    ):
        arrays[f"{name}_length"] = lists.length[:slots]
        arrays[name] = lists.get(np.arange(slots))[1].astype(np.int32)
    return {name: array.copy() for name, array in arrays.items()}


def restore_tree(tree: TreeState, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Fill an empty tree with what `collect_arrays` returned."""
    nodes, groups, used = tree.nodes, tree.groups, len(arrays["size"])
    nodes.grow(max(used, nodes.capacity))
    nodes.used = used
    for name in NODE_ARRAYS:
        getattr(nodes, name)[:used] = arrays[name]
    for lifetimes in (nodes.old, nodes.new):
        _restore_lifetimes(lifetimes, arrays, used)
    groups.round = np.concatenate([arrays["round"].astype(np.int16), np.full(16, -1, np.int16)])
    groups.used = len(arrays["round"])
    groups.lists.grow(len(groups.round))
    _restore_lists(nodes.near, arrays, "near")
    _restore_lists(nodes.groups, arrays, "member_of")
    _restore_lists(groups.lists, arrays, "groups")
    nodes.free = np.flatnonzero(nodes.size[:used] == 0).tolist()
    groups.free = np.flatnonzero(groups.round[: groups.used] < 0).tolist()
    _restore_sums(nodes, arrays)
    _restore_parts(tree, arrays)
    tree.crown.restore(nodes, arrays["crown"].astype(np.int64), arrays["seams"].astype(np.int64))
    tree.rounds.crown_round = int(arrays["about"][3])
    tree.rounds.counts = arrays["count"].astype(np.int64)
    tree.items.restore(nodes, arrays["items"].astype(np.int64), arrays["leaf"].astype(np.int64))


def _restore_lifetimes(lifetimes: Lifetimes, arrays: Mapping[str, NDArray[Any]], used: int) -> None:
    for name in LIFETIME_ARRAYS:
        getattr(lifetimes, name)[:used] = arrays[name]


def _restore_lists(lists: SlotLists, arrays: Mapping[str, NDArray[Any]], name: str) -> None:
    lengths = arrays[f"{name}_length"]
    lists.write(np.arange(len(lengths)), lengths.astype(np.int64), arrays[name].astype(np.int64))


def _restore_sums(nodes: Nodes, arrays: Mapping[str, NDArray[Any]]) -> None:
    sums: Sums = nodes.sums
    sums.narrow, sums.wide = (np.require(arrays[name], requirements="W") for name in ("narrow", "wide"))
    sums.used = [len(sums.narrow), len(sums.wide)]
    rows = nodes.row[nodes.row >= 0]
    for kind in (0, 1):
        free = np.ones(sums.used[kind], bool)
        free[rows[(rows & 1) == kind] >> 1] = False
        sums.free[kind] = np.flatnonzero(free).tolist()


def _restore_parts(tree: TreeState, arrays: Mapping[str, NDArray[Any]]) -> None:
    ends = np.cumsum(arrays["parts_count"])[:-1]
    slots, near = (np.split(arrays[name].astype(np.int64), ends) for name in ("parts", "parts_near"))
    for stage, parts in enumerate(tree.parts):
        parts.restore(tree.nodes, slots[stage], near[stage])
        tree.nodes.links[stage] = parts.link(tree.nodes.capacity)


def count_bytes(tree: TreeState) -> dict[str, int]:
    """Return the bytes that the tree takes, by what they are for.

    Python's own overhead of the dictionary is counted as 150 bytes an entry (measured).
    """
    nodes, groups = tree.nodes, tree.groups
    leaves = int(np.count_nonzero(nodes.old.birth == 0))
    vectors = leaves * tree.dimension * nodes.sums.narrow.itemsize
    graph = int(nodes.near.length[nodes.old.birth == 0].sum()) * nodes.near.data.itemsize
    rest = [getattr(nodes, name).nbytes for name, _ in nodes.FILL]
    rest += [getattr(lifetimes, name).nbytes for lifetimes in (nodes.old, nodes.new) for name in LIFETIME_ARRAYS]
    rest += [lists.nbytes for lists in (nodes.near, nodes.groups, groups.lists)]
    rest += [nodes.sums.nbytes - vectors - graph, tree.crown.dots.nbytes, groups.round.nbytes]
    rest += [tree.items.leaf.nbytes + tree.items.first.nbytes + 150 * len(tree.items.leaves)]
    return {"vectors": vectors, "graph": graph, "tree": sum(rest)}
