"""Levels for people: the three cuts of a tree that are called coarse, medium and fine.

A cut at one similarity is too high for dense regions and too low for sparse ones. Each branch is therefore cut where a
random walk over the graph of nearest neighbours is described most briefly (the map equation: Rosvall and Bergstrom
2008), and the parameters of the levels say how briefly: levels are functions of the tree, its links and these.
"""

from __future__ import annotations

import math

import numpy as np

from indexers.arrays import Ints
from indexers.tree.branches import Branches
from indexers.tree.coarse import count_groups
from indexers.tree.codes import BIT, describe_nodes, p_log_p
from indexers.tree.cuts import MIN_CLUSTER_SIZE, find_tops, select_merges_at
from indexers.tree.level_cut import LevelCut, LevelLabels, Paint, number_clusters
from indexers.tree.level_parameters import LARGE, SMALL, LevelParameters, round_link_bits
from indexers.tree.nodes import Nodes
from indexers.tree.splits import split_branches
from indexers.tree.walks import LinkFinder, Walk

MULTIPLIERS = np.linspace(-14, 2, 33)
"""Bits that the index of clusters costs for a step out of one, as tried for medium."""
SMALLEST = 300
"""Leaves below which SMALL is the rule: in a graph of so few, eight neighbours reach everywhere."""


def choose_levels(nodes: Nodes, find_links: LinkFinder) -> LevelParameters:
    """Choose the levels that suit people."""
    leaf_count = int(np.count_nonzero(nodes.old.birth[: nodes.used] == 0))
    rule = LARGE if leaf_count >= SMALLEST else SMALL
    walk = Walk()
    branches = walk.update(nodes, find_links(rule.nearest))
    ends, inside = walk.ends[branches.slots], walk.inside[branches.slots]
    total = max(walk.count_ends(nodes), 1)
    code, index = describe_nodes(ends, inside, rule.medium), math.log2(total)
    bits = code.price(0)
    lengths = []
    for multiplier in MULTIPLIERS.tolist():
        tops = branches.find_least_cut(code.price(multiplier + index))
        leaving = rule.medium * (ends - inside)[tops].sum(keepdims=True)
        lengths.append((float(p_log_p(leaving).sum()) + int(bits[tops].sum()) / BIT) / total - index)
    medium = float(MULTIPLIERS[int(np.argmin(np.round(lengths, 9)))]) + index - round_link_bits(total)
    cut = LevelCut(LevelParameters(2.0, medium, rule.fine), walk)
    cut.update_medium(nodes, find_links)
    return LevelParameters(float(count_groups(cut.make_cut_tree(nodes))), medium, rule.fine)


def has_outgrown(nodes: Nodes, levels: LevelParameters) -> bool:
    """Return True if the levels were chosen by the rule for few items, which finds clusters in noise among many."""
    is_small = not levels.are_similarities and levels.rule == SMALL
    return is_small and int(np.count_nonzero(nodes.old.birth[: nodes.used] == 0)) >= SMALLEST


def cut_levels(
    nodes: Nodes, levels: LevelParameters, find_links: LinkFinder, kept: LevelCut | None = None
) -> LevelLabels:
    """Cut a tree into levels.

    kept: what an earlier cut by the same parameters has left; without it, all is cut anew.
    """
    if levels.are_similarities:
        return LevelLabels(*(label_at(nodes, similarity) for similarity in (levels.coarse, levels.medium, levels.fine)))
    return (kept or LevelCut(levels)).update(nodes, find_links)


def find_medium(nodes: Nodes, find_links: LinkFinder) -> Ints:
    """Return for each leaf, by slot, the topmost node of its cluster of medium, also if it is small."""
    cut = LevelCut(choose_levels(nodes, find_links))
    cut.update_medium(nodes, find_links)
    return Paint().update(cut.walk, cut.tops, cut.tops)[: nodes.used]


def cut_into(nodes: Nodes, levels: LevelParameters, count: int, find_links: LinkFinder) -> Ints:
    """Cut a tree into `count` clusters: return the cluster of each leaf by slot, above 0; 0 where it is in none.

    Fewer than medium has are its clusters joined by Ward's linkage, as in coarse. More are its clusters taken apart
    where the tree has two branches of at least MIN_CLUSTER_SIZE items, first where that lowers the sum of squared
    distances to the clusters' means most; all of them, if there are not so many.
    """
    if levels.are_similarities:
        levels = choose_levels(nodes, find_links)
    cut = LevelCut(levels)
    cut.update_medium(nodes, find_links)
    clusters = int(np.count_nonzero(nodes.size[cut.tops] >= MIN_CLUSTER_SIZE))
    if 0 < count < clusters:
        return Paint().update(cut.walk, *cut.join(nodes, count))
    branches = Branches(nodes)
    tops = cut.tops if clusters else branches.find_root()
    tops = split_branches(branches, tops[np.argsort(branches.first[tops], kind="stable")], count - clusters)
    return Paint().update(cut.walk, tops, number_clusters(nodes, tops))


def label_at(nodes: Nodes, similarity: float) -> Ints:
    """Return the cluster of each slot if the whole tree is cut at a similarity; 0 where it is in none."""
    top = find_tops(nodes, select_merges_at(nodes, similarity))
    return np.where(nodes.size[top] >= MIN_CLUSTER_SIZE, top + 1, 0)
