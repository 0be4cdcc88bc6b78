"""Groups: which nodes link to each other in a round, and how each group merges.

In a round every node links to its most similar neighbour, if that is at least the round's threshold; nodes connected by
links are a group (a sub-cluster component: Monath et al., KDD 2021). Inside a group, and nowhere else, exact average
linkage then merges whatever is at least that similar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, grow_array, sort_unique
from indexers.tree.fixed_point import FLOAT64_LIMIT, UNIT
from indexers.tree.linkage import average_linkage
from indexers.tree.nodes import Nodes
from indexers.tree.storage import SlotLists, Sums

CELLS = 2_000_000
"""Numbers in one batch of groups that merge at once: 16 MB."""
FEW = 300_000
"""So few are merged in one batch, whatever the lengths of the groups."""


class Groups:
    """The groups of all rounds: each one's round (int16, -1 where free), its members and whom each of them links to."""

    def __init__(self, capacity: int = 16) -> None:
        self.round = np.full(capacity, -1, np.int16)
        self.used = 0
        self.free: list[int] = []
        self.lists = SlotLists(capacity)

    def allocate(self, count: int) -> Ints:
        again = self.free[len(self.free) - min(count, len(self.free)) :]
        del self.free[len(self.free) - len(again) :]
        fresh = count - len(again)
        if self.used + fresh > len(self.round):
            capacity = max(self.used + fresh, len(self.round) * 5 // 4)
            self.round = grow_array(self.round, capacity, -1)
            self.lists.grow(capacity)
        found = np.concatenate([np.array(again, np.int64), np.arange(self.used, self.used + fresh)])
        self.used += fresh
        return found

    def release(self, groups: Ints) -> None:
        self.round[groups] = -1
        self.lists.clear(groups)
        self.free += groups.tolist()

    def add(self, at: int, lengths: Ints, members: Ints, links: Ints) -> Ints:
        """Keep groups, given one after another."""
        groups = self.allocate(len(lengths))
        self.round[groups] = at
        group = np.repeat(np.arange(len(groups)), lengths)
        both = np.argsort(np.concatenate([group, group]), kind="stable")
        self.lists.put(groups, 2 * lengths, np.concatenate([members, links])[both])
        return groups

    def read(self, groups: Ints) -> tuple[Ints, Ints]:
        """All members of the groups, and whom each links to."""
        owner, values = self.lists.get(groups)
        length = self.lists.length[groups].astype(np.int64)
        place = np.arange(len(values)) - (np.cumsum(length) - length)[owner]
        first = place < length[owner] // 2
        return values[first], values[~first]

    def find_groups(self, nodes: Nodes, slots: Ints, at: int) -> Ints:
        """The groups in which the nodes were in a round of the old tree."""
        groups = nodes.groups.get(slots)[1]
        return sort_unique(groups[self.round[groups] == at])


def choose_best_links(nodes: Nodes, source: Ints, target: Ints, similarity: NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Of several links from a node the one to the most similar; among equals to the smallest key."""
    order = np.lexsort((nodes.key[target], -similarity, source))
    source, target = source[order], target[order]
    first = np.ones(len(source), bool)
    first[1:] = source[1:] != source[:-1]
    return source[first], target[first]


def find_components(nodes: Ints, source: Ints, target: Ints) -> Ints:
    """The group of each of the sorted `nodes`, by a number. Every node has at most one link, and the ties' order lets
    no cycle be longer than two, so that pointers jump to one root per group."""
    here = np.arange(len(nodes))
    pointer = here.copy()
    pointer[np.searchsorted(nodes, source)] = np.searchsorted(nodes, target)
    mutual = (pointer[pointer] == here) & (here < pointer)
    pointer[mutual] = here[mutual]
    while True:
        further = pointer[pointer]
        if np.array_equal(further, pointer):
            return pointer
        pointer = further


@dataclass(frozen=True)
class GroupMerges:
    """Merges, children first. A member is named by its place, the i-th merge by the number of members plus i.

    left, right: places. size, content, least, height: what nodes.Nodes says of them, int64, uint64, int64 and float64.
    """

    left: Ints
    right: Ints
    size: Ints
    content: NDArray[np.uint64]
    least: Ints
    height: NDArray[np.float64]


def merge_groups(nodes: Nodes, members: Ints, lengths: Ints, threshold: float, cap: float) -> GroupMerges:
    """Average linkage inside each of the groups that `members` holds one after another, each sorted by key.

    Heights are similarities of at most `cap`, the threshold of the round before: since a round considers neighbours
    only, a merge can turn out more similar than earlier ones, and a cut must not see that.
    """
    starts = np.cumsum(lengths) - lengths
    parts = []
    widths = _width(lengths)
    longest = int(widths.max(initial=0))
    if len(widths) * longest * (longest + nodes.sums.dimension) <= FEW:
        widths = np.full(len(widths), longest)
    for width in sort_unique(widths):
        chosen = np.flatnonzero(widths == width)
        step = max(1, CELLS // int(width * (width + nodes.sums.dimension)))
        for begin in range(0, len(chosen), step):
            group = chosen[begin : begin + step]
            place = starts[group][:, None] + np.arange(width)
            there = np.arange(width) < lengths[group][:, None]
            parts.append((np.where(there, place, starts[group][:, None]), there))
    found: list[GroupMerges] = []
    count = 0
    for place, there in parts:
        slots = members[place]
        sizes = np.where(there, nodes.size[slots], 0)
        dots = _products(nodes.sums, nodes.row[slots], sizes)
        found.append(_linked(nodes, members, place, dots, sizes, threshold, cap, count))
        count += len(found[-1].left)
    if not found:
        return GroupMerges(NO_INTS, NO_INTS, NO_INTS, NO_INTS.astype(np.uint64), NO_INTS, np.empty(0))
    columns = ("left", "right", "size", "content", "least", "height")
    return GroupMerges(*(np.concatenate([getattr(part, name) for part in found]) for name in columns))


def _linked(
    nodes: Nodes, members: Ints, place: Ints, dots: Ints, sizes: Ints, threshold: float, cap: float, before: int
) -> GroupMerges:
    """Average linkage of one batch; `before` merges of other batches precede."""
    width = place.shape[1]
    result = average_linkage(dots, sizes, threshold)
    count = len(result.left)
    if not count:
        return GroupMerges(NO_INTS, NO_INTS, NO_INTS, NO_INTS.astype(np.uint64), NO_INTS, np.empty(0))
    # Each wave knows its children: what they are made of adds up.
    group, at = result.group, 0
    left, right = np.empty(count, np.int64), np.empty(count, np.int64)
    size, content = np.empty(count, np.int64), np.empty(count, np.uint64)
    least, height = np.empty(count, np.int64), np.empty(count)
    np.minimum(result.similarity / UNIT, cap, out=height)
    halves = ((result.left, left), (result.right, right))
    for wave in result.waves:
        now = slice(at, at + wave)
        known = []
        for side, out in halves:
            inner = side[now] >= width
            member = members[place[group[now], np.where(inner, 0, side[now])]]
            merge = np.where(inner, side[now] - width, 0)
            out[now] = np.where(inner, len(members) + before + merge, place[group[now], np.where(inner, 0, side[now])])
            known.append(
                [
                    np.where(inner, mine[merge], of[member])
                    for mine, of in (
                        (size, nodes.size),
                        (content, nodes.content),
                        (least, nodes.least),
                        (height, nodes.height),
                    )
                ]
            )
        (size_l, content_l, least_l, height_l), (size_r, content_r, _, height_r) = known
        size[now] = size_l + size_r
        content[now] = content_l + content_r
        least[now] = least_l  # the left one stands first in the order of keys
        height[now] = np.minimum(height[now], np.minimum(height_l, height_r))
        at += wave
    return GroupMerges(left, right, size, content, least, height)


def _width(lengths: Ints) -> Ints:
    """Groups are batched by length; longer ones are padded to the next of 10, 12, 14, 16, 20, 24, 28, 32, 40 ..."""
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64) - 2, 0)
    wide: Ints = -(-lengths // step) * step
    return wide


def _products(sums: Sums, rows: Ints, sizes: Ints) -> Ints:
    """Products of all pairs within each group, int64 (groups, width, width)."""
    largest = int(sizes.max())
    kind = "f4" if largest == 1 else "f8"
    part = sums.get(rows.ravel(), kind).reshape(*rows.shape, -1)
    dots: Ints = np.rint(part @ part.transpose(0, 2, 1)).astype(np.int64)
    if largest * largest >= FLOAT64_LIMIT:
        group, i, j = np.nonzero(sizes[:, :, None] * sizes[:, None, :] >= FLOAT64_LIMIT)
        dots[group, i, j] = sums.multiply_pairs(rows[group, i], rows[group, j], sizes[group, i] * sizes[group, j])
    return dots
