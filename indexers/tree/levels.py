"""Levels for people: the three cuts of a tree that are called coarse, medium and fine.

A cut at one similarity is too high for dense regions and too low for sparse ones. Each branch is therefore cut where a
random walk over the graph of nearest neighbours is described most briefly (the map equation: Rosvall and Bergstrom
2008), and the parameters of the levels say how briefly: levels are functions of the tree, its links and these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from indexers.arrays import Ints, sort_unique
from indexers.tree.branches import Branches, Floats, Links
from indexers.tree.cuts import MIN_CLUSTER_SIZE, find_heights, find_tops, select_merges_at
from indexers.tree.fixed_point import SCALE
from indexers.tree.nodes import Nodes
from indexers.tree.splits import split_branches
from indexers.tree.ward import MOST, choose_count, join_by_ward

MULTIPLIERS = np.linspace(-14, 2, 33)
"""Bits that the index of clusters costs for a step out of one, as tried for medium."""
FINE_MULTIPLIERS = (-2.5, -1.2, -0.4, 0.4)
"""The same for the code of each medium cluster, which takes the best of these."""
MOST_LOOSE = 0.1
"""The share of a medium cluster that fine may leave in no cluster; else the cluster stays whole."""
SMALLEST = 300
"""Leaves below which SMALL is the rule: in a graph of so few, eight neighbours reach everywhere."""
STRANGE, NEAR = 2.0, 0.01
"""An item is a stranger to a cluster at so many times its typical distance (1 - similarity), which is at least NEAR."""
FEW = 8
"""Clusters of medium below which coarse is medium."""
MOST_JOINED = 128
"""Clusters that Ward's linkage joins; of more, those that the tree joins first are joined before."""
LinkFinder = Callable[[int], Links]
"""Returns the links from each leaf to so many of its most similar neighbours."""


class Rule(NamedTuple):
    """How a walk is described.

    nearest: links of each leaf. A cluster of fewer members would be lost in those around it. medium, fine: the steps
    that are described at once (Markov time: Schaub, Lambiotte and Barahona 2012). Of one step alone, medium takes
    classes apart that belong together (digits: AMI .74, of 1.4 steps .82), and finds clusters in noise; of two, it
    joins small classes (OpenMoji: .46 of 1.4 steps, .29).
    """

    nearest: int
    medium: float
    fine: float


LARGE, SMALL = Rule(8, 1.4, 1.6), Rule(4, 1.5, 1.0)


@dataclass(frozen=True)
class LevelParameters:
    """What says how a tree is cut into levels.

    coarse: the number of clusters, at least 2. medium: the multiplier of the map equation. fine: the steps of the walk,
    which tell the rule. If `coarse` is less than 2, all three are similarities at which the whole tree is cut, as
    earlier versions chose them.
    """

    coarse: float
    medium: float
    fine: float

    @property
    def are_similarities(self) -> bool:
        """True if each level is a cut of the whole tree at one similarity."""
        return not self.coarse >= 2

    @property
    def multiplier(self) -> float:
        """The multiplier within what is ever chosen: whoever wrote the catalogue may have written anything."""
        return float(np.clip(np.nan_to_num(self.medium), MULTIPLIERS[0], MULTIPLIERS[-1]))

    @property
    def rule(self) -> Rule:
        """The rule by which they were chosen."""
        return LARGE if self.fine >= LARGE.fine else SMALL


class LevelLabels(NamedTuple):
    """The cluster of each leaf on each level, int64 by slot: a number above 0; 0 where it is in none."""

    coarse: Ints
    medium: Ints
    fine: Ints


class Walk(NamedTuple):
    """Links, and the lowest merge that holds both ends of each."""

    links: Links
    joints: Ints


class Code(NamedTuple):
    """How a walk is described on each node, float64 by slot: the share of ends of links in it, and of those that lead
    out of it; and the bits that the node takes as a cluster, but for the index."""

    share: Floats
    leaving: Floats
    bits: Floats


def choose_levels(nodes: Nodes, find_links: LinkFinder | None = None) -> LevelParameters:
    """Choose the levels that suit people.

    find_links: without it, links are found by comparing the tree's neighbours.
    """
    branches = Branches(nodes)
    rule = LARGE if len(branches.leaves) >= SMALLEST else SMALL
    code = _describe_walk(branches, _start_walk(branches, rule, find_links), rule.medium)
    lengths = []
    for multiplier in MULTIPLIERS.tolist():
        tops = branches.find_least_cut(code.bits + multiplier * code.leaving)
        lengths.append(float(_p_log_p(code.leaving[tops].sum(keepdims=True)).sum() + code.bits[tops].sum()))
    medium = float(MULTIPLIERS[int(np.argmin(np.round(lengths, 9)))])
    joined = _order_by_key(nodes, _join_first(branches, _cut_medium(branches, code, medium)))
    return LevelParameters(float(choose_count(*_sum_up(nodes, joined))), medium, rule.fine)


