"""Which rows to cluster: near copies once, no outliers, no more than so many, and some of every region.

The rest is predicted (see `sampled`). Clusters follow density by `even`: where rows lie densely, they are thinned, so
that centres are spent on sparse regions as well, and a cluster in a dense region holds more rows than one in a sparse
region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_random_state

from indexers.clusterers.base import Ints, Rows
from indexers.clusterers.steps.neighbours import find_neighbours, unit

Reals = NDArray[np.floating]
Flags = NDArray[np.bool_]
NEIGHBOURS = 15
"""Neighbours of each row that are looked for where none are given."""
REGIONS = 64


@dataclass(frozen=True)
class Sample:
    """Chosen out of n rows.

    rows: int64 (m,), the chosen ones, ascending. representative: int64 (n,), the row that stands for each, itself where
    it is nobody's copy. outlying: bool (n,), left out for lying too far from all others.
    """

    rows: Ints
    representative: Ints
    is_outlier: Flags

    def spread_labels(self, labels: Ints, *, outliers: bool = True) -> Ints:
        """Labels of all n rows, int64 (n,), in which copies have that of their representative; without `outliers`, they
        are in no cluster."""
        found: Ints = labels[self.representative]
        if not outliers:
            found[self.is_outlier] = -1
        return found


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
    """Choose rows of (n, d), in this order: one of those that are copies, none that are outliers, `count` of the rest.

    Parameters
    ----------
    neighbours: int64 (n, k), the rows nearest to each, -1 where there are fewer; None: found by brute force.
    copies: the cosine from which on neighbours are copies of one picture, and copies of copies too; None: no such.
    outliers: the share of the pictures, copies counted once, that is left out: those with the lowest mean cosine to
        neighbours that are no copies of them.
    count: how many rows at most. None: all that are left.
    strata: int64 (n,), the group of each row, of each of which rows are to be kept; if None, regions of even extent.
    even: by which rows are shared out among strata: 0 as many per cent of each, 1 as many of each, .5 in between, by
        the square root of their sizes.
    random_state: as in scikit-learn.

    Raises ValueError (shapes that don't fit, a value out of its range).

    References
    ----------
    Bankier, Power allocations, The American Statistician 1988. Palmer and Faloutsos, Density biased sampling, SIGMOD
    2000: what `even` does over regions.
    """
    _check(len(rows), neighbours, copies, outliers, count, strata, even)
    random, rows = check_random_state(random_state), unit(rows)
    representative, outlying = np.arange(len(rows)), np.zeros(len(rows), bool)
    if copies is not None or outliers:
        table = find_neighbours(rows, NEIGHBOURS) if neighbours is None else neighbours
        similarity = compute_similarities(rows, table)
        if copies is not None:
            representative = find_representatives(similarity, table, copies)
        outlying = find_outliers(similarity, table, representative, outliers)
    left = np.flatnonzero((representative == np.arange(len(rows))) & ~outlying)
    if count is not None and count < len(left):
        group = assign_regions(rows[left], REGIONS, random) if strata is None else strata[left]
        left = left[draw_stratified(group, count, random, even)]
    return Sample(left, representative, outlying)


def compute_similarities(rows: Rows, neighbours: Ints) -> Reals:
    """The cosine of each unit row and each of its neighbours, (n, k); NaN where there is none."""
    found = np.empty(neighbours.shape, np.float32)
    step = max(1, 4_000_000 // max(rows.shape[1] * neighbours.shape[1], 1))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        found[part] = np.einsum("ij,ikj->ik", rows[part], rows[neighbours[part]])
    found[neighbours < 0] = np.nan
    return found


def find_representatives(similarity: Reals, neighbours: Ints, least: float) -> Ints:
    """Who stands for each row, int64 (n,): of rows connected by similarities of at least `least`, the one with the most
    such neighbours, of several the first."""
    count = len(neighbours)
    source, place = np.nonzero(similarity >= least)  # NaN is not
    target = neighbours[source, place]
    edges = coo_matrix((np.ones(len(source)), (source, target)), (count, count))
    _, part = connected_components(edges, directed=False)
    degree = np.bincount(np.concatenate([source, target]), minlength=count)
    order = np.lexsort((np.arange(count), -degree, part))
    first = order[np.unique(part[order], return_index=True)[1]]
    found: Ints = first[part]
    return found


def find_outliers(similarity: Reals, neighbours: Ints, representative: Ints, share: float) -> Flags:
    """The share of the pictures, with their copies, that are least similar to their neighbours, bool (n,). A picture
    all of whose neighbours are copies of it is none of them."""
    other = (neighbours >= 0) & (representative[neighbours] != representative[:, None])
    size = len(representative)
    total = np.bincount(representative, np.where(other, similarity, 0).sum(1), size)
    number = np.bincount(representative, other.sum(1), size)
    mean = np.divide(total, number, out=np.full(size, np.inf), where=number > 0)
    own = np.unique(representative)
    far = np.zeros(size, bool)
    far[own[np.argsort(mean[own], kind="stable")[: int(share * len(own) + 1e-9)]]] = True
    return far[representative]


def assign_regions(rows: Rows, count: int, random: np.random.RandomState) -> Ints:
    """The nearest of `count` rows that lie far from one another (farthest first: Gonzalez, Clustering to minimize the
    maximum intercluster distance, 1985), int64 (n,), for unit rows: regions of even extent, full where it is dense."""
    label, near = np.zeros(len(rows), np.int64), np.full(len(rows), -np.inf, rows.dtype)
    centre = random.randint(len(rows))
    for region in range(min(count, len(rows))):
        similarity = rows @ rows[centre]
        label[similarity > near] = region
        near = np.maximum(near, similarity)
        centre = near.argmin()
    return label


def draw_stratified(strata: Ints, count: int, random: np.random.RandomState, even: float = 0.5) -> Ints:
    """`count` of the rows, ascending, of each stratum as `allocated` says; random inside."""
    _, stratum, size = np.unique(strata, return_inverse=True, return_counts=True)
    order = random.permutation(len(strata))
    order = order[np.argsort(stratum[order], kind="stable")]
    rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    found: Ints = np.sort(order[rank < np.repeat(allocate_counts(size, count, even), size)])
    return found


def allocate_counts(size: Ints, count: int, even: float) -> Ints:
    """How many of strata of these sizes, `count` together: in proportion to size ** (1 - even), none more than it has;
    at least one of each if there are as many to give."""
    least = np.minimum(size, 1) if count >= len(size) else np.zeros_like(size)
    weight = size ** (1.0 - even)
    low, high = 0.0, float((size / weight).max())
    for _ in range(60):  # the scale at which they add up
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(middle * weight, least, size).sum() < count else (low, middle)
    share = np.clip(low * weight, least, size)
    found: Ints = np.floor(share + 1e-9).astype(np.int64)
    found[np.argsort(found - share, kind="stable")[: count - found.sum()]] += 1
    return found


def _check(
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
        raise ValueError(f"neighbours names rows {neighbours.min()} to {neighbours.max()}; there are {size}")
