"""Groups: which nodes link to each other in a round, and how each group merges.

In a round every node links to its most similar neighbour, if that similarity is at least the round's threshold; nodes
connected by links are a group (a sub-cluster component: Monath et al., KDD 2021). Inside a group, and nowhere else,
exact average linkage then merges whatever is at least that similar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, grow_array, sort_unique
from indexers.tree.fixed_point import FLOAT64_LIMIT, INT64_LIMIT, UNIT, choose_float
from indexers.tree.linkage import average_linkage
from indexers.tree.nodes import Nodes
from indexers.tree.storage import SlotLists, Sums, round_products

MAX_CELLS = 2_000_000
"""Numbers in one batch of groups that merge at once: 16 MB."""
FEW_CELLS = 300_000
"""If all groups padded to one width have at most so many numbers, they merge in one batch."""


class Groups:
    """The groups of all rounds: the round of each (int16, -1 where free), its members and the node each links to."""

    def __init__(self, capacity: int = 16) -> None:
        self.round = np.full(capacity, -1, np.int16)
        self.used = 0
        self.free: list[int] = []
        self.lists = SlotLists(capacity)

    def allocate(self, count: int) -> Ints:
        """Return `count` unused numbers of groups."""
        reused = self.free[len(self.free) - min(count, len(self.free)) :]
        del self.free[len(self.free) - len(reused) :]
        fresh = count - len(reused)
        if self.used + fresh > len(self.round):
            capacity = max(self.used + fresh, len(self.round) * 5 // 4)
            self.round = grow_array(self.round, capacity, -1)
            self.lists.grow(capacity)
        groups = np.concatenate([np.array(reused, np.int64), np.arange(self.used, self.used + fresh)])
        self.used += fresh
        return groups

    def release(self, groups: Ints) -> None:
        """Give groups back."""
        self.round[groups] = -1
        self.lists.clear(groups)
        self.free += groups.tolist()

    def add(self, round_index: int, lengths: Ints, members: Ints, links: Ints) -> Ints:
        """Store the groups of a round, one after another in `members` and `links`; return their numbers."""
        groups = self.allocate(len(lengths))
        self.round[groups] = round_index
        group = np.repeat(np.arange(len(groups)), lengths)
        order = np.argsort(np.concatenate([group, group]), kind="stable")
        self.lists.write(groups, 2 * lengths, np.concatenate([members, links])[order])
        return groups

    def read(self, groups: Ints) -> tuple[Ints, Ints]:
        """Return all members of the groups, and the node that each links to (-1: none)."""
        owner, values = self.lists.get(groups)
        length = self.lists.length[groups].astype(np.int64)
        place = np.arange(len(values)) - (np.cumsum(length) - length)[owner]
        is_member = place < length[owner] // 2
        return values[is_member], values[~is_member]

    def find_groups(self, nodes: Nodes, slots: Ints, round_index: int) -> Ints:
        """Return the groups in which the nodes were in a round of the old tree."""
        groups = nodes.groups.get(slots)[1]
        return sort_unique(groups[self.round[groups] == round_index])


def choose_best_links(nodes: Nodes, source: Ints, target: Ints, similarity: NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Keep of several links from a node that to the most similar target, among equals that of the smallest key."""
    order = np.lexsort((nodes.key[target], -similarity, source))
    source, target = source[order], target[order]
    first = np.ones(len(source), bool)
    first[1:] = source[1:] != source[:-1]
    return source[first], target[first]


def find_components(nodes: Ints, source: Ints, target: Ints) -> Ints:
    """Return the group of each of the sorted `nodes`, as the place of one of its nodes.

    Every node has at most one link, and the order of ties lets no cycle be longer than two, so that pointers jump to
    one root per group.
    """
    places = np.arange(len(nodes))
    pointer = places.copy()
    pointer[np.searchsorted(nodes, source)] = np.searchsorted(nodes, target)
    mutual = (pointer[pointer] == places) & (places < pointer)
    pointer[mutual] = places[mutual]
    while True:
        further = pointer[pointer]
        if np.array_equal(further, pointer):
            return pointer
        pointer = further


@dataclass(frozen=True)
class GroupMerges:
    """The merges of groups, children first.

    A member is named by its place, the i-th merge by the number of members plus i.
    left, right: int64, places. size, content, least, height: as in nodes.Nodes, int64, uint64, int64 and float64.
    """

    left: Ints
    right: Ints
    size: Ints
    content: NDArray[np.uint64]
    least: Ints
    height: NDArray[np.float64]


