"""Which rows a search has to compare: the sketch of all others shows that they can't be among its answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import numpy as np

from indexers.types import Ids, Metric, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.bounds import Bounds, Target
from indexers.vectors.metrics import PRODUCT_METRICS
from indexers.vectors.rows import Rows
from indexers.vectors.sketch import Sketch, fit_axes

SAMPLE, PROBES = 2048, 64
"""Rows that axes are fitted to; and those of them that stand for queries when the number of axes is chosen."""
WIDTHS = (16, 32, 48, 64, 96, 128)
"""Numbers that a sketch may hold for each row. More were never cheaper."""
FIT_COST, BUILD_COST = 400_000, 6.0
"""The cost of fitting axes, and of drawing a row, for which 32 numbers cost as much again, in rows of a contiguous
scan."""
GATHER_COST = 2.5
"""The cost of a row that must be gathered first, in rows of a contiguous scan (measured: 2.1 to 2.6)."""
SKETCH_COST = 0.75
"""The cost of bounding a row by a sketch, beside that of comparing as many numbers in a contiguous scan."""
CALL_COST = 600_000
"""The cost of pruning at all, in numbers of a contiguous scan: .2 ms."""
WORTHWHILE = 0.7
"""Sketches are drawn if a search by them costs at most this share of a scan."""
SEEDS = 64
"""Rows with the highest bounds, whose scores tell how near an answer has to be."""
LEARNING, RETRY_INTERVAL = 0.3, 16
"""How much the last search counts for the share of rows that is expected to be left; and after how many searches one
that left too much is tried again."""
GROWTH = 4.0
"""Axes are fitted again once there are so many times as many rows."""
BLOCK_ROWS = 1024
"""Rows that are drawn at once."""
Score = Callable[[Ids], Vectors]
"""Row numbers -> their exact scores, rounded to float32."""


class Drawn(NamedTuple):
    """The sketches of the first rows. table: float32 (at least covered, width)."""

    sketch: Sketch
    table: Vectors
    covered: int


class Pruner:
    """Selects the rows that could be among the answers of a search, for the rows of one Exact.

    The sketch is paid for by scans: as soon as those have cost as much as its next part, that part is made. So it never
    costs more than they did, no search waits long for it, and it need not be stored. `metric`: that for which the rows
    are prepared.
    """

    def __init__(self, rows: Rows, metric: Metric) -> None:
        self._rows, self._metric = rows, metric
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Forget the sketch and what has been learnt."""
        self._drawn: Drawn | None = None  # replaced as a whole, so that a search beside the one that draws sees either
        self._credit, self._fitted_count, self._fitted_share, self._use_count = 0.0, 0, 0.0, 0
        self._shares: dict[tuple[Metric, bool], float] = {}

    # ---- the sketch

    @property
    def covered(self) -> int:
        """The number of rows, from the first on, that have a sketch."""
        return self._drawn.covered if self._drawn else 0

    def forget_from(self, row: int) -> None:
        """Forget the sketches of a row and of all behind it, which have changed."""
        if self._drawn and row < self._drawn.covered:
            self._drawn = self._drawn._replace(covered=row)

    def reorder(self, row_numbers: Ids) -> None:
        """Keep the sketches of these rows, which have become rows 0, 1, 2 ..., up to the first that has none."""
        if self._drawn:
            is_missing = row_numbers >= self._drawn.covered
            count = int(np.argmax(is_missing)) if is_missing.any() else len(row_numbers)
            self._drawn = Drawn(self._drawn.sketch, self._drawn.table[row_numbers[:count]], count)

    def pay(self, cost: float) -> None:
        """Note that a search has cost as much as scanning so many rows, and draw what that pays for."""
        self._credit += cost
        if self._lock.acquire(blocking=False):  # else another search is drawing
            try:
                self._draw_next_part()
            finally:
                self._lock.release()

    def _draw_next_part(self) -> None:
        drawn, count = self._drawn, self._rows.count
        is_large = count * self._rows.dimension > 4 * CALL_COST
        if is_large and self._credit >= FIT_COST and len(self._rows) > GROWTH * self._fitted_count:
            drawn = self._drawn = self._fit_sketch()
        if drawn is None or drawn.covered >= count:
            self._credit = min(self._credit, FIT_COST)
            return
        cost = BUILD_COST * (1 + drawn.sketch.width / 32)
        stop = min(count, drawn.covered + int(self._credit / cost))
        self._credit -= cost * (stop - drawn.covered)
        if stop > drawn.covered:
            self._drawn = self._extend(drawn, stop)

    def _fit_sketch(self) -> Drawn | None:
        """Fit as many axes as make a search cheapest for a sample; None where a scan is about as cheap."""
        self._credit -= FIT_COST
        self._fitted_count = len(self._rows)
        places = np.linspace(0, len(self._rows) - 1, min(SAMPLE, len(self._rows))).astype(np.int64)
        sample = self._rows.gather_rows(np.sort(self._rows.row_numbers[places]))
        widths = [width for width in WIDTHS if width <= self._rows.dimension // 4]
        if not widths:
            return None
        axes = fit_axes(sample, widths[-1] - 1)
        with np.errstate(all="ignore"):  # these are estimates; numbers near the largest may overflow
            coordinates = sample @ axes.T.astype(np.float32)
            shares = [self._measure_share(coordinates[:, : width - 1], sample) for width in widths]
        costs = [self._bound_cost(width) + GATHER_COST * share for width, share in zip(widths, shares, strict=True)]
        best = int(np.argmin(costs))
        self._fitted_share = shares[best]
        if costs[best] > WORTHWHILE:
            return None
        return Drawn(Sketch(axes[: widths[best] - 1]), np.empty((0, widths[best]), np.float32), 0)

    def _bound_cost(self, width: int) -> float:
        return SKETCH_COST * width / self._rows.dimension

    def _measure_share(self, coordinates: Vectors, sample: Vectors) -> float:
        """Measure the share of a sample that could be nearer to one of its rows than the nearest other one is."""
        places = np.linspace(0, len(sample) - 1, min(PROBES, len(sample))).astype(np.int64)
        squares = np.einsum("ij,ij->i", sample, sample)
        rests = np.sqrt(np.maximum(squares - np.einsum("ij,ij->i", coordinates, coordinates), 0))
        products, bounds = sample[places] @ sample.T, coordinates[places] @ coordinates.T
        bounds += rests[places, None] * rests
        if self._metric != "cosine":  # by Euclidean distance
            products, bounds = products - squares / 2, bounds - squares / 2
        products[np.arange(len(places)), places] = -np.inf
        return float((bounds >= products.max(axis=1, keepdims=True)).mean())

    def _extend(self, drawn: Drawn, stop: int) -> Drawn:
        sketch, table, covered = drawn
        if stop > len(table):
            table = np.empty((max(stop, self._rows.count), sketch.width), np.float32)
            table[:covered] = drawn.table[:covered]
        for first in range(covered, stop, BLOCK_ROWS):
            numbers = np.arange(first, min(first + BLOCK_ROWS, stop))
            table[first : first + len(numbers)] = sketch.describe(self._rows.gather_rows(numbers))
        return Drawn(sketch, table, stop)

    # ---- selecting

    def estimate_cost(self, allowed: Allowed | None, metric: Metric, k: int | None = 1) -> float:
        """Estimate the cost of a pruned search, in rows of a contiguous scan; infinite without a sketch of most rows.

        k: how many neighbours it looks for; None: for all within a radius.
        """
        drawn, count = self._drawn, self._rows.count if allowed is None else len(allowed)
        if drawn is None or 2 * drawn.covered < self._rows.count or not count:
            return math.inf
        share = self._shares.get((metric, k is None), self._fitted_share if metric in PRODUCT_METRICS else 1.0)
        share = max(share, (k or 0) / count)
        fresh = max(0, self._rows.count - drawn.covered) * count / max(1, self._rows.count)
        bounded = drawn.covered if allowed is None else min(GATHER_COST * count, drawn.covered)
        bounding = self._bound_cost(drawn.sketch.width) * bounded
        return bounding + GATHER_COST * (share * count + fresh) + CALL_COST / self._rows.dimension

    def select(self, target: Target, allowed: Allowed | None, scan_cost: float, score: Score) -> Ids | None:
        """Return the numbers of the live rows, sorted, that could be among the answers; None if a scan is cheaper.

        scan_cost: that of comparing all that are allowed, in rows of a contiguous scan. score: returns exact scores of
        rows as float32.
        """
        drawn, cost = self._drawn, self.estimate_cost(allowed, target.metric, target.k)
        self._use_count += 1
        is_untried = (target.metric, target.k is None) not in self._shares or self._use_count % RETRY_INTERVAL == 0
        if drawn is None or cost == math.inf or (cost > scan_cost and not is_untried):
            self.pay(scan_cost)
            return None
        covered, fresh = self._split_rows(drawn.covered, allowed)
        rows = np.concatenate([self._select_covered(drawn, target, covered, score), fresh])
        cost = self._bound_cost(drawn.sketch.width) * drawn.covered
        self._learn(target, (len(rows) - len(fresh)) / max(1, drawn.covered if covered is None else len(covered)))
        is_cheaper = GATHER_COST * len(rows) < scan_cost
        self.pay(cost + (GATHER_COST * len(rows) if is_cheaper else scan_cost))
        return rows if is_cheaper else None

    def _learn(self, target: Target, share: float) -> None:
        key = target.metric, target.k is None
        self._shares[key] = LEARNING * share + (1 - LEARNING) * self._shares.get(key, share)

    def _select_covered(self, drawn: Drawn, target: Target, numbers: Ids | None, score: Score) -> Ids:
        """Return those of the rows with a sketch (`numbers`; None: all of them) that could be among the answers."""
        row_ids, lengths = self._rows.row_ids[: drawn.covered], self._rows.lengths[: drawn.covered]
        products = self._bound_products(drawn, target.query, numbers)
        if numbers is not None:
            lengths = lengths[numbers]
        elif self._rows.dead_count:
            products[row_ids < 0] = -np.inf
        bounds = Bounds(products, lengths, self._metric, target, drawn.sketch.error, drawn.sketch.tiny)
        min_score = target.min_score
        if target.k is not None:
            seeds = bounds.find_highest(max(SEEDS, 2 * target.k))
            scores = score(np.sort(seeds if numbers is None else numbers[seeds]))
            if len(scores) >= target.k:
                min_score = float(np.partition(scores, len(scores) - target.k)[len(scores) - target.k])
        places = np.flatnonzero(bounds.could_reach(min_score))
        rows = places if numbers is None else numbers[places]
        return rows if not self._rows.dead_count else rows[self._rows.row_ids[rows] >= 0]

    def _split_rows(self, covered: int, allowed: Allowed | None) -> tuple[Ids | None, Ids]:
        """Return the live rows that have a sketch (None: all that do), and those that have none, sorted."""
        if allowed is not None:
            split = int(np.searchsorted(allowed.rows, covered))
            return allowed.rows[:split], allowed.rows[split:]
        return None, covered + np.flatnonzero(self._rows.row_ids[covered : self._rows.count] >= 0)

    def _bound_products(self, drawn: Drawn, query: Vectors, numbers: Ids | None) -> Vectors:
        """Return upper bounds of the inner products of rows with a query, but for the sketch's error."""
        sketch, table = drawn.sketch.describe(query[None])[0], drawn.table[: drawn.covered]
        if numbers is not None and GATHER_COST * len(numbers) < drawn.covered:
            table, numbers = table.take(numbers, axis=0), None
        products: Vectors = table @ sketch
        return products if numbers is None else products[numbers]
