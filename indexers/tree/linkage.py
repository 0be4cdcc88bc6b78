"""Exact average linkage among all members of small groups, many groups at once.

Within a group every pair is a candidate, so average linkage is reducible: a merged node is never nearer to a third
node than the nearer of its halves was. Pairs that are each other's best may then merge at the same time, in any order,
and give the tree of hierarchical clustering itself (Murtagh 1983; Müllner 2011). Products of sums add up, so that a
merge is one addition of rows, exact in integers (modulo 2^64: see `fixed_point`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints
from indexers.tree.fixed_point import restore_products

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BatchMerges:
    """The merges of a batch, children first.

    group, left, right: int64 (merges,). A member of a group is named by its column (0 .. width - 1), the i-th merge of
    the whole batch by width + i. similarity: float64 (merges,), average similarity in units of SCALE squared.
    waves: the number of merges that happened at once, one for each step; none in a wave is made of another.
    """

    group: Ints
    left: Ints
    right: Ints
    similarity: Floats
    waves: list[int]


def average_linkage(dots: Ints, sizes: Ints, min_similarity: float, rough: Floats | None = None) -> BatchMerges:
    """Merge within each group until no two nodes are at least `min_similarity` similar on average.

    dots: int64 (groups, width, width), products of the members' sums, changed in place. sizes: int64 (groups, width),
    items per member; 0 where a group is narrower than the batch. rough: the products in float64, changed in place,
    needed if some may not fit 64 bits. Members must be in the order that breaks ties: the first of equally similar
    neighbours is the best one, and a merged node stands where its first member stood.
    """
    groups, width, _ = dots.shape
    sizes = sizes.copy()
    group = np.arange(groups)
    label = np.tile(np.arange(width), (groups, 1))
    average = _compute_averages(dots, sizes, rough)
    steps: list[tuple[Ints, Ints, Ints, Floats]] = []
    count = 0
    while len(group) and average.shape[1] > 1:
        best = average.argmax(2)
        similarity = np.take_along_axis(average, best[:, :, None], 2)[:, :, 0]
        columns = np.arange(best.shape[1])
        mutual = (np.take_along_axis(best, best, 1) == columns) & (columns < best)
        mutual &= (similarity >= min_similarity) & (similarity > -np.inf)
        row, first = np.nonzero(mutual)
        if not len(row):
            break
        second = best[row, first]
        steps.append((group[row], label[row, first], label[row, second], similarity[row, first]))
        label[row, first] = width + count + np.arange(len(row))
        count += len(row)
        for products in (dots,) if rough is None else (dots, rough):
            products[row, first] += products[row, second]
            products[row, :, first] += products[row, :, second]
        sizes[row, first] += sizes[row, second]
        sizes[row, second] = 0
        size = sizes[row]
        fresh = np.full(size.shape, -np.inf)
        product = dots[row, first] if rough is None else restore_products(dots[row, first], rough[row, first])
        np.divide(product, size[np.arange(len(row)), first][:, None] * size, out=fresh, where=size > 0)
        fresh[np.arange(len(row)), first] = -np.inf
        average[row, first] = fresh
        average[row, :, first] = fresh
        average[row, second] = -np.inf
        average[row, :, second] = -np.inf
        # A group in which nothing merged is finished. Rows that died are dropped once they are many.
        keep = np.zeros(len(group), bool)
        keep[row] = True
        if not keep.all():
            group, label, dots, sizes, average = group[keep], label[keep], dots[keep], sizes[keep], average[keep]
            rough = None if rough is None else rough[keep]
        if len(group) == 1 and np.count_nonzero(sizes) <= 0.75 * sizes.shape[1]:
            alive = np.flatnonzero(sizes[0])
            label, sizes = label[:, alive], sizes[:, alive]
            dots, average = dots[:, alive[:, None], alive], average[:, alive[:, None], alive]
            rough = None if rough is None else rough[:, alive[:, None], alive]
    if not steps:
        return BatchMerges(NO_INTS, NO_INTS, NO_INTS, np.empty(0), [])
    merged_in, left, right, similarities = (np.concatenate(column) for column in zip(*steps, strict=True))
    return BatchMerges(merged_in, left, right, similarities, [len(step[0]) for step in steps])


def _compute_averages(dots: Ints, sizes: Ints, rough: Floats | None) -> Floats:
    """Return exact products over exact counts, rounded once, so that the order of items does not matter.

    Minus infinity where there is no pair.
    """
    is_member = sizes > 0
    is_pair = is_member[:, :, None] & is_member[:, None, :]
    columns = np.arange(sizes.shape[1])
    is_pair[:, columns, columns] = False
    average = np.full(dots.shape, -np.inf)
    products = dots if rough is None else restore_products(dots, rough)
    np.divide(products, sizes[:, :, None] * sizes[:, None, :], out=average, where=is_pair)
    return average
