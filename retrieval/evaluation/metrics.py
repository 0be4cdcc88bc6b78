"""How good groups are: beside labels, by themselves, and when part of the rows is missing; and how well near rows have
the same label. Arrays only.

Labels of clusters are int64 (n,), below 0 where a row is in none. Beside labels and beside another clustering a loose
row counts as a cluster of its own, so that no method gains by leaving out what is hard.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    davies_bouldin_score,
    normalized_mutual_info_score,
    pairwise_distances,
)
from sklearn.metrics.cluster import contingency_matrix

from indexers.clusterers.base import Ints, Rows
from indexers.types import Metric

CELLS = 4_000_000
"""Similarities held at once."""
JUDGED = 5_000
"""Rows whose silhouette is computed, each among all rows, where there are more."""
ASKED = 1_000
"""Rows that are queries of `ranking`, where there are more."""
SHARE = 0.8
"""Of the rows, in a draw."""
COPIES = 1e-9
"""Distances below are rounding."""


class Agreement(NamedTuple):
    """Clusters beside labels, 1 at best. ari: adjusted Rand index (Hubert and Arabie 1985), 0 by chance. ami: adjusted
    mutual information (Vinh, Epps and Bailey 2010), 0 by chance. nmi: normalized mutual information (arithmetic mean);
    it rises with the number of clusters. purity: share of rows that have the label which is most frequent in their
    cluster (Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, 16.3); a loose row has none."""

    ari: float
    ami: float
    nmi: float
    purity: float


class Ranking(NamedTuple):
    """All other rows ranked by nearness to each query (Manning et al. 2008, 8.4). p_at_1, p_at_10: the share of the
    first, and of the first ten, with the query's label; mean_average_precision: over the whole ranking. queries: how
    many; alone: rows that share their label with no other, which are no queries."""

    p_at_1: float
    p_at_10: float
    mean_average_precision: float
    queries: int
    alone: int


def agreement(truth: Ints, labels: Ints) -> Agreement:
    """Clusters beside labels, both (n,), n at least 1."""
    found = singled(labels)
    return Agreement(
        float(adjusted_rand_score(truth, found)),
        float(adjusted_mutual_info_score(truth, found)),
        float(normalized_mutual_info_score(truth, found)),
        purity(truth, labels),
    )


def purity(truth: Ints, labels: Ints) -> float:
    inside = labels >= 0
    if not inside.any():
        return 0.0
    table = contingency_matrix(truth[inside], labels[inside], sparse=True)
    return float(table.max(axis=0).sum() / len(labels))


def singled(labels: Ints) -> Ints:
    """Each loose row as a cluster of its own."""
    found, loose = labels.copy(), labels < 0
    found[loose] = labels.max(initial=-1) + 1 + np.arange(np.count_nonzero(loose))
    return found


# ---- by themselves


def silhouette(
    rows: Rows, labels: Ints, metric: Metric = "cosine", *, sample: int = JUDGED, random_state: int = 0
) -> float | None:
    """Mean silhouette (Rousseeuw 1987), -1 to 1, of rows that are in a cluster; of a random sample of them, each beside
    all rows, where there are more. None for fewer than two clusters, and where each row is one.

    The distance is 1 - cosine for cosine, L1 for l1, and Euclidean for the others.
    """
    rows, label, size = _inside(rows, labels)
    if not 2 <= len(size) < len(rows):
        return None
    chosen = some(len(rows), sample, random_state)
    total, own = _totals(rows, label, size, chosen, metric), label[chosen]
    here = np.arange(len(chosen))
    within = total[here, own] / np.maximum(size[own] - 1, 1)
    total /= size
    total[here, own] = np.inf
    nearest = total.min(1)
    larger = np.maximum(np.maximum(within, nearest), COPIES)
    return float(np.where(size[own] > 1, (nearest - within) / larger, 0).mean())


def _totals(rows: Rows, label: Ints, size: Ints, chosen: Ints, metric: Metric) -> NDArray[np.float64]:
    """The sum of the distances of each chosen row to all rows of each cluster."""
    order = np.argsort(label, kind="stable")
    rows, start = rows[order], np.append(0, np.cumsum(size)[:-1])
    asked = rows[np.argsort(order)[chosen]]
    if metric == "cosine":  # a mean of cosines is the cosine with the mean
        wide = _directions(rows)
        found: NDArray[np.float64] = size - _directions(asked) @ np.add.reduceat(wide, start, axis=0).T
        return np.maximum(found, 0)
    total = np.empty((len(asked), len(size)))
    step, name = max(1, CELLS // len(rows)), "manhattan" if metric == "l1" else "euclidean"
    for first in range(0, len(asked), step):
        apart = pairwise_distances(asked[first : first + step], rows, name)
        total[first : first + step] = np.add.reduceat(apart, start, axis=1, dtype=np.float64)
    return total


def _directions(rows: Rows) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    found: NDArray[np.float64] = wide / np.where(length > 0, length, 1)
    return found


def davies_bouldin(rows: Rows, labels: Ints) -> float | None:
    """The index of Davies and Bouldin (1979), 0 at best, of rows that are in a cluster, Euclidean. None as for
    `silhouette`."""
    rows, label, size = _inside(rows, labels)
    return float(davies_bouldin_score(rows, label)) if 2 <= len(size) < len(rows) else None


def _inside(rows: Rows, labels: Ints) -> tuple[Rows, Ints, Ints]:
    """The rows that are in a cluster, the number of their cluster, and how large each is."""
    inside = labels >= 0
    _, label, size = np.unique(labels[inside], return_inverse=True, return_counts=True)
    return rows[inside], label, size


# ---- when part is missing


def draws(count: int, times: int, random_state: int = 0) -> list[Ints]:
    """Four fifths of the rows, drawn at random so many times; places, sorted."""
    random = np.random.default_rng(random_state)
    wanted = max(1, round(SHARE * count))
    return [np.sort(random.permutation(count)[:wanted]) for _ in range(times)]


def alike(one: Ints, other: Ints) -> tuple[float, float]:
    """ARI and AMI of two clusterings of the same rows."""
    found = singled(one), singled(other)
    return float(adjusted_rand_score(*found)), float(adjusted_mutual_info_score(*found))


# ---- neighbours


def ranking(
    rows: Rows, labels: Ints, metric: Metric = "cosine", *, sample: int = ASKED, random_state: int = 0
) -> Ranking | None:
    """How well near rows have the same label, by exact search; of unit rows for cosine. None if no two rows share one.

    Equally near rows keep their order. With fewer than eleven rows, all others are the first ten.
    """
    shared = np.bincount(labels)[labels] > 1
    able = np.flatnonzero(shared)
    if not len(able):
        return None
    asked = able[some(len(able), sample, random_state)]
    step = max(1, CELLS // len(rows))
    parts = [_judged(rows, labels, asked[first : first + step], metric) for first in range(0, len(asked), step)]
    first, ten, precision = np.concatenate(parts, axis=1).mean(1).tolist()
    return Ranking(first, ten, precision, len(asked), int(np.count_nonzero(~shared)))


def _judged(rows: Rows, labels: Ints, asked: Ints, metric: Metric) -> NDArray[np.float64]:
    """P@1, P@10 and average precision of each query, (3, queries)."""
    apart = _apart(rows[asked], rows, metric)
    apart[np.arange(len(asked)), asked] = np.inf
    order = np.argsort(apart, axis=1, kind="stable")[:, :-1]
    right = labels[order] == labels[asked][:, None]
    precision = np.cumsum(right, axis=1) / np.arange(1, len(rows))
    average = (precision * right).sum(1) / right.sum(1)
    return np.stack([right[:, 0], right[:, :10].mean(1), average])


def _apart(queries: Rows, rows: Rows, metric: Metric) -> NDArray[np.floating]:
    found: NDArray[np.floating]
    if metric in ("cosine", "ip"):
        found = -(queries @ rows.T)
    else:
        found = pairwise_distances(queries, rows, "manhattan" if metric == "l1" else "euclidean")
    return found


def some(count: int, most: int, random_state: int) -> Ints:
    """Places of all, or of as many drawn at random; sorted."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(random_state).permutation(count)[:most])
