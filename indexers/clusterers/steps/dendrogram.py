"""Trees of merges as scikit-learn writes them: children (m, 2), where the i-th merge of n rows is node n + i."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.clusterers.base import Ints, Rows, renumber_labels

Floats = NDArray[np.float64]


def apply_merges(children: Ints, count: int) -> Ints:
    """The clusters of `count` rows after the given merges, the first ones of a tree, numbered in the order of their
    first rows."""
    top = np.arange(count + len(children))
    top[children.ravel()] = np.repeat(count + np.arange(len(children)), 2)
    while not np.array_equal(top, top[top]):
        top = top[top]
    return renumber_labels(top[:count])


def sort_merges(children: Ints, distances: Floats, count: int) -> tuple[Ints, Floats]:
    """Merges in the order of their distances, children before parents where a parent's distance is never smaller than
    its children's; the smaller child first."""
    order = np.argsort(distances, kind="stable")
    name = np.arange(count + len(children))
    name[count + order] = count + np.arange(len(children))
    return np.sort(name[children[order]], axis=1), distances[order]


def count_leaves(children: Ints, count: int) -> Ints:
    """Rows below each node, int64 (count + m,)."""
    found = [1] * count
    for left, right in children.tolist():
        found.append(found[left] + found[right])
    return np.array(found, np.int64)


def limit_to_distinct_rows(rows: Rows, n_clusters: int) -> int:
    """`wanted`, or as many as there are different rows: copies lie together."""
    seen: set[bytes] = set()
    for row in rows:
        seen.add((row + 0).tobytes())  # -0 is 0
        if len(seen) >= n_clusters:
            break
    return len(seen)
