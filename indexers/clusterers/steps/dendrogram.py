"""Trees of merges in scikit-learn's form: children (m, 2), where the i-th merge of n rows becomes node n + i."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.clusterers.base import Ints, Rows, renumber_labels

Floats = NDArray[np.float64]


def apply_merges(children: Ints, count: int) -> Ints:
    """Return the cluster of each of `count` rows after these merges, which are the first ones of a tree. Clusters are
    numbered in the order of their first rows."""
    top = np.arange(count + len(children))
    top[children.ravel()] = np.repeat(count + np.arange(len(children)), 2)
    while not np.array_equal(top, top[top]):
        top = top[top]
    return renumber_labels(top[:count])


def sort_merges(children: Ints, distances: Floats, count: int) -> tuple[Ints, Floats]:
    """Sort merges by distance and renumber their nodes; each merge has its smaller child first. No parent's distance
    may be smaller than its children's, so that children come before parents."""
    order = np.argsort(distances, kind="stable")
    new_ids = np.arange(count + len(children))
    new_ids[count + order] = count + np.arange(len(children))
    return np.sort(new_ids[children[order]], axis=1), distances[order]


def count_leaves(children: Ints, count: int) -> Ints:
    """Count the rows below each node, int64 (count + m,)."""
    sizes = [1] * count
    for left, right in children.tolist():
        sizes.append(sizes[left] + sizes[right])
    return np.array(sizes, np.int64)


def limit_to_distinct_rows(rows: Rows, n_clusters: int) -> int:
    """Return `n_clusters`, or the number of distinct rows if that is smaller: equal rows always lie together."""
    seen: set[bytes] = set()
    for row in rows:
        seen.add((row + 0).tobytes())  # turns -0 into 0
        if len(seen) >= n_clusters:
            break
    return len(seen)
