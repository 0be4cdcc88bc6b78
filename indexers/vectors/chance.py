"""How unusual a score is: the chance that an unrelated item would be as near to the query.

A cosine of .8 may be next to nothing in one space and a proof in another. What a score means shows beside those of
pairs that have nothing to do with each other, the null distribution. Three things stand between it and the vectors of
a collection, and each is met by what is known elsewhere:

- *Queries differ*: a plain drawing is near to everything. So a score counts in standard deviations from the mean of the
  query's scores with a fixed sample of items, the cohort (the Z-norm of speaker verification: Auckenthaler, Carey and
  Lloyd-Thomas, Digital Signal Processing 10, 2000). That gives one meaning to pictures, texts and mixes, and to every
  metric.
- *Pairs drawn at random are not unrelated*: among ten classes of a size, one pair in ten is of a kind, and in the tail
  there is nothing else. So the null is made of decoys, as where spectra of proteins are looked up (Elias and Gygi,
  Nature Methods 4, 2007): vectors half-way between two items drawn at random, as long as one, neither of them of the
  query's own kind for certain. A decoy has the style of the collection, and shows nothing of it.
- *What counts is rare*: beyond the 99th percentile the tail is smoothed by a generalised Pareto distribution (Pickands,
  Annals of Statistics 3, 1975), fitted by probability-weighted moments (Hosking and Wallis, Technometrics 29, 1987).

Texts have a null of their own, of other words before the same decoys: pictures and words lie apart in such spaces.

Measured by `python -m tests.bench chance`: of the pairs whose labels differ, how many reach a chance of 1 in 1,000. The
estimate is too careful in a collection of a few large classes, such as Fashion-MNIST's ten: half of a decoy is then
often of the query's own class.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import compute_lengths, measure_spread, scale_to_unit
from indexers.types import Ids, Metric, Vectors
from indexers.vectors.exact import Exact
from indexers.vectors.metrics import PRODUCT_METRICS, Float64s, compute_similarities, convert_products

MIN_ITEMS = 50
"""Among fewer items nothing is said."""
COHORT, QUERIES, DECOYS = 512, 256, 1024
"""The most items of the cohort, those of them that ask, and decoys. With a cohort of 1,000 the figures are the same."""
GROWTH = 1.25
"""The cohort is drawn again when so many times as many items are there."""
MAX_PARENT = 5.0
"""The most standard deviations of an item's score for it to be a parent of decoys that the query meets: what is nearer
is of its kind, as in tight groups. At 4 the tail of real collections goes too: 1 in 1,000 would be 1 in 350."""
TAIL = 0.01
"""The share of the null beyond which it is smoothed."""
LEAST_CHANCE = 1e-8
"""A smaller chance can't be told from 262,144 scores."""
QUANTILES = 16_384
"""The most values of the null that are kept, beside its tail: of all a space's models would take 2 MB each."""
SEED = 20


class Tail(NamedTuple):
    """A generalised Pareto distribution of what lies beyond `start`."""

    start: float
    scale: float
    shape: float

    def compute_shares(self, values: Float64s) -> Float64s:
        """Return the share of the tail beyond each value."""
        excess = np.maximum(values - self.start, 0) / self.scale
        if abs(self.shape) < 1e-6:
            return np.asarray(np.exp(-excess))
        shares: Float64s = np.maximum(1 + self.shape * excess, 0) ** (-1 / self.shape)
        return shares


