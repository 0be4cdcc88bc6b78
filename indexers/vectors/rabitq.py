"""Approximate search through rabitqlib: codes of one bit a coordinate in cells, whose best are scored exactly with the
vectors of the flat vector file (Gao and Long, "RaBitQ", 2024)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexers.arrays import measure_spread
from indexers.errors import MissingPackage
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.base import VectorIndex, check_k, make_empty_answer
from indexers.vectors.bounds import Target
from indexers.vectors.cells import Cells
from indexers.vectors.exact import Exact
from indexers.vectors.rows import FrozenRows
from indexers.vectors.small_world import choose_scale
from indexers.vectors.staged import SCANNED, Staged

CELLS = "cells"
"""The kind of layout once there are cells."""
SMALL = 5000
"""Fewer vectors are scanned: with bounds that takes no longer."""
STALE_SHARE = 1.0
"""Changes since the cells were trained, as a share of the vectors they were trained on, after which they are trained
again."""
WIDTH_PER_HIT, WIDTH_PER_EF = 4, 2
"""Candidates that are estimated, for each hit and for each of `ef`; an estimate costs a fiftieth of a score. With half
as many, .982 of what lies in any direction was found instead of .996."""
WIDTH_GROWTH = 4
"""How many times as many candidates are looked at where the first leave doubts."""
REACH_RANK = 10
"""The hit, at least, whose score tells which other cells could hold answers."""
MAX_WIDTH_SHARE = 1 / 16
"""More candidates than this share of all vectors cost more than a scan."""
HEAD = 64
"""Candidates that are scored in any case: they tell how far estimates are from scores."""
DEVIATIONS = 3.0
"""Candidates are scored, and more are looked at, as long as one could be an answer whose estimate is wrong by so many
standard deviations. In and between 30 clusters of 64 coordinates the recall was .975 to 1 with 2.5, .995 to 1 with
3."""


ROUNDING = 1e-6
"""Estimates that are equal but for rounding differ by no more than this share."""


class Rabitq(Staged):
    """Codes in cells, which hold no vectors: these are read from the flat vector file.

    Up to `SMALL` vectors are scanned. Then cells are trained, and trained again when as much has changed as there was;
    until then, the same cells take in what comes. Settings: `bits` of a coordinate, `ef` candidates that a search is
    sure of, `threads` (0: all cores that this process may use).
    """

    name: ClassVar[str] = "rabitq"
    metrics: ClassVar[frozenset[Metric]] = frozenset({"cosine", "ip", "l2"})
    setting_ranges: ClassVar[dict[str, tuple[int, int]]] = {"bits": (1, 8), "ef": (1, 65536), "threads": (0, 1024)}
    answers_alone: ClassVar[bool] = True
    candidate_share: ClassVar[float] = 0.15

    def __init__(self, dimension: int, metric: Metric = "cosine", **settings: Any) -> None:
        super().__init__(dimension, metric, **settings)
        if find_spec("rabitqlib") is None:
            raise MissingPackage("the index 'rabitq' is not installed: pip install 'nearkin[rabitq]'")
        self.bits, self.ef = settings.get("bits", 1), settings.get("ef", 128)

    def take_over(self, frozen: FrozenRows) -> None:
        """Hold these prepared vectors, and nothing else, in cells."""
        self._layout, self.kind, self._ids = self._build(CELLS, frozen), CELLS, frozen.ids.copy()

    @property
    def serving(self) -> VectorIndex | None:
        return None if self._layout is None else self

    def _choose_kind(self) -> str:
        return CELLS if len(self) > SMALL or self._layout is not None else SCANNED

    def _is_outgrown(self) -> bool:
        return bool(self._layout.changes >= STALE_SHARE * self._layout.trained)

    def _build(self, kind: str, frozen: FrozenRows) -> Cells:
        sample = np.linspace(0, len(frozen.ids) - 1, min(len(frozen.ids), SMALL)).astype(np.int64)
        scale = choose_scale(frozen.take(sample), self.metric)
        return Cells.train(frozen, self.metric, self.bits, self.threads, scale)

    def _load_layout(self, kind: str, path: Path) -> Cells:
        return Cells.load(path, self.dimension, self.metric, self.bits)

    def erase_removed(self) -> None:
        if self._layout is not None and self._layout.stored > len(self):
            self._layout = self._build(CELLS, self.flat.rows.freeze(self._ids))

    # ---- searching

    def search(self, queries: Vectors, k: int, allowed: Allowed | Ids | None = None) -> Neighbours:
        queries, k, flat, cells = self.prepare(queries), check_k(k), self.flat, self._layout
        if cells is None:
            found = flat.search(queries, k, allowed, metric=self.metric)
            return Neighbours(found.ids, found.scores, self.position)
        restriction = None if allowed is None else flat.refresh_allowed(allowed)
        ids, scores = make_empty_answer(len(queries), k)
        need = min(k, len(self) if restriction is None else len(restriction))
        width, probes = max(WIDTH_PER_HIT * k, WIDTH_PER_EF * self.ef), min(cells.first_probes, cells.count)
        candidates, estimates = cells.search(queries, width, probes, self.threads)
        for row in range(len(queries) if need else 0):
            choice = _Choice(flat, cells, Target(queries[row], self.metric, need), restriction)
            ids[row, :need], scores[row, :need] = choice.find(candidates[row], estimates[row], width, probes)
        return Neighbours(ids, scores, self.position)


class _Choice:
    """The choice of the answers to one query among candidates with estimates."""

    def __init__(self, flat: Exact, cells: Cells, target: Target, allowed: Allowed | None) -> None:
        self.flat, self.cells, self.target, self.allowed = flat, cells, target, allowed
        self.k = target.k or 1

    def find(self, ids: Ids, estimates: Vectors, width: int, probes: int) -> tuple[Ids, Vectors]:
        """Return ids and exact scores of the k nearest, given the first candidates (n,), the best estimate first.

        Looks at more candidates and cells as long as they could hold answers, and scans if those are too many.
        """
        limit = max(MAX_WIDTH_SHARE * len(self.cells), width)
        while True:
            rows, scores, is_sure = self._score(ids, estimates)
            needed = self.cells.count_needed(self.target.query, self._find_least(scores, max(self.k, REACH_RANK)))
            if is_sure and needed <= probes:
                order = np.argsort(rows)
                ids, exact = self.flat.rank(self.target, rows[order], scores[order])
                return ids[: self.k], exact[: self.k]
            width, probes = width if is_sure else width * WIDTH_GROWTH, max(probes, needed)
            if width > limit:
                found = self.flat.search(self.target.query, self.k, self.allowed, metric=self.target.metric)
                return found.ids[0], found.scores[0]
            all_ids, all_estimates = self.cells.search(self.target.query[None], width, probes, 1)
            ids, estimates = all_ids[0], all_estimates[0]

    def _score(self, ids: Ids, estimates: Vectors) -> tuple[Ids, Vectors, bool]:
        """Return the rows of the candidates that could be answers with their scores in float32, and whether no other
        vector in the same cells could be one."""
        last, head, head_estimates = float(estimates[-1]), ids[:HEAD], estimates[:HEAD]
        if last == -np.inf or self.allowed is not None:
            is_usable = ids >= 0 if self.allowed is None else self.allowed.has(ids)
            ids, estimates = ids[is_usable], estimates[is_usable]
        count = max(HEAD, 2 * self.k)
        rows, scores = self._compare(ids[:count])
        errors = self._straighten(scores) - estimates[:count]
        if len(errors) < HEAD:  # of those that are not allowed, too
            exists = head >= 0
            errors = self._straighten(self._compare(head[exists])[1]) - head_estimates[exists]
        margin = ROUNDING * abs(last) if last > -np.inf else 0.0
        if len(errors):  # of vectors that are equal, they all have one mean
            mean, deviation = measure_spread(errors)
            margin += max(mean, 0.0) + DEVIATIONS * deviation
        close = int(np.count_nonzero(estimates >= self._find_least(scores, self.k) - margin))
        if close > count:
            more_rows, more_scores = self._compare(ids[count:close])
            rows, scores = np.concatenate([rows, more_rows]), np.concatenate([scores, more_scores])
        return rows, scores, len(scores) >= self.k and last < self._find_least(scores, self.k) - margin

    def _compare(self, ids: Ids) -> tuple[Ids, Vectors]:
        rows = self.flat.find_rows(ids)
        return rows, self.flat.score_rows(self.target.query, rows, self.target.metric)

    def _find_least(self, scores: Vectors, k: int) -> float:
        """Return the k-th best score in the scale of estimates; -inf if there are fewer."""
        return float(self._straighten(np.partition(scores, len(scores) - k)[-k])) if len(scores) >= k else -np.inf

    def _straighten(self, scores: Any) -> Any:
        """Return scores in the scale of estimates: distances negated become squares negated."""
        return -np.square(scores) if self.target.metric == "l2" else scores