def has_outgrown(nodes: Nodes, levels: LevelParameters) -> bool:
    """Return True if the levels were chosen by the rule for few items, which finds clusters in noise among many."""
    is_small = not levels.are_similarities and levels.rule == SMALL
    return is_small and int(np.count_nonzero(nodes.old.birth[: nodes.used] == 0)) >= SMALLEST


def cut_levels(nodes: Nodes, levels: LevelParameters, find_links: LinkFinder | None = None) -> LevelLabels:
    """Cut a tree into levels.

    *medium*: the clusters of the shortest code. *fine*: each of them where a code of its own inside gets shorter by
    more clusters; of noise it does not. *coarse*: medium clusters joined by Ward's linkage, by their sizes.
    """
    if levels.are_similarities or not np.any(nodes.size[: nodes.used]):
        return LevelLabels(*(label_at(nodes, similarity) for similarity in (levels.coarse, levels.medium, levels.fine)))
    branches = Branches(nodes)
    walk = _start_walk(branches, levels.rule, find_links)
    tops = _cut_medium(branches, _describe_walk(branches, walk, levels.rule.medium), levels.multiplier)
    medium, fine = _label(branches, tops), _label(branches, _split_clusters(branches, walk, tops, levels.rule.fine))
    if np.count_nonzero(nodes.size[tops] >= MIN_CLUSTER_SIZE) < FEW:
        return LevelLabels(medium, medium, fine)
    return LevelLabels(_join_clusters(branches, tops, int(min(levels.coarse, MOST))), medium, fine)


def find_medium(nodes: Nodes) -> Ints:
    """Return for each leaf, by slot, the topmost node of its cluster of medium, also if it is small."""
    levels, branches = choose_levels(nodes), Branches(nodes)
    code = _describe_walk(branches, _start_walk(branches, levels.rule, None), levels.rule.medium)
    tops = _cut_medium(branches, code, levels.multiplier)
    top = np.arange(nodes.used)
    top[branches.leaves] = branches.repeat(tops, tops)
    return top


def cut_into(nodes: Nodes, levels: LevelParameters, count: int, find_links: LinkFinder | None = None) -> Ints:
    """Cut a tree into `count` clusters: return the cluster of each leaf by slot, above 0; 0 where it is in none.

    Fewer than medium has are its clusters joined by Ward's linkage, as in coarse. More are its clusters taken apart
    where the tree has two branches of at least MIN_CLUSTER_SIZE items, first where that lowers the sum of squared
    distances to the clusters' means most; all of them, if there are not so many.
    """
    if levels.are_similarities:
        levels = choose_levels(nodes, find_links)
    branches = Branches(nodes)
    code = _describe_walk(branches, _start_walk(branches, levels.rule, find_links), levels.rule.medium)
    tops = _cut_medium(branches, code, levels.multiplier)
    if not np.any(nodes.size[tops] >= MIN_CLUSTER_SIZE):
        tops = branches.find_root()
    clusters = int(np.count_nonzero(nodes.size[tops] >= MIN_CLUSTER_SIZE))
    if 0 < count < clusters:
        return _join_clusters(branches, tops, count)
    return _label(branches, split_branches(branches, tops, count - clusters))


def label_at(nodes: Nodes, similarity: float) -> Ints:
    """Return the cluster of each slot if the whole tree is cut at a similarity; 0 where it is in none."""
    top = find_tops(nodes, select_merges_at(nodes, similarity))
    return np.where(nodes.size[top] >= MIN_CLUSTER_SIZE, top + 1, 0)


