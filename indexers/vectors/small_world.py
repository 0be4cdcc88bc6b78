"""What every navigable small world shares: its settings, exact copies behind the vector that stands for them, and
the order of what happens when vectors come and go. Members bring the library that keeps the graph."""

from __future__ import annotations

from abc import abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexers.devices import count_cores
from indexers.errors import BadQuery, BadSetting, MissingPackage, WriteFailed
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.base import VectorIndex, break_ties, check_k, make_empty_answer, pair_with_ids
from indexers.vectors.identical import IdenticalVectors, compute_fingerprints

SETTING_RANGES = {"M": (2, 128), "ef_construction": (4, 4096), "ef": (1, 65536), "threads": (0, 1024)}
PRECISIONS = ("bf16", "i8")


class SmallWorld(VectorIndex):
    """A navigable small world over the distinct vectors; exact copies are found through the one that stands for them.

    Settings: `M` links of a node (twice as many on the ground layer), `ef_construction` and `ef` candidates while
    building and searching, `threads` (0: all processors that this process may use).
    """

    name: ClassVar[str]
    metrics: ClassVar[frozenset[Metric]] = frozenset({"cosine", "ip", "l2"})
    setting_names: ClassVar[frozenset[str]] = frozenset(SETTING_RANGES)
    """The names of the settings."""

    def __init__(
        self,
        dimension: int,
        metric: Metric = "cosine",
        *,
        M: int = 16,  # noqa: N803  the field's own name for it
        ef_construction: int = 200,
        ef: int = 128,
        threads: int = 0,
        **unknown: Any,
    ) -> None:
        super().__init__(dimension, metric)
        if unknown:
            able = ", ".join(sorted(self.setting_names))
            raise BadSetting(f"{self.name} has no setting {sorted(unknown)[0]!r}; it has: {able}")
        self.settings = {"M": M, "ef_construction": ef_construction, "ef": ef, "threads": threads}
        for name, value in self.settings.items():
            low, high = SETTING_RANGES[name]
            if not isinstance(value, int) or not low <= value <= high:
                raise BadSetting(f"{self.name}'s {name} is {value!r}; it must be a whole number from {low} to {high}")
        self.ef = ef
        self.threads = threads or count_cores()
        self._reset()

    def _reset(self) -> None:
        """Forget everything."""
        self._identical = IdenticalVectors()
        self._graph: Any = None

    @abstractmethod
    def _insert_nodes(self, ids: Ids, vectors: Vectors) -> None:
        """Enter distinct vectors under ids that are not in the graph."""

    @abstractmethod
    def _remove_nodes(self, ids: list[int]) -> None:
        """Take these out of the graph."""

    @abstractmethod
    def _relabel_node(self, old: int, new: int) -> None:
        """Let a vector of the graph stand under another id, which is not in it."""

    @abstractmethod
    def _search_graph(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """ids (n, up to k) and scores, nearest first, -1 and -inf where the graph could not reach as many."""

    @abstractmethod
    def _write_graph(self, path: Path) -> int:
        """Write the graph; the number of bytes that makes."""

    @abstractmethod
    def _read_graph(self, path: Path) -> None:
        """Take up what `_write` wrote. Raises StoredFileDamaged if it does not belong to the table of copies."""

    def __len__(self) -> int:
        return len(self._identical)

    def ids(self) -> Ids:
        """All ids, sorted; a copy."""
        return self._identical.ids.copy()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        ids, vectors = pair_with_ids(ids, self.prepare(vectors))
        self.remove(ids)
        if len(ids):
            fresh = self._identical.add(ids, compute_fingerprints(vectors))
            if fresh.any():
                self._insert_nodes(ids[fresh], vectors[fresh])

    def remove(self, ids: Ids) -> None:
        known = self._identical.select_known(np.unique(np.asarray(ids, dtype=np.int64)))
        if not len(known):
            return
        if len(known) == len(self):
            self._reset()
            return
        gone = self._identical.remove(known)
        for shown, heir in gone:
            if heir is not None:
                self._relabel_node(shown, heir)
        alone = [shown for shown, heir in gone if heir is None]
        if alone:
            self._remove_nodes(alone)

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> Neighbours:
        """The k nearest; -1 also where the graph could not reach as many as exist (the shared layer scans then)."""
        if allowed is not None:
            raise BadQuery(f"{self.name} can't restrict its answers; search through the shared layer (Searcher)")
        queries, k = self.prepare(queries), check_k(k)
        most = min(k, len(self._identical.representatives))
        if not most or not len(queries):
            return Neighbours(*make_empty_answer(len(queries), k), self.position)
        ids, scores = break_ties(*self._search_graph(queries, most))
        ids, scores = self._identical.include_hidden(ids, scores, k)
        return Neighbours(*pad_answer(ids, scores, k), self.position)

    def _similarity(self, distances: Vectors) -> Vectors:
        """From squared distances, or one less the inner product."""
        if self.metric == "l2":
            return -np.sqrt(np.maximum(distances, 0))
        scores: Vectors = np.float32(1) - distances
        return np.minimum(scores, np.float32(1)) if self.metric == "cosine" else scores

    def save(self, path: Path) -> None:
        """Write the library's own file at `path` and the table of ids and copies at `path` + ".ids"."""
        self._identical.save(append_suffix(path, ".ids"))
        if self._graph is None:
            path.write_bytes(b"")
            return
        full = self._write_graph(path)
        size = path.stat().st_size if path.exists() else 0
        if size != full:  # not every library looks at the state of its stream
            raise WriteFailed(f"{path} took {size} of {full} bytes; make room on the disk and try again")

    def load(self, path: Path) -> None:
        """Read what `save` wrote; verify it first, these libraries crash on damaged files."""
        self._reset()
        self._identical.load(append_suffix(path, ".ids"))
        if len(self._identical):
            self._read_graph(path)


class RoundedSmallWorld(SmallWorld):
    """A graph that keeps its vectors in fewer bits, so that its scores are nearly right, and exact ones are the shared
    layer's (which takes them from the flat vector file).

    `precision`: "bf16", half the memory of float32; "i8", a quarter: coordinates of unit vectors as whole numbers from
    -127 to 127, so for the cosine only. The other settings are those of every graph.
    """

    exact_scores: ClassVar[bool] = False
    setting_names: ClassVar[frozenset[str]] = SmallWorld.setting_names | {"precision"}

    def __init__(self, dimension: int, metric: Metric = "cosine", *, precision: str = "bf16", **settings: Any) -> None:
        if find_spec(self.name) is None:
            raise MissingPackage(f"the index {self.name!r} is not installed: pip install 'nearkin[{self.name}]'")
        if precision not in PRECISIONS:
            raise BadSetting(f"{self.name}'s precision is {precision!r}; it is one of: {', '.join(PRECISIONS)}")
        if precision == "i8" and metric != "cosine":
            raise BadSetting(f"precision 'i8' is for unit vectors, so for the cosine; for {metric!r} take 'bf16'")
        self.precision = precision
        super().__init__(dimension, metric, **settings)


def append_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def pad_answer(ids: Ids, scores: Vectors, k: int) -> tuple[Ids, Vectors]:
    missing = k - ids.shape[1]
    if missing <= 0:
        return ids, scores
    gap = (0, 0), (0, missing)
    return np.pad(ids, gap, constant_values=-1), np.pad(scores, gap, constant_values=-np.inf)
