"""The index that is the best for the size of the collection: a scan, then a graph, then codes in cells.

Measured beside a graph on Fashion-MNIST by lite0 (20,700 x 624; `python -m tests.bench indices`), codes are built in a
tenth of the time, take in a vector in a quarter of it, and need a fourteenth of the memory; of what lies between two
clusters they find 1.00 instead of .94. A search takes .93 times as long there, as long among 30,000 x 512 clustered.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexers import plugins
from indexers.errors import StoredFileDamaged
from indexers.types import Metric, Neighbours, Vectors
from indexers.vectors.base import VectorIndex, check_k
from indexers.vectors.exact import Exact
from indexers.vectors.rabitq import Rabitq
from indexers.vectors.rows import FrozenRows
from indexers.vectors.small_world import SETTING_RANGES
from indexers.vectors.staged import CODES_FROM, GRAPH_FROM, SCANNED, Layout, Staged

SLACK = 0.5
"""A collection that shrinks keeps its layout down to this share of the number from which on it is due."""
BLOCK_ROWS = 8192
GROUP = "nearkin.vectors"


def choose_kind(count: int, present: str = SCANNED) -> str:
    """Return the member that suits so many vectors, where `present` serves now: SCANNED, what serves as "hnsw", or
    "rabitq"; without the package of that, a graph stays."""
    has_codes = find_spec("rabitqlib") is not None
    for kind, least in (("rabitq", CODES_FROM), (plugins.find_serving_name(GROUP, "hnsw"), GRAPH_FROM)):
        if count >= least * (SLACK if kind == present else 1) and (kind != "rabitq" or has_codes):
            return kind
    return SCANNED


class Auto(Staged):
    """The index that `choose_kind` names; the next one is built while the present one answers.

    Settings: those of both, `M` and `ef_construction` for the graph, `bits` for codes, `ef` and `threads`.
    """

    name: ClassVar[str] = "auto"
    metrics: ClassVar[frozenset[Metric]] = frozenset({"cosine", "ip", "l2"})
    setting_ranges: ClassVar[dict[str, tuple[int, int]]] = SETTING_RANGES | Rabitq.setting_ranges

    def __init__(self, dimension: int, metric: Metric = "cosine", **settings: Any) -> None:
        super().__init__(dimension, metric, **settings)
        self.settings = settings

    def _choose_kind(self) -> str:
        kind = choose_kind(len(self), self.kind)
        return self.kind if kind == SCANNED else kind  # what has a layout keeps it

    def _is_outgrown(self) -> bool:
        return False  # codes see to that themselves

    def plan_rebuild(self) -> Any:
        plan = super().plan_rebuild()
        return self._layout.plan_rebuild() if plan is None and self._layout is not None else plan

    def _make(self, kind: str) -> VectorIndex:
        names = Rabitq.setting_ranges if kind == "rabitq" else SETTING_RANGES
        settings = {name: value for name, value in self.settings.items() if name in names}
        member: VectorIndex = plugins.load_member(GROUP, kind)(self.dimension, self.metric, **settings)
        member.bind(self._get_flat)
        return member

    def _get_flat(self) -> Exact:
        return self.flat

    def _build(self, kind: str, frozen: FrozenRows) -> Layout:
        member = self._make(kind)
        if isinstance(member, Rabitq):
            member.take_over(frozen)
            return member
        for start in range(0, len(frozen.ids), BLOCK_ROWS):
            places = np.arange(start, min(start + BLOCK_ROWS, len(frozen.ids)))
            member.add(frozen.ids[places], frozen.take(places))
        return member

    @property
    def serving(self) -> VectorIndex | None:
        if self._layout is None:
            return None
        self._layout.position = self.position
        found: VectorIndex | None = self._layout.serving
        return found

    def erase_removed(self) -> None:
        if self._layout is not None:
            self._layout.erase_removed()

    def search(self, queries: Vectors, k: int, allowed: Any = None) -> Neighbours:
        serving = self.serving
        if serving is not None:
            return serving.search(queries, k, allowed)
        found = self.flat.search(self.prepare(queries), check_k(k), allowed, metric=self.metric)
        return Neighbours(found.ids, found.scores, self.position)

    def _load_layout(self, kind: str, path: Path) -> Layout:
        if kind not in (plugins.find_serving_name(GROUP, name) for name in ("hnsw", "rabitq")):
            raise StoredFileDamaged(f"it was made by {kind!r}, which does not serve here")
        member = self._make(kind)
        member.load(path)
        return member