def link_leaves(nodes: Nodes, nearest: int) -> Links:
    """Return the links from each leaf to its most similar ones of the graph, equally near ones by key."""
    leaves = np.flatnonzero(nodes.old.birth[: nodes.used] == 0)
    owner, near = nodes.near.get(leaves)
    is_other = leaves[owner] != near  # equal vectors may have an edge to each other
    pair = sort_unique(leaves[owner[is_other]] * nodes.capacity + near[is_other])
    source, target = pair // nodes.capacity, pair % nodes.capacity
    forward = source < target
    similarity = np.empty(len(pair))
    similarity[forward] = nodes.similarity(source[forward], target[forward])
    similarity[~forward] = similarity[np.searchsorted(pair, (target * nodes.capacity + source)[~forward])]
    order = np.lexsort((nodes.key[target], -similarity, source))
    rank = np.empty(len(pair), np.int64)
    rank[order] = np.arange(len(pair)) - np.searchsorted(source, source[order])
    return Links(source[rank < nearest], target[rank < nearest])


# ---- the code of a walk


def _start_walk(branches: Branches, rule: Rule, find_links: LinkFinder | None) -> Walk:
    links = find_links(rule.nearest) if find_links else link_leaves(branches.nodes, rule.nearest)
    return Walk(links, branches.find_joints(links))


def _describe_walk(branches: Branches, walk: Walk, steps: float, whole: Ints | None = None) -> Code:
    """Describe so many steps of a walk along links.

    whole: by slot, the node whose links are all that there are; without it the root. No link leaves such a node.
    """
    used, leaves = branches.nodes.used, branches.leaves
    links = walk.links
    joined = np.bincount(walk.joints, minlength=used)[branches.merges]
    ends = np.bincount(links.source, minlength=used) + np.bincount(links.target, minlength=used)
    inside, share = branches.add_up(2 * joined, branches.merges), branches.add_up(ends[leaves], leaves)
    total = np.maximum(2 * len(links.source) if whole is None else share[whole], 1)
    leaving = steps * (share - inside) / total
    return Code(share / total, leaving, _p_log_p(leaving + share / total) - 2 * _p_log_p(leaving))


def _cut_medium(branches: Branches, code: Code, multiplier: float) -> Ints:
    """Return the clusters of the shortest code, without strangers."""
    return _release_strangers(branches, branches.find_least_cut(code.bits + multiplier * code.leaving))


def _release_strangers(branches: Branches, tops: Ints) -> Ints:
    """Return the cut with those small pieces on their own that came to a cluster from too far.

    A walk knows the nearest neighbours of an item and not how near they are. A piece of fewer than MIN_CLUSTER_SIZE
    items leaves if it came at more than STRANGE times the distance at which half of the cluster had come together.
    """
    nodes = branches.nodes
    large = tops[nodes.size[tops] >= 2 * MIN_CLUSTER_SIZE]
    middle = large
    while True:
        inner = np.stack([branches.left[middle], branches.right[middle]])
        inner = np.where(nodes.size[inner[0]] >= nodes.size[inner[1]], inner[0], inner[1])
        is_half = (inner >= 0) & (2 * nodes.size[inner] >= nodes.size[large])
        if not is_half.any():
            break
        middle = np.where(is_half, inner, middle)
    reach = STRANGE * np.maximum(1 - nodes.height[middle], NEAR)
    is_split, front = np.zeros(nodes.used, bool), large
    while len(front):
        left, right = branches.left[front], branches.right[front]
        less, more = (np.where(nodes.size[left] < nodes.size[right], *pair) for pair in ((left, right), (right, left)))
        is_strange = (nodes.size[less] < MIN_CLUSTER_SIZE) & (1 - nodes.height[front] > reach) & (left >= 0)
        is_split[front[is_strange]] = True
        front, reach = more[is_strange], reach[is_strange]
    return branches.descend(tops, is_split)


def _split_clusters(branches: Branches, walk: Walk, tops: Ints, steps: float) -> Ints:
    """Return the parts of each cluster: those of the shortest code of the walk within it, or the cluster itself."""
    nodes = branches.nodes
    place = branches.repeat(np.arange(len(tops)), tops)[np.minimum(branches.first, len(branches.leaves) - 1)]
    (source, target), joints = walk
    is_inside = place[source] == place[target]
    inside = Walk(Links(source[is_inside], target[is_inside]), joints[is_inside])
    code = _describe_walk(branches, inside, steps, tops[place])
    shortest = np.zeros(len(tops))
    cuts = [tops]
    chosen = np.zeros(len(tops), np.int64)
    for multiplier in FINE_MULTIPLIERS:
        parts = branches.find_least_cut(code.bits + multiplier * code.leaving, tops)
        owner, is_small = place[parts], nodes.size[parts] < MIN_CLUSTER_SIZE
        length = _p_log_p(np.bincount(owner, code.leaving[parts], len(tops)).astype(np.float64))
        length += np.bincount(owner, code.bits[parts], len(tops))
        loose = np.bincount(owner, nodes.size[parts] * is_small, len(tops))
        is_better = (length < shortest - 1e-9) & (loose <= MOST_LOOSE * nodes.size[tops])
        is_better &= np.bincount(owner, ~is_small, len(tops)) >= 2
        shortest[is_better], chosen[is_better] = length[is_better], len(cuts)
        cuts.append(parts)
    parts = np.concatenate([parts[chosen[place[parts]] == number] for number, parts in enumerate(cuts)])
    return parts[np.argsort(branches.first[parts], kind="stable")]


