"""The metrics of vectors: what they are called, how near two vectors are, and what one metric tells of another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.errors import BadSetting, UsageError
from indexers.types import Metric, Vectors

PRODUCT_METRICS: frozenset[Metric] = frozenset({"cosine", "ip", "l2"})
"""Those that the inner product and the lengths of two vectors tell."""
ALIASES: dict[str, Metric] = {name: name for name in (*PRODUCT_METRICS, "l1")} | {"euclidean": "l2", "manhattan": "l1"}
METRIC_NAMES = "cosine, ip, l2 (euclidean), l1 (manhattan), minkowski:P with P from 1 on, such as minkowski:3"

Wide = NDArray[np.float64]


def parse_metric(given: Any, error: type[UsageError] = BadSetting) -> Metric:
    """The one name by which a metric is stored: "cosine", "ip", "l2", "l1", or "minkowski:P" where P is not 1 or 2.

    Raises `error`, which names the value.
    """
    family, _, order = given.partition(":") if isinstance(given, str) else ("", "", "")
    if family == "minkowski":
        return _parse_minkowski(given, order, error)
    if given not in ALIASES:
        raise error(f"there is no metric {given!r}; there are: {METRIC_NAMES}")
    return ALIASES[given]


def _parse_minkowski(given: str, order: str, error: type[UsageError]) -> Metric:
    try:
        p = float(order)
    except ValueError:
        p = math.nan
    if not p >= 1:
        what = f"{given!r} has no order P that is a number from 1 on, without which it is no distance"
        raise error(f"{what}; there are: {METRIC_NAMES}")
    return {1.0: "l1", 2.0: "l2"}.get(p, f"minkowski:{p!r}".removesuffix(".0"))


def parse_order(metric: Metric) -> float:
    """Minkowski's P: of "l1", "l2" and "minkowski:P"."""
    return float(metric.removeprefix("minkowski:").removeprefix("l"))


def compute_similarities(query: Vectors, rows: NDArray[Any], metric: Metric) -> Wide:
    """How near each of the rows (n, dimension) is to a query (dimension,), in float64: larger is nearer.

    The inner product for "cosine" too, whose vectors are of length 1. Each score is summed in one order, so that it
    does not depend on a row's neighbours.
    """
    if metric in ("cosine", "ip"):
        products: Wide = (rows * query.astype(np.float64)).sum(axis=1)
        return products
    return -_compute_distances(query, rows, parse_order(metric))


def _compute_distances(query: Vectors, rows: NDArray[Any], p: float) -> Wide:
    from scipy.spatial.distance import cdist  # takes a while to import, and only these metrics need it

    name = {1.0: "cityblock", 2.0: "euclidean", math.inf: "chebyshev"}.get(p)
    if name:
        found: Wide = cdist(query[None], rows, name)[0]
        return found
    apart = np.abs(rows - query.astype(np.float64))  # four times as quick as scipy's powers
    largest = apart.max(axis=1, initial=0)
    largest[largest == 0] = 1
    apart /= largest[:, None]  # no power overflows, and what vanishes is small beside 1
    powers: Wide = np.power(apart, p, out=apart).sum(axis=1)
    result: Wide = largest * powers ** (1 / p)
    return result


def bound_scores(score: float, metric: Metric, size: float, lengths: Vectors, other: Metric) -> Vectors:
    """What rows of these lengths (n,) can score at most in `other`, one of PRODUCTS, if they score at most `score` in
    `metric`, "cosine" or "l2", for a query of length `size`."""
    if metric == "cosine":
        products = np.float32(score * size) * lengths
    else:
        products = (np.float32(size * size - score * score) + lengths * lengths) / np.float32(2)
    return convert_products(products, other, size, lengths)


def convert_products(products: Vectors, metric: Metric, size: Any, lengths: Vectors) -> Vectors:
    """Scores in a metric of PRODUCTS from inner products (..., n) of rows of these lengths (n,) with queries of length
    `size`. A row of length 0 has no direction: its cosine counts as 0."""
    if metric == "cosine":
        products = products / (size * np.where(lengths > 0, lengths, np.float32(1)))
    elif metric == "l2":
        products = -np.sqrt(np.maximum(size * size + lengths * lengths - 2 * products, 0))
    return products