class ChanceModel:
    """The null distribution of the scores of one space in one metric, for pictures or for texts.

    cohort: float32 (n, d), vectors of items drawn at random, as the metric compares them. queries: float32 (m, d), what
    asks in the null; None: the first of the cohort, as pictures do.
    """

    def __init__(self, cohort: Vectors, metric: Metric, queries: Vectors | None = None) -> None:
        self.cohort, self.metric = cohort, metric
        random = np.random.default_rng(SEED)
        parents = random.integers(0, len(cohort), (DECOYS, 2))
        decoys = _make_decoys(cohort, parents, metric)
        asking = cohort[:QUERIES] if queries is None else queries
        known, made = _compare_all(asking, cohort, metric), _compare_all(asking, decoys, metric)
        values = []
        for place, (scores, decoy_scores) in enumerate(zip(known, made, strict=True)):
            others = np.arange(len(cohort)) != place if queries is None else np.ones(len(cohort), bool)
            mean, spread = measure_spread(scores[others])
            if spread > 0:
                is_unrelated = others & ((scores - mean) / spread < MAX_PARENT)
                values.append((decoy_scores[is_unrelated[parents].all(axis=1)] - mean) / spread)
        # in the precision of what is looked up: else each look-up would convert them all
        null = np.sort(np.concatenate(values)).astype(np.float64) if values else np.empty(0)
        self._tail = _fit_tail(null)
        self._null = null[np.arange(min(len(null), QUANTILES)) * len(null) // max(min(len(null), QUANTILES), 1)]

    def compute_chances(self, query: Vectors, scores: NDArray[np.floating]) -> Float64s:
        """Return the chance of each score (n,) of a query (d,), from LEAST_CHANCE to 1; NaN where nothing is known.

        The query is as the metric compares it: of length 1 for the cosine.
        """
        mean, spread = measure_spread(_compare_all(query[None], self.cohort, self.metric)[0])
        if self._tail is None or not spread > 0:
            return np.full(len(scores), np.nan)
        values = (np.asarray(scores, np.float64) - mean) / spread
        chances = 1 - np.searchsorted(self._null, values, "left") / len(self._null)
        is_far = values > self._tail.start
        chances[is_far] = TAIL * self._tail.compute_shares(values[is_far])
        return np.maximum(chances, LEAST_CHANCE)


def count_sampled(size: int) -> int:
    """Return from how many items of `size` the cohort is drawn, so that it stays as it is while a collection grows by
    less than a quarter; 0 if they are too few."""
    if size < MIN_ITEMS:
        return 0
    steps = int(np.log(size / MIN_ITEMS) / np.log(GROWTH) + 1e-9)
    return int(MIN_ITEMS * GROWTH**steps)


def draw_cohort(flat: Exact, count: int, metric: Metric) -> Vectors:
    """Return the vectors of at most COHORT of the first `count` items, the same in every process."""
    ids = flat.ids()[:count]
    return flat.take_for_metric(np.sort(ids[np.argsort(_scramble(ids), kind="stable")[:COHORT]]), metric)


def _scramble(ids: Ids) -> NDArray[np.uint64]:
    """Return a number for each id, in no order that has to do with it (SplitMix64)."""
    mixed = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _make_decoys(cohort: Vectors, parents: Ids, metric: Metric) -> Vectors:
    centre = cohort.mean(axis=0, dtype=np.float64)
    pairs = (cohort - centre)[parents]
    decoys = np.asarray(centre + pairs.sum(axis=1) / np.sqrt(2), np.float32)
    return scale_to_unit(decoys) if metric == "cosine" else decoys


def _compare_all(queries: Vectors, rows: Vectors, metric: Metric) -> Vectors | Float64s:
    """Return the scores of m queries with n rows, (m, n)."""
    if metric not in PRODUCT_METRICS:
        return np.stack([compute_similarities(query, rows, metric) for query in queries])
    products = queries @ rows.T  # the directions of a cosine have length 1
    if metric != "l2":
        return products
    return convert_products(products, metric, _measure_lengths(queries)[:, None], _measure_lengths(rows))


def _measure_lengths(rows: Vectors) -> Vectors:
    return compute_lengths(rows).astype(np.float32)


def _fit_tail(null: Float64s) -> Tail | None:
    """Fit the tail of sorted values; None if all are the same."""
    excess = null[len(null) - max(int(TAIL * len(null)), 10) :] if len(null) >= 1000 else np.empty(0)
    if not len(excess) or not excess[-1] > excess[0]:
        return None
    start = float(excess[0])
    excess = excess - start
    mean = excess.mean()
    weighted = float((excess * (len(excess) - 1 - np.arange(len(excess)))).sum() / len(excess) / (len(excess) - 1))
    ratio = mean / (mean - 2 * weighted)
    shape = float(np.clip(2 - ratio, -0.5, 0.5))
    return Tail(start, float(mean * (1 - shape)), shape)
