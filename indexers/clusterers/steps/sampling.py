"""Choosing which rows to cluster: near copies once, no outliers, a limited number, and some of every region.

The other rows are predicted (see `sampled`). The parameter `even` controls how far clusters follow density: the more
even the choice, the more rows of dense regions are left out, so that centres are spent on sparse regions as well and
a cluster in a dense region holds more rows than one in a sparse region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_random_state

from indexers.arrays import scale_to_unit
from indexers.clusterers.base import Ints, Rows
from indexers.clusterers.steps.neighbours import find_neighbours

Reals = NDArray[np.floating]
Flags = NDArray[np.bool_]
NEIGHBOURS = 15
"""Neighbours per row that are searched for if the caller gives no table."""
REGIONS = 64


@dataclass(frozen=True)
class Sample:
    """A choice out of n rows.

    rows: int64 (m,), the chosen rows, ascending.
    representative: int64 (n,), the row that stands for each row: itself unless it is a near copy of another.
    is_outlier: bool (n,), True for rows left out because they lie far from all others.
    """

    rows: Ints
    representative: Ints
    is_outlier: Flags

    def spread_labels(self, labels: Ints, *, outliers: bool = True) -> Ints:
        """Return the labels of all n rows, int64 (n,), copies with the label of their representative. With `outliers`
        False, outliers get -1 (no cluster)."""
        spread: Ints = labels[self.representative]
        if not outliers:
            spread[self.is_outlier] = -1
        return spread


def choose_rows(
    rows: Rows,
    neighbours: Ints | None = None,
    *,
    copies: float | None = 0.98,
    outliers: float = 0.0,
    count: int | None = None,
    strata: Ints | None = None,
    even: float = 0.5,
    random_state: Any = None,
) -> Sample:
    """Choose some of the rows, (n, d): drop near copies but one, then drop outliers, then draw `count` of the rest.

    Parameters
    ----------
    neighbours: int64 (n, k), the rows nearest to each row, padded with -1; None: searched by brute force.
    copies: the cosine from which on neighbours count as copies of one picture, transitively; None: no row is a copy.
    outliers: the share of the pictures, copies counted once, that is left out: those with the lowest mean cosine to
        neighbours that are no copies of them.
    count: the largest number of chosen rows; None: no limit.
    strata: int64 (n,), the group of each row; every group is represented in the choice. None: regions of even extent.
    even: how the choice is divided among the strata: 0, the same percentage of each; 1, the same number of each; .5, in
        between, in proportion to the square root of their sizes.
    random_state: as in scikit-learn.

    Raises ValueError (shapes that don't fit, a value out of its range).

    References
    ----------
    Bankier, Power allocations, The American Statistician 1988. Palmer and Faloutsos, Density biased sampling, SIGMOD
    2000: what `even` does over regions.
    """
    _check_arguments(len(rows), neighbours, copies, outliers, count, strata, even)
    random, rows = check_random_state(random_state), scale_to_unit(rows)
    representative, is_outlier = np.arange(len(rows)), np.zeros(len(rows), bool)
    if copies is not None or outliers:
        table = find_neighbours(rows, NEIGHBOURS) if neighbours is None else neighbours
        similarity = compute_similarities(rows, table)
        if copies is not None:
            representative = find_representatives(similarity, table, copies)
        is_outlier = find_outliers(similarity, table, representative, outliers)
    candidates = np.flatnonzero((representative == np.arange(len(rows))) & ~is_outlier)
    if count is not None and count < len(candidates):
        groups = assign_regions(rows[candidates], REGIONS, random) if strata is None else strata[candidates]
        candidates = candidates[draw_stratified(groups, count, random, even)]
    return Sample(candidates, representative, is_outlier)


def compute_similarities(rows: Rows, neighbours: Ints) -> Reals:
    """Compute the cosine of each unit row and each of its neighbours, (n, k); NaN where the table has -1."""
    similarity = np.empty(neighbours.shape, np.float32)
    step = max(1, 4_000_000 // max(rows.shape[1] * neighbours.shape[1], 1))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        similarity[block] = np.einsum("ij,ikj->ik", rows[block], rows[neighbours[block]])
    similarity[neighbours < 0] = np.nan
    return similarity


def find_representatives(similarity: Reals, neighbours: Ints, threshold: float) -> Ints:
    """Find the row that stands for each row, int64 (n,): among rows connected by similarities of at least `threshold`,
    the row with the most such neighbours; ties go to the first."""
    count = len(neighbours)
    source, place = np.nonzero(similarity >= threshold)  # False for NaN
    target = neighbours[source, place]
    edges = coo_matrix((np.ones(len(source)), (source, target)), (count, count))
    _, component = connected_components(edges, directed=False)
    degree = np.bincount(np.concatenate([source, target]), minlength=count)
    order = np.lexsort((np.arange(count), -degree, component))
    first = order[np.unique(component[order], return_index=True)[1]]
    representative: Ints = first[component]
    return representative


def find_outliers(similarity: Reals, neighbours: Ints, representative: Ints, share: float) -> Flags:
    """Find the share of the pictures, with their copies, that are least similar to their neighbours, bool (n,). A
    picture all of whose neighbours are its copies is no outlier."""
    is_foreign = (neighbours >= 0) & (representative[neighbours] != representative[:, None])
    size = len(representative)
    total = np.bincount(representative, np.where(is_foreign, similarity, 0).sum(1), size)
    number = np.bincount(representative, is_foreign.sum(1), size)
    mean = np.divide(total, number, out=np.full(size, np.inf), where=number > 0)
    pictures = np.unique(representative)
    is_far = np.zeros(size, bool)
    is_far[pictures[np.argsort(mean[pictures], kind="stable")[: int(share * len(pictures) + 1e-9)]]] = True
    return is_far[representative]


def assign_regions(rows: Rows, count: int, random: np.random.RandomState) -> Ints:
    """Assign each unit row to the nearest of `count` rows that lie far from one another, int64 (n,).

    These are chosen farthest first (Gonzalez, Clustering to minimize the maximum intercluster distance, 1985), so that
    regions have an even extent, and hold many rows where these lie densely.
    """
    labels, best = np.zeros(len(rows), np.int64), np.full(len(rows), -np.inf, rows.dtype)
    centre = random.randint(len(rows))
    for region in range(min(count, len(rows))):
        similarity = rows @ rows[centre]
        labels[similarity > best] = region
        best = np.maximum(best, similarity)
        centre = best.argmin()
    return labels


def draw_stratified(strata: Ints, count: int, random: np.random.RandomState, even: float = 0.5) -> Ints:
    """Draw `count` rows, returned ascending: from each stratum as many as `allocate_counts` says, at random."""
    _, stratum, size = np.unique(strata, return_inverse=True, return_counts=True)
    order = random.permutation(len(strata))
    order = order[np.argsort(stratum[order], kind="stable")]
    rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    drawn: Ints = np.sort(order[rank < np.repeat(allocate_counts(size, count, even), size)])
    return drawn


def allocate_counts(size: Ints, count: int, even: float) -> Ints:
    """Divide `count` among strata of these sizes, in proportion to size ** (1 - even): no stratum gives more than it
    has, and each gives at least one if `count` allows it."""
    least = np.minimum(size, 1) if count >= len(size) else np.zeros_like(size)
    weight = size ** (1.0 - even)
    low, high = 0.0, float((size / weight).max())
    for _ in range(60):  # bisect for the scale at which the shares add up to `count`
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(middle * weight, least, size).sum() < count else (low, middle)
    share = np.clip(low * weight, least, size)
    counts: Ints = np.floor(share + 1e-9).astype(np.int64)
    counts[np.argsort(counts - share, kind="stable")[: count - counts.sum()]] += 1
    return counts


def _check_arguments(
    size: int,
    neighbours: Ints | None,
    copies: float | None,
    outliers: float,
    count: int | None,
    strata: Ints | None,
    even: float,
) -> None:
    _check_table(size, neighbours)
    if strata is not None and strata.shape != (size,):
        raise ValueError(f"strata has the shape {strata.shape}; give one group for each of the {size} rows")
    if copies is not None and not 0 < copies <= 1:
        raise ValueError(f"copies is {copies}; give a cosine above 0 and up to 1, or None")
    if not 0 <= outliers < 1:
        raise ValueError(f"outliers is {outliers}; give a share, from 0 to below 1")
    if count is not None and count < 1:
        raise ValueError(f"count is {count}; give at least 1, or None for all")
    if not 0 <= even <= 1:
        raise ValueError(f"even is {even}; give a number from 0 to 1")


def _check_table(size: int, neighbours: Ints | None) -> None:
    if neighbours is None:
        return
    if neighbours.ndim != 2 or len(neighbours) != size:
        raise ValueError(f"neighbours has the shape {neighbours.shape}; give a row for each of the {size} rows")
    if neighbours.size and not -1 <= neighbours.min() <= neighbours.max() < size:
        raise ValueError(
            f"neighbours holds row numbers {neighbours.min()} to {neighbours.max()}; give -1 to {size - 1}"
        )
