"""What rows can score at most, in any metric, given bounds of their inner products with a query."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.types import Ids, Metric, Vectors
from indexers.vectors.metrics import PRODUCT_METRICS, convert_products, parse_order
from indexers.vectors.sketch import UNIT

LEAST_BLOCK = 16
"""Rows of which the highest stands for all while the highest of all rows are looked for."""


class Target(NamedTuple):
    """What a search looks for: the k nearest, or without `k` all that score at least `min_score`.

    query: float32 (dimension,), prepared for `metric`.
    """

    query: Vectors
    metric: Metric
    k: int | None = None
    min_score: float = -np.inf

    @property
    def size(self) -> float:
        """The length of the query."""
        return float(np.linalg.norm(self.query.astype(np.float64)))


class Bounds:
    """Upper bounds of the scores of n rows.

    products: float32 (n,), bounds of the inner products of the rows as they are stored; each may be too small by
        `error` times the lengths of row and query, and by `tiny` times 1 + these lengths. -inf: left out.
    lengths: float32 (n,), those of the vectors as they were added.
    own: the metric for which rows are prepared: for the cosine they have length 1, else they are as they were added.

    A row x is compared as `Exact` does it: y as it is stored, or y |x| for a distance in an index for the cosine, or
    y / |y| for a cosine in another one, rounded to float32. With a relative error of u each of `lengths`, of the
    product and of a reciprocal, the vector compared differs from that by at most 3 u of its length, for which `error`
    leaves room. Its score is computed in float64 and rounded to float32. So a row scores `score` or more only if its
    true score is at least that less 2 u of it, of which half makes up for float64. Everything below is float64, whose
    own errors are 10^-8 of these.
    """

    def __init__(
        self, products: Vectors, lengths: Vectors, own: Metric, target: Target, error: float, tiny: float
    ) -> None:
        self._products, self._lengths, self._own, self._target = products, lengths, own, target
        self._error, self._tiny = error, tiny

    def find_highest(self, count: int) -> Ids:
        """Return places of about `count` of the rows with the highest bounds, or nearly, in no order."""
        target, scores = self._target, self._products
        if (self._own, target.metric) not in (("cosine", "cosine"), ("ip", "ip"), ("l2", "ip")):
            metric = target.metric if target.metric in PRODUCT_METRICS else "l2"
            products = scores * self._lengths if self._own == "cosine" else scores
            scores = convert_products(products, metric, np.float32(target.size), self._lengths)
            scores[self._products == -np.inf] = -np.inf
        width = len(scores) // (8 * count)
        if width >= LEAST_BLOCK:  # as quick as a maximum; a partition of all takes as long as the bounds themselves
            best = scores[: width * 8 * count].reshape(-1, width).max(axis=1)
            places = np.flatnonzero(scores >= np.partition(best, len(best) - count)[len(best) - count])
        else:
            places = np.arange(len(scores))
        if len(places) > count:
            places = places[np.argpartition(scores[places], len(places) - count)[len(places) - count :]]
        return places[scores[places] > -np.inf]

    def could_reach(self, score: float) -> NDArray[np.bool_]:
        """Return which rows (n,) could score `score` or more.

        A row is left out only where a comparison says that it can't; a bound that is no number keeps it.
        """
        metric, size = self._target.metric, self._target.size
        score -= abs(score) * 2 * UNIT + 2.0**-140
        if metric == self._own == "cosine":
            margin = 1.001 * self._error * size + self._tiny * (3 + size)  # rows are at most 1 + 4 u long
            limit = np.nextafter(np.float32(score - margin), np.float32(-np.inf))
            could_reach: NDArray[np.bool_] = ~(self._products < limit)
            return could_reach
        lengths = self._lengths.astype(np.float64)
        stored = 1.001 if self._own == "cosine" else lengths
        products = self._products.astype(np.float64)
        products += (1.001 * self._error * size + self._tiny) * stored + self._tiny * (1 + size)
        if metric == "cosine":
            return np.logical_not(products < score * lengths)
        if self._own == "cosine":
            products *= lengths
        least = score if metric == "ip" else self._find_least_products(score, size, lengths)
        return np.logical_not(products < least)

    def _find_least_products(self, score: float, size: float, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the inner products (n,) that rows of these lengths need to be at most as distant as -`score`.

        With |x| = lengths and a distance r, 2 x.q = |x|^2 + |q|^2 - |x - q|^2 >= |x|^2 + |q|^2 - r^2. For Minkowski's
        distances, |v|_2 <= |v|_p up to p = 2, and |v|_2 <= d^(1/2 - 1/p) |v|_p from there on (Hoelder).
        """
        order = parse_order(self._target.metric)
        distance = max(-score, 0.0) * max(1.0, len(self._target.query) ** (0.5 - 1 / order)) * (1 + 1e-12)
        # the vector that is compared is at most 6 u shorter than |x|, its square 12 u
        squares = lengths * lengths * (1 - 16 * UNIT)
        least: NDArray[np.float64] = (squares + size * size * (1 - 1e-12) - distance * distance) / 2
        return least
