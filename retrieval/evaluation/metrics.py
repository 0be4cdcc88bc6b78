"""Figures of clusterings and of nearness: agreement with labels, measures that need none, stability, and retrieval.

Arrays only. Labels of clusters are int64 (n,), below 0 where a row is in none. In comparisons with labels and with
another clustering a loose row counts as a cluster of its own, so that no method gains by leaving out what is hard.
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
from indexers.vectors.metrics import compute_similarities

CELLS = 4_000_000
"""Distances held at once."""
SILHOUETTE_ROWS = 5_000
"""The largest number of rows whose silhouette is computed, each among all rows."""
RANKING_QUERIES = 1_000
"""The largest number of rows that are queries of `measure_ranking`."""
POWER_COST = 10
"""A Minkowski distance costs as many times as much as other distances, so a tenth of the queries is asked."""
DRAW_SHARE = 0.8
"""The share of the rows in a draw."""
ROUNDING = 1e-9
"""Smaller distances are rounding errors."""


class Agreement(NamedTuple):
    """Agreement of clusters with labels, 1 at best.

    ari: adjusted Rand index (Hubert and Arabie 1985), 0 by chance. ami: adjusted mutual information (Vinh, Epps and
    Bailey 2010), 0 by chance. nmi: normalized mutual information (arithmetic mean); it rises with the number of
    clusters. purity: the share of rows that have the most frequent label of their cluster (Manning, Raghavan and
    Schütze, Introduction to Information Retrieval, 2008, 16.3); a loose row counts as wrong.
    """

    ari: float
    ami: float
    nmi: float
    purity: float


class Ranking(NamedTuple):
    """Rankings of all other rows by nearness to each query (Manning et al. 2008, 8.4).

    p_at_1, p_at_10: the share of the first, and of the first ten, with the query's label. mean_average_precision: over
    the whole ranking. queries: their number. alone: rows that share their label with no other, which are no queries.
    """

    p_at_1: float
    p_at_10: float
    mean_average_precision: float
    queries: int
    alone: int


def measure_agreement(truth: Ints, labels: Ints) -> Agreement:
    """Compare clusters with labels, both (n,), n at least 1."""
    single = split_loose_rows(labels)
    return Agreement(
        float(adjusted_rand_score(truth, single)),
        float(adjusted_mutual_info_score(truth, single)),
        float(normalized_mutual_info_score(truth, single)),
        measure_purity(truth, labels),
    )


def measure_purity(truth: Ints, labels: Ints) -> float:
    """Return the purity of clusters, as in Agreement."""
    inside = labels >= 0
    if not inside.any():
        return 0.0
    table = contingency_matrix(truth[inside], labels[inside], sparse=True)
    return float(table.max(axis=0).sum() / len(labels))


def split_loose_rows(labels: Ints) -> Ints:
    """Return the labels with each loose row in a cluster of its own."""
    single, loose = labels.copy(), labels < 0
    single[loose] = labels.max(initial=-1) + 1 + np.arange(np.count_nonzero(loose))
    return single


# ---- without labels


def measure_silhouette(
    rows: Rows, labels: Ints, metric: Metric = "cosine", *, sample: int = SILHOUETTE_ROWS, random_state: int = 0
) -> float | None:
    """Return the mean silhouette (Rousseeuw 1987), -1 to 1, of the rows that are in a cluster.

    If these are more than `sample` (for Minkowski distances a tenth of it), it is the mean of a random sample of
    them, each compared with all rows. None for fewer than two clusters, and for clusters of one row each.

    The distance is 1 - cosine for cosine, Euclidean for ip, and the metric itself for the others.
    """
    rows, label, size = _drop_loose_rows(rows, labels)
    if not 2 <= len(size) < len(rows):
        return None
    sampled = sample_positions(len(rows), limit_queries(sample, metric), random_state)
    total, own = _sum_distances(rows, label, size, sampled, metric), label[sampled]
    row = np.arange(len(sampled))
    within = total[row, own] / np.maximum(size[own] - 1, 1)
    total /= size
    total[row, own] = np.inf
    nearest = total.min(1)
    larger = np.maximum(np.maximum(within, nearest), ROUNDING)
    return float(np.where(size[own] > 1, (nearest - within) / larger, 0).mean())


def _sum_distances(rows: Rows, label: Ints, size: Ints, sampled: Ints, metric: Metric) -> NDArray[np.float64]:
    """Return the sum of the distances of each sampled row to all rows of each cluster, (sampled, clusters)."""
    order = np.argsort(label, kind="stable")
    rows, start = rows[order], np.append(0, np.cumsum(size)[:-1])
    queries = rows[np.argsort(order)[sampled]]
    if metric == "cosine":  # a mean of cosines is the cosine with the mean
        sums = np.add.reduceat(_normalise(rows), start, axis=0)
        distances: NDArray[np.float64] = size - _normalise(queries) @ sums.T
        return np.maximum(distances, 0)
    total = np.empty((len(queries), len(size)))
    step = max(1, CELLS // len(rows))
    for first in range(0, len(queries), step):
        apart = _measure_distances(queries[first : first + step], rows, "l2" if metric == "ip" else metric)
        total[first : first + step] = np.add.reduceat(apart, start, axis=1, dtype=np.float64)
    return total


def _normalise(rows: Rows) -> NDArray[np.float64]:
    """Return the rows with unit length, in float64; zero rows stay."""
    wide = rows.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    directions: NDArray[np.float64] = wide / np.where(length > 0, length, 1)
    return directions


def measure_davies_bouldin(rows: Rows, labels: Ints) -> float | None:
    """Return the index of Davies and Bouldin (1979), 0 at best, of the rows that are in a cluster, Euclidean.

    None as for `measure_silhouette`.
    """
    rows, label, size = _drop_loose_rows(rows, labels)
    return float(davies_bouldin_score(rows, label)) if 2 <= len(size) < len(rows) else None


def _drop_loose_rows(rows: Rows, labels: Ints) -> tuple[Rows, Ints, Ints]:
    """Return the rows that are in a cluster, the number of their cluster from 0 on, and the size of each cluster."""
    inside = labels >= 0
    _, label, size = np.unique(labels[inside], return_inverse=True, return_counts=True)
    return rows[inside], label, size


# ---- stability


def draw_subsets(count: int, times: int, random_state: int = 0) -> list[Ints]:
    """Draw four fifths of `count` rows at random, `times` times; each a sorted array of positions."""
    random = np.random.default_rng(random_state)
    size = max(1, round(DRAW_SHARE * count))
    return [np.sort(random.permutation(count)[:size]) for _ in range(times)]


def compare_clusterings(labels: Ints, other_labels: Ints) -> tuple[float, float]:
    """Return the ARI and the AMI of two clusterings of the same rows."""
    pair = split_loose_rows(labels), split_loose_rows(other_labels)
    return float(adjusted_rand_score(*pair)), float(adjusted_mutual_info_score(*pair))


# ---- retrieval


def measure_ranking(
    rows: Rows, labels: Ints, metric: Metric = "cosine", *, sample: int = RANKING_QUERIES, random_state: int = 0
) -> Ranking | None:
    """Measure how well near rows have the same label, by exact search; for cosine, rows have unit length.

    At most `sample` rows, for Minkowski distances a tenth of that, are queries. None if no two rows share a label.
    Equally near rows keep their order. With fewer than eleven rows, all others are the first ten.
    """
    shared = np.bincount(labels)[labels] > 1
    able = np.flatnonzero(shared)
    if not len(able):
        return None
    queries = able[sample_positions(len(able), limit_queries(sample, metric), random_state)]
    step = max(1, CELLS // len(rows))
    parts = [_rank(rows, labels, queries[first : first + step], metric) for first in range(0, len(queries), step)]
    first, ten, precision = np.concatenate(parts, axis=1).mean(1).tolist()
    return Ranking(first, ten, precision, len(queries), int(np.count_nonzero(~shared)))


def _rank(rows: Rows, labels: Ints, queries: Ints, metric: Metric) -> NDArray[np.float64]:
    """Return P@1, P@10 and the average precision of each query, (3, queries)."""
    apart = _measure_distances(rows[queries], rows, metric)
    apart[np.arange(len(queries)), queries] = np.inf
    order = np.argsort(apart, axis=1, kind="stable")[:, :-1]
    right = labels[order] == labels[queries][:, None]
    precision = np.cumsum(right, axis=1) / np.arange(1, len(rows))
    average = (precision * right).sum(1) / right.sum(1)
    return np.stack([right[:, 0], right[:, :10].mean(1), average])


def _measure_distances(queries: Rows, rows: Rows, metric: Metric) -> NDArray[np.floating]:
    """Return values that grow with the distance, (queries, rows): negated products for cosine and ip."""
    distances: NDArray[np.floating]
    if metric in ("cosine", "ip"):
        distances = -(queries @ rows.T)
    elif metric in ("l1", "l2"):
        distances = pairwise_distances(queries, rows, "manhattan" if metric == "l1" else "euclidean")
    else:
        distances = -np.stack([compute_similarities(query, rows, metric) for query in queries])
    return distances


def limit_queries(sample: int, metric: Metric) -> int:
    """Return the largest number of queries in this metric, of a sample for usual ones."""
    return max(sample // POWER_COST, 1) if metric.startswith("minkowski") else sample


def sample_positions(count: int, limit: int, random_state: int) -> Ints:
    """Return the positions 0 to `count` - 1, or `limit` of them drawn at random if they are more; sorted."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(random_state).permutation(count)[:limit])