def _p_log_p(share: Floats) -> Floats:
    """Return p log2 p of each, 0 for 0."""
    return share * np.log2(np.where(share > 0, share, 1))


# ---- coarse


def _join_clusters(branches: Branches, tops: Ints, count: int) -> Ints:
    """Return the cluster of each leaf by slot after medium clusters are joined until `count` are left.

    What is in none of them joins what most of the items beside it in the tree are in, if that is more than half.
    """
    nodes, joined = branches.nodes, _join_first(branches, tops, max(count, MOST_JOINED))
    order = _order_by_key(nodes, joined)
    group = np.full(nodes.used, -1)
    group[order] = join_by_ward(*_sum_up(nodes, order), count)
    groups = group[joined]
    small = tops[nodes.size[tops] < MIN_CLUSTER_SIZE]
    large = tops[nodes.size[tops] >= MIN_CLUSTER_SIZE]
    group[large] = groups[np.searchsorted(branches.first[joined], branches.first[large], side="right") - 1]
    counts = np.zeros((len(branches.leaves) + 1, int(groups.max()) + 1), np.int64)
    counts[branches.last[large], group[large]] = nodes.size[large]
    counts = np.cumsum(counts, axis=0)
    above, waiting = small, np.arange(len(small))
    while len(waiting):
        parent = nodes.parent[above[waiting]]
        waiting, parent = waiting[parent >= 0], parent[parent >= 0]
        above[waiting] = parent
        beside = counts[branches.last[parent]] - counts[branches.first[parent]]
        items = beside.sum(1)
        is_clear = 2 * beside.max(1, initial=0) > np.maximum(items, 1)
        group[small[waiting[is_clear]]] = beside[is_clear].argmax(1)
        waiting = waiting[items == 0]
    labels = np.zeros(nodes.used, np.int64)
    labels[branches.leaves] = branches.repeat(group[tops] + 1, tops)
    return labels


def _join_first(branches: Branches, tops: Ints, limit: int = MOST_JOINED) -> Ints:
    """Return the clusters of at least MIN_CLUSTER_SIZE items, from left to right.

    Of more than `limit`, the tree's most similar merges above them are made first.
    """
    nodes = branches.nodes
    large = tops[nodes.size[tops] >= MIN_CLUSTER_SIZE]
    if len(large) <= limit:
        return large
    top = branches.repeat(tops, tops)[branches.first[branches.merges]]
    above = branches.merges[branches.last[branches.merges] > branches.last[top]]
    above = above[np.lexsort((nodes.key[above], nodes.size[above], -find_heights(nodes)[above]))]
    is_large = nodes.size >= MIN_CLUSTER_SIZE
    fewer = np.cumsum(is_large[nodes.left[above]] & is_large[nodes.right[above]])
    made = above[: int(np.searchsorted(fewer, len(large) - limit)) + 1]
    joined = sort_unique(find_tops(nodes, made)[large])
    return joined[np.argsort(branches.first[joined], kind="stable")]


def _order_by_key(nodes: Nodes, clusters: Ints) -> Ints:
    """Return the clusters in an order that depends on their items alone."""
    return clusters[np.argsort(nodes.key[clusters], kind="stable")]


def _sum_up(nodes: Nodes, clusters: Ints) -> tuple[Floats, Ints]:
    """Return the sums of the vectors of clusters, in their units of length, and their sizes."""
    return nodes.add_up_each(clusters) / SCALE, nodes.size[clusters]


def _label(branches: Branches, tops: Ints) -> Ints:
    """Return the cluster of each leaf by slot; 0 where it is in one of fewer than MIN_CLUSTER_SIZE items."""
    labels = np.zeros(branches.nodes.used, np.int64)
    numbers = np.where(branches.nodes.size[tops] >= MIN_CLUSTER_SIZE, tops + 1, 0)
    labels[branches.leaves] = branches.repeat(numbers, tops)
    return labels
