"""The metrics of vectors: their names, how near two vectors are, and what one metric tells of another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.errors import BadSetting, UsageError
from indexers.types import Metric, Vectors

PRODUCT_METRICS: frozenset[Metric] = frozenset({"cosine", "ip", "l2"})
"""Metrics that follow from the inner product and the lengths of two vectors."""
ALIASES: dict[str, Metric] = {name: name for name in (*PRODUCT_METRICS, "l1")} | {"euclidean": "l2", "manhattan": "l1"}
METRIC_NAMES = "cosine, ip, l2 (euclidean), l1 (manhattan), minkowski:P with P from 1 on, such as minkowski:3"

Float64s = NDArray[np.float64]


def parse_metric(value: Any, error: type[UsageError] = BadSetting) -> Metric:
    """Return the one name under which a metric is stored: cosine, ip, l2, l1, or minkowski:P where P is not 1 or 2.

    Raises `error`, with the value and the names there are, for any other value.
    """
    family, _, order = value.partition(":") if isinstance(value, str) else ("", "", "")
    if family == "minkowski":
        return _parse_minkowski(value, order, error)
    if not isinstance(value, str) or value not in ALIASES:
        raise error(f"there is no metric {value!r}; there are: {METRIC_NAMES}")
    return ALIASES[value]


def _parse_minkowski(value: str, order: str, error: type[UsageError]) -> Metric:
    try:
        p = float(order)
    except ValueError:
        p = math.nan
    if not p >= 1:
        reason = f"{value!r} has no order P that is a number from 1 on, without which it is no distance"
        raise error(f"{reason}; there are: {METRIC_NAMES}")
    return {1.0: "l1", 2.0: "l2"}.get(p, f"minkowski:{p!r}".removesuffix(".0"))


def parse_order(metric: Metric) -> float:
    """Return the order P of the Minkowski distance that "l1", "l2" or "minkowski:P" names."""
    return float(metric.removeprefix("minkowski:").removeprefix("l"))


def compute_similarities(query: Vectors, rows: NDArray[Any], metric: Metric) -> Float64s:
    """Compute how near each row (n, dimension) is to a query (dimension,), in float64: larger is nearer.

    For "cosine" it is the inner product too: the vectors have length 1. Each score is summed in one order, so that it
    does not depend on a row's neighbours.
    """
    if metric in ("cosine", "ip"):
        products: Float64s = (rows * query.astype(np.float64)).sum(axis=1)
        return products
    return -_compute_distances(query, rows, parse_order(metric))


def _compute_distances(query: Vectors, rows: NDArray[Any], p: float) -> Float64s:
    from scipy.spatial.distance import cdist  # slow to import, and only these metrics need it

    name = {1.0: "cityblock", 2.0: "euclidean", math.inf: "chebyshev"}.get(p)
    if name:
        distances: Float64s = cdist(query[None], rows, name)[0]
        return distances
    differences = np.abs(rows - query.astype(np.float64))  # four times as quick as scipy's powers
    largest = differences.max(axis=1, initial=0)
    largest[largest == 0] = 1
    differences /= largest[:, None]  # so no power overflows, and one that underflows is small beside 1
    powers: Float64s = np.power(differences, p, out=differences).sum(axis=1)
    distances = largest * powers ** (1 / p)
    return distances


def bound_scores(score: float, metric: Metric, size: float, lengths: Vectors, target: Metric) -> Vectors:
    """Return upper bounds, (n,), of what rows of these lengths can score in the metric `target`.

    They score at most `score` in `metric`, "cosine" or "l2", for a query of length `size`; `target` is one of
    PRODUCT_METRICS.
    """
    if metric == "cosine":
        products = np.float32(score * size) * lengths
    else:
        products = (np.float32(size * size - score * score) + lengths * lengths) / np.float32(2)
    return convert_products(products, target, size, lengths)


def convert_products(products: Vectors, metric: Metric, size: Any, lengths: Vectors) -> Vectors:
    """Convert inner products (..., n) to scores in one of PRODUCT_METRICS.

    `lengths` (n,): those of the rows; `size`: that of the queries. A row of length 0 has no direction; its cosine
    counts as 0.
    """
    if metric == "cosine":
        products = products / (size * np.where(lengths > 0, lengths, np.float32(1)))
    elif metric == "l2":
        halves = (size / 2) ** 2 + (lengths / 2) ** 2 - products / 2  # of halves, whose squares can't overflow
        products = -2 * np.sqrt(np.maximum(halves, 0))
    return products
