"""How unusual a score is: the chance that an unrelated item would be as near to the query.

A cosine of .8 may be next to nothing in one space and a proof in another. What a score means shows beside those of
pairs that have nothing to do with each other, the null distribution. Three things stand between it and the vectors of
a collection, and each is met by what is known elsewhere:

- *Queries differ*: a plain drawing is near to everything. So a score counts from the centre of the query's scores with
  a fixed sample of items, the cohort, in units of their spread (the Z-norm of speaker verification: Auckenthaler, Carey
  and Lloyd-Thomas, Digital Signal Processing 10, 2000). That gives one meaning to pictures, texts and mixes, and to
  every metric. Of pictures, centre and spread are those of the lower half, in which hardly anything is of the query's
  kind: in standard deviations, where a tenth of all items are of a kind, they lie no more than three above the mean. Of
  words, which are seldom so well known, the long upper half belongs to the spread: without it, 2.9 times as many of
  Fashion-MNIST's pictures are called unusual as it is said, with it .7.
- *Pairs drawn at random are not unrelated*: among ten classes of a size, one pair in ten is of a kind, and in the tail
  there is nothing else. So the null is made of decoys, as where spectra of proteins are looked up (Elias and Gygi,
  Nature Methods 4, 2007): vectors somewhere between two items drawn at random, as long as one, neither of them of the
  query's own kind. A decoy has the style of the collection, and shows nothing of it. Of its own kind is what has mostly
  the same neighbours (Jarvis and Patrick, IEEE Transactions on Computers C-22, 1973).
- *What counts is rare*: beyond the 99th percentile the tail is smoothed by a generalised Pareto distribution (Pickands,
  Annals of Statistics 3, 1975), fitted by probability-weighted moments (Hosking and Wallis, Technometrics 29, 1987).

Texts have nulls of their own, of other words before the same decoys: pictures and words lie apart in such spaces. And a
picture counts from two sides there. A photograph among drawings is nearer than they are to nearly every word; so what
stands out among pictures for the word has to stand out among words for the picture too (T-norm). The chance is the
larger of two: that of the score among pictures, and that of the lesser of both.

Measured by `python -m tests.bench chance`: of the pairs whose labels differ, how many reach a chance of 1 in 1,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import compute_lengths, scale_to_unit
from indexers.types import Ids, Metric, Vectors
from indexers.vectors.metrics import PRODUCT_METRICS, Float64s, compute_similarities, convert_products

MIN_ITEMS = 50
"""Among fewer items nothing is said."""
COHORT, QUERIES, DECOYS = 512, 256, 1024
"""The most items of the cohort, those of them that ask, and decoys. With a cohort of 1,000 the figures are the same."""
MIN_WORDS = 16
"""Among fewer words it is not asked whether one stands out."""
GROWTH = 2
"""The cohort is drawn again when so many times as many items are there."""
KINDS = (1 / 12, 0.75), (1 / 100, 0.6)
"""Two items of the cohort are of one kind if they share so many of their nearest neighbours, of the nearest twelfth of
all in large kinds, or of the nearest hundredth in small ones. Chosen by gcompris, OpenMoji, digits and parts of
scikit-image's samples."""
MIN_NEIGHBOURS = 4
LOW = 0.16
"""The spread is the distance from the median to this quantile: one standard deviation, where scores are normal."""
TAIL = 0.01
"""The share of the null beyond which it is smoothed."""
LEAST_CHANCE = 1e-8
"""A smaller chance can't be told from 262,144 scores."""
QUANTILES = 4096
"""The most values of the null that are kept, beside its tail, which alone tells of chances below TAIL."""
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


class Null(NamedTuple):
    """A null distribution: some of its values, sorted, float32 (n,), and its tail."""

    values: Vectors
    tail: Tail

    def compute_chances(self, values: Float64s) -> Float64s:
        """Return the share of the null that is at least as large as each value."""
        chances: Float64s = 1 - np.searchsorted(self.values, values.astype(np.float32), "left") / len(self.values)
        is_far = values > self.tail.start
        chances[is_far] = TAIL * self.tail.compute_shares(values[is_far])
        return chances


