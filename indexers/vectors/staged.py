"""An index that is scanned while it is small, and then answers through a layout that is built anew when it has outgrown
it, while searches and changes go on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from indexers.devices import count_cores
from indexers.errors import BadSetting, StoredFileDamaged
from indexers.types import Ids, Metric, Rebuild, Vectors
from indexers.vectors.base import VectorIndex, pair_with_ids
from indexers.vectors.exact import Exact
from indexers.vectors.rows import FrozenRows
from indexers.vectors.small_world import append_suffix

SCANNED = "scanned"
"""The kind of an index without a layout."""
GRAPH_FROM, CODES_FROM = 5000, 50_000
"""Vectors from which on a graph suits a collection, and codes."""
FLAT = ".flat"
"""The vectors of an index without a flat vector file, beside the file of the layout. Under the name of the member, the
kind of layout lies there too."""


class Layout(Protocol):
    """What a staged index answers through; a VectorIndex, or less."""

    def __len__(self) -> int: ...

    def add(self, ids: Ids, vectors: Vectors) -> None: ...

    def remove(self, ids: Ids) -> None: ...

    def save(self, path: Path) -> None: ...


class Staged(VectorIndex):
    """The vectors lie in the flat vector file (`bind`), or are kept here if there is none.

    A member names its layout (`kind`) and builds it. The layout takes in what comes until it is built anew.
    """

    name: ClassVar[str]
    setting_ranges: ClassVar[dict[str, tuple[int, int]]]

    def __init__(self, dimension: int, metric: Metric = "cosine", **settings: Any) -> None:
        super().__init__(dimension, metric)
        for name, value in settings.items():
            if name not in self.setting_ranges:
                names = ", ".join(sorted(self.setting_ranges))
                raise BadSetting(f"{self.name} has no setting {name!r}; it has: {names}")
            low, high = self.setting_ranges[name]
            if not isinstance(value, int) or not low <= value <= high:
                raise BadSetting(f"{self.name}'s {name} is {value!r}; it must be a whole number from {low} to {high}")
        self.threads = settings.get("threads", 0) or count_cores()
        self._find_flat: Callable[[], Exact] | None = None
        self._reset()

    def _reset(self) -> None:
        self._ids = np.empty(0, np.int64)
        self._own = Exact(self.dimension, self.metric)  # used only without a flat vector file
        self._layout: Any = None
        self.kind = SCANNED
        self._changed: set[int] | None = None  # ids, since a rebuild was planned; None: none is under way

    @abstractmethod
    def _choose_kind(self) -> str:
        """Return the kind of layout that is due; SCANNED for none."""

    @abstractmethod
    def _is_outgrown(self) -> bool:
        """Return True if a layout of the right kind has to be built anew."""

    @abstractmethod
    def _build(self, kind: str, frozen: FrozenRows) -> Layout:
        """Return a layout of these vectors. Runs beside searches and changes."""

    @abstractmethod
    def _load_layout(self, kind: str, path: Path) -> Layout:
        """Read what the layout's `save` wrote."""

    def bind(self, find_flat: Callable[[], Exact]) -> None:
        self._find_flat = find_flat

    @property
    def flat(self) -> Exact:
        """The flat vector file."""
        return self._find_flat() if self._find_flat else self._own

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> Ids:
        """Return all ids, sorted; a copy."""
        return self._ids.copy()

    # ---- changes

    def add(self, ids: Ids, vectors: Vectors) -> None:
        ids, vectors = pair_with_ids(ids, self.prepare(vectors))
        self.remove(ids)
        if not self._find_flat:
            self._own.add(ids, vectors)
        order = np.sort(ids)
        self._ids = np.insert(self._ids, np.searchsorted(self._ids, order), order)
        if self._layout is not None:
            self._layout.add(ids, vectors)
        self._note_changed(ids)

    def remove(self, ids: Ids) -> None:
        ids = np.unique(np.asarray(ids, dtype=np.int64))
        places = np.searchsorted(self._ids, ids)
        is_within = places < len(self._ids)
        known = ids[is_within][self._ids[places[is_within]] == ids[is_within]]
        if not len(known):
            return
        self._ids = np.delete(self._ids, np.searchsorted(self._ids, known))
        self._own.remove(known)
        if not len(self._ids):
            self._reset()
        elif self._layout is not None:
            self._layout.remove(known)
        self._note_changed(known)

    def _note_changed(self, ids: Ids) -> None:
        if self._changed is not None:
            self._changed.update(ids.tolist())

    def flush(self) -> None:
        if not self._find_flat:  # else whoever drives it rebuilds while searches go on
            self.rebuild()

    def plan_rebuild(self) -> Rebuild | None:
        kind = self._choose_kind()
        if kind == SCANNED or (kind == self.kind and not self._is_outgrown()):
            return None
        frozen, changed = self.flat.rows.freeze(self._ids), set[int]()
        self._changed = changed

        def build() -> Callable[[], None]:
            layout = self._build(kind, frozen)
            return lambda: self._take(kind, layout, changed)

        return build

    def _take(self, kind: str, layout: Layout, changed: set[int]) -> None:
        """Use a new layout, with what has changed since it was planned."""
        if self._changed is not changed:  # everything was read anew meanwhile
            return
        ids, flat = np.array(sorted(changed), np.int64), self.flat
        layout.remove(ids)
        ids = ids[np.isin(ids, self._ids) & flat.has(ids)]
        layout.add(ids, flat.take(ids))
        self._changed = None
        if len(layout) == len(self._ids):  # else the flat file is at another moment: the next rebuild finds it right
            self._layout, self.kind = layout, kind

    # ---- files

    def save(self, path: Path) -> None:
        """Write the layout, or without one the ids; beside it the kind, and without a flat file the vectors."""
        append_suffix(path, f".{self.name}").write_text(self.kind)
        if not self._find_flat:
            self._own.save(append_suffix(path, FLAT))
        if self._layout is None:
            path.write_bytes(np.concatenate([[len(self._ids)], self._ids]).astype(np.int64).tobytes())
        else:
            self._layout.save(path)

    def load(self, path: Path) -> None:
        self._reset()
        if not self._find_flat:
            self._own.load(append_suffix(path, FLAT))
        self.kind = append_suffix(path, f".{self.name}").read_text()
        if self.kind != SCANNED:
            self._layout = self._load_layout(self.kind, path)
            self._ids = self._layout.ids().copy()
            return
        numbers = np.fromfile(path, np.int64)
        if not len(numbers) or len(numbers) != 1 + numbers[0]:
            raise StoredFileDamaged(f"{path} does not hold as many ids as it says")
        self._ids = numbers[1:]