def merge_groups(nodes: Nodes, members: Ints, lengths: Ints, threshold: float, cap: float) -> GroupMerges:
    """Merge by average linkage inside each of the groups that `members` holds one after another, each sorted by key.

    Heights are similarities of at most `cap`, the threshold of the round before: since a round considers neighbours
    only, a merge can turn out more similar than earlier ones, and a cut must not see that (`cuts.find_heights` sees to
    what is left).
    """
    starts = np.cumsum(lengths) - lengths
    batches = []
    widths = _pad_lengths(lengths)
    longest = int(widths.max(initial=0))
    if len(widths) * longest * (longest + nodes.sums.dimension) <= FEW_CELLS:
        widths = np.full(len(widths), longest)
    for width in sort_unique(widths):
        of_width = np.flatnonzero(widths == width)
        step = max(1, MAX_CELLS // int(width * (width + nodes.sums.dimension)))
        for begin in range(0, len(of_width), step):
            group = of_width[begin : begin + step]
            place = starts[group][:, None] + np.arange(width)
            is_member = np.arange(width) < lengths[group][:, None]
            batches.append((np.where(is_member, place, starts[group][:, None]), is_member))
    merges: list[GroupMerges] = []
    count = 0
    for place, is_member in batches:
        slots = members[place]
        sizes = np.where(is_member, nodes.size[slots], 0)
        merges.append(_merge_batch(nodes, members, place, sizes, threshold, cap, count))
        count += len(merges[-1].left)
    if not merges:
        return GroupMerges(NO_INTS, NO_INTS, NO_INTS, NO_INTS.astype(np.uint64), NO_INTS, np.empty(0))
    columns = ("left", "right", "size", "content", "least", "height")
    return GroupMerges(*(np.concatenate([getattr(part, name) for part in merges]) for name in columns))


def _merge_batch(
    nodes: Nodes, members: Ints, place: Ints, sizes: Ints, threshold: float, cap: float, before: int
) -> GroupMerges:
    """Merge one batch of groups, whose members are at `place`, (groups, width).

    before: the number of merges of earlier batches.
    """
    width = place.shape[1]
    dots, rough = _multiply_members(nodes.sums, nodes.row[members[place]], sizes)
    merges = average_linkage(dots, sizes, threshold, rough)
    count = len(merges.left)
    if not count:
        return GroupMerges(NO_INTS, NO_INTS, NO_INTS, NO_INTS.astype(np.uint64), NO_INTS, np.empty(0))
    # Each wave is made of earlier ones, so that sizes and contents add up.
    group, start = merges.group, 0
    left, right = np.empty(count, np.int64), np.empty(count, np.int64)
    size, content = np.empty(count, np.int64), np.empty(count, np.uint64)
    least, height = np.empty(count, np.int64), np.empty(count)
    np.minimum(merges.similarity / UNIT, cap, out=height)
    sides = ((merges.left, left), (merges.right, right))
    for wave in merges.waves:
        now = slice(start, start + wave)
        halves = []
        for column, out in sides:
            is_merge = column[now] >= width
            member_place = place[group[now], np.where(is_merge, 0, column[now])]
            member = members[member_place]
            merge = np.where(is_merge, column[now] - width, 0)
            out[now] = np.where(is_merge, len(members) + before + merge, member_place)
            halves.append(
                [
                    np.where(is_merge, of_merges[merge], of_nodes[member])
                    for of_merges, of_nodes in (
                        (size, nodes.size),
                        (content, nodes.content),
                        (least, nodes.least),
                    )
                ]
            )
        (size_l, content_l, least_l), (size_r, content_r, _) = halves
        size[now] = size_l + size_r
        content[now] = content_l + content_r
        least[now] = least_l  # the left one stands first in the order of keys
        start += wave
    return GroupMerges(left, right, size, content, least, height)


def _pad_lengths(lengths: Ints) -> Ints:
    """Return the width at which each group is batched: the next of 1 .. 8, 10, 12, 14, 16, 20, 24, 28, 32, 40 ..."""
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64) - 2, 0)
    widths: Ints = -(-lengths // step) * step
    return widths


def _multiply_members(sums: Sums, rows: Ints, sizes: Ints) -> tuple[Ints, NDArray[np.float64] | None]:
    """Return the products of all pairs of sums within each group, int64 (groups, width, width), modulo 2^64.

    If two parts of a group may have a product that does not fit 64 bits, return the products in float64 as well.
    """
    largest = int(sizes.max())
    dtype = choose_float(sums.dimension) if largest == 1 else "f8"
    vectors = sums.get(rows.ravel(), dtype).reshape(*rows.shape, -1)
    rough = vectors @ vectors.transpose(0, 2, 1)
    if largest * largest < FLOAT64_LIMIT:
        dots: Ints = np.rint(rough).astype(np.int64)
    else:
        weight = sizes[:, :, None] * sizes[:, None, :]
        dots = round_products(rough, weight)
        group, i, j = np.nonzero(weight >= FLOAT64_LIMIT)
        dots[group, i, j] = sums.multiply_pairs(rows[group, i], rows[group, j], weight[group, i, j])
    is_large = int(sizes.sum(1).max()) ** 2 // 4 >= INT64_LIMIT
    return dots, rough if is_large else None