class ChanceModel:
    """The null distributions of the scores of one space in one metric, for pictures or for texts.

    - cohort: float32 (n, d), vectors of items drawn at random, as the metric compares them;
    - words: float32 (m, d), texts that ask in the null; None: items of the cohort do, as pictures;
    - nulls: those of a model that was made before; None: they are made of the cohort. For pictures there is one, for
      texts one of a score among pictures and one of the lesser of both; none if nothing can be told.
    """

    def __init__(
        self,
        cohort: Vectors,
        metric: Metric,
        words: Vectors | None = None,
        nulls: tuple[Null, ...] | None = None,
    ) -> None:
        self.cohort, self.metric, self.words = cohort, metric, words
        self.nulls = self._make_nulls() if nulls is None else nulls

    def compute_chances(self, query: Vectors, scores: NDArray[np.floating], vectors: Vectors | None = None) -> Float64s:
        """Return the chance of each score (n,) of a query (d,), from LEAST_CHANCE to 1; NaN where nothing is known.

        The query is as the metric compares it: of length 1 for the cosine. So are `vectors`, float32 (n, d), those that
        have the scores; only texts need them.
        """
        known = _compare_all(query[None], self.cohort, self.metric)
        centre, spread = _measure_rows(known, is_robust=self.words is None)
        if not self.nulls or not spread[0] > 0:
            return np.full(len(scores), np.nan)
        values = (np.asarray(scores, np.float64) - centre[0]) / spread[0]
        chances = self.nulls[0].compute_chances(values)
        if len(self.nulls) > 1 and self.words is not None and vectors is not None:
            among_words = self._compare_with_words(np.asarray(scores, np.float64)[None], vectors)[0]
            chances = np.maximum(chances, self.nulls[1].compute_chances(np.minimum(values, among_words)))
        return np.maximum(chances, LEAST_CHANCE)

    def _compare_with_words(self, scores: Float64s, vectors: Vectors) -> Float64s:
        """Return how far scores (m, n) with n vectors stand out among those of the words; -inf where all are equal."""
        assert self.words is not None
        known = _compare_all(vectors, self.words, self.metric)
        centres, spreads = _measure_rows(known, is_robust=False)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(spreads > 0, (scores - centres) / spreads, -np.inf)

    def _make_nulls(self) -> tuple[Null, ...]:
        random = np.random.default_rng(SEED)
        parents = random.integers(0, len(self.cohort), (DECOYS, 2))
        decoys = _make_decoys(self.cohort, parents, random.uniform(0, np.pi / 2, (DECOYS, 1)), self.metric)
        asking = self.cohort if self.words is None else self.words
        known = np.asarray(_compare_all(asking, self.cohort, self.metric), np.float64)
        centres, spreads = _measure_rows(known, is_robust=self.words is None)
        is_fit = spreads > 0
        known[is_fit] = (known[is_fit] - centres[is_fit, None]) / spreads[is_fit, None]
        is_kin = np.zeros(known.shape, bool)
        if self.words is None:
            is_kin, is_fit[QUERIES:] = _share_neighbours(known), False
        scores = np.asarray(_compare_all(asking[is_fit], decoys, self.metric), np.float64)
        values = (scores - centres[is_fit, None]) / spreads[is_fit, None]
        is_unrelated = ~is_kin[is_fit][:, parents].any(axis=2)
        sides = [values]
        if self.words is not None and len(self.words) >= MIN_WORDS:
            sides.append(np.minimum(values, self._compare_with_words(scores, decoys)))
        nulls = [_fit_null(side[is_unrelated]) for side in sides]
        return tuple(null for null in nulls if null) if nulls[0] else ()


