"""How many bits describe a random walk (the map equation: Rosvall and Bergstrom 2008), times the ends of links.

With S ends of links in a node, of which L lead out of it (for each step that is described at once), and T in all, the
node as a cluster takes (p(L + S) - 2 p(L) + (L - S) log T) / T bits, where p(x) = x log2 x, and the index of clusters
takes more for each step out of one. The ends of all nodes of a cut are always T. So which cut is best depends on T by
nothing but what each L costs: a number that is the same for all nodes. Costs are whole numbers, so that sums of them
are the same in any order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from indexers.arrays import Ints
from indexers.tree.branches import Branches, Floats
from indexers.tree.cuts import MIN_CLUSTER_SIZE
from indexers.tree.nodes import Nodes
from indexers.tree.walks import Walk

BIT = 1 << 20
"""What counts as a bit: sums of a billion ends stay below 2^63."""
FINE_MULTIPLIERS = (-2.5, -1.2, -0.4, 0.4)
"""Bits that the index of clusters costs for a step out of one, as tried for the code of each medium cluster."""
MOST_LOOSE = 0.1
"""The share of a medium cluster that fine may leave in no cluster; else the cluster stays whole."""
CLEARLY = 1e-9
"""Bits an end by which a code is shorter than another."""
SELDOM = 0.06
"""How often a walk leaves what it seldom leaves, beside how often it would by chance."""
STRANGE, NEAR = 2.0, 0.01
"""An item is a stranger to a cluster at so many times its typical distance (1 - similarity), which is at least NEAR."""


class Code(NamedTuple):
    """leaving: float64, L of each node. bits: float64, p(L + S) - 2 p(L)."""

    leaving: Floats
    bits: Floats

    def price(self, weight: Floats | float) -> Ints:
        """Return what each node costs as a cluster if each L costs so many bits."""
        return np.rint((self.bits + weight * self.leaving) * BIT).astype(np.int64)


def describe_nodes(ends: Ints, inside: Ints, steps: float) -> Code:
    """Describe so many steps of a walk on nodes, by the ends of links in each and of those that stay within it."""
    leaving = np.float64(steps) * (ends - inside)
    return Code(leaving, p_log_p(leaving + ends) - 2 * p_log_p(leaving))


def p_log_p(share: Floats) -> Floats:
    """Return p log2 p of each, 0 for 0."""
    return share * np.log2(np.where(share > 0, share, 1))


def split_clusters(nodes: Nodes, walk: Walk, tops: Ints, steps: float) -> tuple[Ints, Ints]:
    """Return the parts of those clusters that are described more briefly in parts, and the cluster of each part.

    tops: int64, the slots of clusters. The walk stays within each: links that lead out of it don't count.
    """
    branches = Branches(nodes, _collect_nodes(nodes, tops[nodes.size[tops] >= 2 * MIN_CLUSTER_SIZE]))
    roots, leaves, slots = branches.find_root(), branches.leaves, branches.slots
    if not len(roots):
        return slots, slots
    owner_at = branches.repeat(np.arange(len(roots)), roots)
    owner = owner_at[branches.first]
    near = walk.near[walk.row[slots[leaves]]]
    target = branches.find_places(walk.leaf[near])
    is_inside = (near >= 0) & (target >= 0) & (owner[target] == owner_at[:, None])
    ends = np.bincount(target[is_inside], minlength=len(slots))
    ends[leaves] += is_inside.sum(1)
    ends = branches.add_up(ends[leaves], leaves)
    out = ends - walk.inside[slots]
    code = describe_nodes(ends, walk.inside[slots], steps)
    total = ends[roots]
    index = np.log2(np.maximum(total, 1))
    code = Code(code.leaving, code.bits + (code.leaving - ends) * index[owner])
    bits = code.price(0)
    shortest, chosen = np.zeros(len(roots)), np.zeros(len(roots), np.int64)
    cuts = [roots]
    for multiplier in FINE_MULTIPLIERS:
        parts = branches.find_least_cut(code.price(multiplier), roots)
        of, is_small = owner[parts], branches.size[parts] < MIN_CLUSTER_SIZE
        leaving = np.float64(steps) * np.bincount(of, out[parts], len(roots))
        length = p_log_p(leaving) - leaving * index + np.bincount(of, bits[parts], len(roots)) / BIT
        loose = np.bincount(of, branches.size[parts] * is_small, len(roots))
        is_better = (length < shortest - CLEARLY * total) & (loose <= MOST_LOOSE * branches.size[roots])
        is_better &= np.bincount(of, ~is_small, len(roots)) >= 2
        shortest[is_better], chosen[is_better] = length[is_better], len(cuts)
        cuts.append(parts)
    parts = np.concatenate([parts[chosen[owner[parts]] == number] for number, parts in enumerate(cuts) if number])
    return slots[parts], slots[roots[owner[parts]]]


def find_seldom_left(branches: Branches, walk: Walk, steps: float, weight: float) -> Ints:
    """Return the nodes that are one cluster to a walk of so many steps, and that it seldom leaves.

    branches: a tree down to clusters, by the code of a shorter walk. A node of several of them counts if steps lead out
    of it SELDOM as often as by chance, and half as often as out of these: they are parts of something that stands apart
    (digits: AMI .81, with these .86). Where a walk strays from each cluster to many others, a longer one joins what is
    not alike, and still leaves that more often (OpenMoji).
    """
    slots, is_large = branches.slots, branches.size[branches.leaves] >= MIN_CLUSTER_SIZE
    ends, out = walk.ends[slots], walk.ends[slots] - walk.inside[slots]
    tops = branches.find_least_cut(describe_nodes(ends, ends - out, steps).price(weight))
    clusters = branches.leaves[is_large]
    counts = (np.ones(len(clusters), np.int64), ends[clusters], out[clusters])
    parts, ends_of_parts, out_of_parts = (branches.add_up(count, clusters)[tops] for count in counts)
    leaving = out[tops] / np.maximum(ends[tops], 1)
    outside = 1 - ends[tops] / max(int(ends.max(initial=0)), 1)
    is_seldom = (leaving < SELDOM * outside) & (2 * leaving * ends_of_parts <= out_of_parts)
    return slots[tops[is_seldom & (parts > 1)]]


def find_strangers(nodes: Nodes, tops: Ints) -> tuple[Ints, Ints]:
    """Return the merges of clusters at which a small piece came to them from too far, and the cluster of each.

    A walk knows the nearest neighbours of an item and not how near they are. A piece of fewer than MIN_CLUSTER_SIZE
    items leaves if it came at more than STRANGE times the distance at which half of the cluster had come together.
    """
    large = tops[nodes.size[tops] >= 2 * MIN_CLUSTER_SIZE]
    middle = large
    while True:
        left, right = nodes.left[middle], nodes.right[middle]
        inner = np.where(nodes.size[left] >= nodes.size[right], left, right).astype(np.int64)
        is_half = (inner >= 0) & (2 * nodes.size[inner] >= nodes.size[large])
        if not is_half.any():
            break
        middle = np.where(is_half, inner, middle)
    reach = STRANGE * np.maximum(1 - nodes.height[middle], NEAR)
    front, owner = large, large
    strange, owners = [large[:0]], [large[:0]]
    while len(front):
        left, right = nodes.left[front].astype(np.int64), nodes.right[front].astype(np.int64)
        less, more = (np.where(nodes.size[left] < nodes.size[right], *pair) for pair in ((left, right), (right, left)))
        is_strange = (nodes.size[less] < MIN_CLUSTER_SIZE) & (1 - nodes.height[front] > reach) & (left >= 0)
        strange.append(front[is_strange])
        owners.append(owner[is_strange])
        front, owner, reach = more[is_strange], owner[is_strange], reach[is_strange]
    return np.concatenate(strange), np.concatenate(owners)


def _collect_nodes(nodes: Nodes, tops: Ints) -> Ints:
    """Return all nodes within the given ones, and these, sorted."""
    collected, front = [tops], tops
    while len(front):
        front = np.concatenate([nodes.left[front], nodes.right[front]]).astype(np.int64)
        front = front[front >= 0]
        collected.append(front)
    return np.sort(np.concatenate(collected))
