"""The null distributions of the scores of a space, drawn anew as it grows twice as large.

All their state lies in the catalogue: which items they were drawn from can't be found out once some are gone, and every
process of one moment has to say the same of a hit. The vectors that a query is compared with, those of the cohort, are
not kept twice: they are those of its items that are still there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from indexers.catalogue.chances import StoredNulls
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.followers.base import Follower
from indexers.followers.stored import FlatFollower
from indexers.types import Change, Space, Vectors
from indexers.vectors.chance import ChanceModel, count_sampled, draw_cohort, pack_nulls

LoadWords = Callable[[], Vectors | None]
"""Returns unit vectors of some words; None if the embedder reads none."""


class ChanceFollower(Follower):
    """Keeps the null distributions of one space, in its own metric."""

    name: ClassVar[str] = "chances"

    def __init__(self, space: Space, flat: FlatFollower, load_words: LoadWords) -> None:
        super().__init__(space)
        self._flat, self._load_words = flat, load_words

    def reset(self) -> None:
        self.position = 0

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        """Do nothing: `record` goes by the number of items."""

    def read_changes(self, snapshot: Snapshot) -> Sequence[Change]:
        return ()

    def needs_record(self, snapshot: Snapshot) -> bool:
        size = len(self._flat.index)
        drawn = snapshot.chances.count_drawn(self.space.id)
        return bool(count_sampled(size)) and not drawn / 2 <= size < 2 * drawn

    def record(self, transaction: Transaction) -> None:
        if not self.needs_record(transaction):
            return
        flat, metric = self._flat.index, self.space.metric
        cohort, words = draw_cohort(flat.ids()), self._load_words()
        rows = flat.take_for_metric(cohort, metric)
        for of_texts in (False, True) if words is not None else (False,):
            model = ChanceModel(rows, metric, words if of_texts else None)
            nulls = pack_nulls(model.nulls)
            transaction.chances.put(StoredNulls(self.space.id, of_texts, len(flat), np.asarray(cohort), nulls))