def pack_nulls(nulls: Sequence[Null]) -> bytes:
    """Return null distributions as bytes, which `unpack_nulls` reads."""
    parts = [np.array([len(each.values), *each.tail], "<f8").tobytes() for each in nulls]
    return b"".join(head + each.values.astype("<f4").tobytes() for head, each in zip(parts, nulls, strict=True))


def unpack_nulls(content: bytes) -> tuple[Null, ...]:
    """Return the null distributions in bytes, whoever wrote them. Raises ValueError."""
    nulls: list[Null] = []
    while content:
        size, *tail = np.frombuffer(content[:32], "<f8").tolist()
        if not (0 < size <= QUANTILES and np.isfinite(tail).all() and tail[1] > 0 and len(nulls) < 2):
            raise ValueError("these are no null distributions")
        end = 32 + 4 * int(size)
        values = np.frombuffer(content[32:end], "<f4").astype(np.float32)
        if len(values) != int(size) or not (np.diff(values) >= 0).all():
            raise ValueError("the values of a null distribution are cut short, or in no order")
        nulls.append(Null(values, Tail(*tail)))
        content = content[end:]
    return tuple(nulls)


def count_sampled(size: int) -> int:
    """Return from how many items of `size` the cohort is drawn, so that it stays as it is until a collection has grown
    GROWTH times as large; 0 if they are too few."""
    if size < MIN_ITEMS:
        return 0
    steps = int(np.log(size / MIN_ITEMS) / np.log(GROWTH) + 1e-9)
    return int(MIN_ITEMS * GROWTH**steps)


def draw_cohort(ids: Ids) -> Ids:
    """Return at most COHORT of the ids, sorted; of the same ids the same ones, in every process."""
    return np.sort(ids[np.argsort(_scramble(ids), kind="stable")[:COHORT]])


def _scramble(ids: Ids) -> NDArray[np.uint64]:
    """Return a number for each id, in no order that has to do with it (SplitMix64)."""
    mixed = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _make_decoys(cohort: Vectors, parents: Ids, angles: Float64s, metric: Metric) -> Vectors:
    centre = cohort.mean(axis=0, dtype=np.float64)
    pairs = (cohort - centre)[parents]
    decoys = np.asarray(centre + np.cos(angles) * pairs[:, 0] + np.sin(angles) * pairs[:, 1], np.float32)
    return scale_to_unit(decoys) if metric == "cosine" else decoys


def _measure_rows(scores: NDArray[np.floating], *, is_robust: bool) -> tuple[Float64s, Float64s]:
    """Return the centre of each row of scores (m, n), and their spread: mean and standard deviation or, robust against
    what is of a kind, the median and the distance from it to the quantile LOW."""
    if not is_robust:
        return scores.mean(axis=1, dtype=np.float64), scores.std(axis=1, dtype=np.float64)
    ordered = np.sort(scores, axis=1)
    count = ordered.shape[1]
    centres = ordered[:, count // 2].astype(np.float64)
    return centres, centres - ordered[:, int(LOW * count)]


def _share_neighbours(scores: Float64s) -> NDArray[np.bool_]:
    """Return for each two of n items, whose scores are (n, n), whether they have mostly the same neighbours."""
    order = np.argsort(-(scores + scores.T), axis=1, kind="stable")
    is_kin = np.eye(len(scores), dtype=bool)
    for share, min_shared in KINDS:
        count = max(MIN_NEIGHBOURS, int(share * len(scores)))
        is_neighbour = np.zeros(scores.shape, np.float32)
        np.put_along_axis(is_neighbour, order[:, :count], 1, axis=1)
        is_kin |= is_neighbour @ is_neighbour.T >= min_shared * count
    return is_kin


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


def _fit_null(values: Float64s) -> Null | None:
    """Return the null of values in any order; None if all are the same, or they are too few."""
    ordered = np.sort(values[np.isfinite(values)])
    tail = _fit_tail(ordered)
    if tail is None:
        return None
    kept = np.arange(min(len(ordered), QUANTILES)) * len(ordered) // min(len(ordered), QUANTILES)
    return Null(ordered[kept].astype(np.float32), tail)


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
