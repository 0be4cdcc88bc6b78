"""Which items a search may answer with, prepared so that the same restriction is cheap to use again."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from indexers.types import Ids, Vectors


class Allowed:
    """A restriction, bound to one version of the rows of an Exact.

    `ids`: what was allowed, sorted, distinct, whether stored or not. `rows`: the live rows among them, sorted.
    `share`: the part of all live rows that is kept. `matrix`: the rows gathered into one table, while there is room.
    """

    def __init__(self, ids: Ids, rows: Ids, share: float, version: int, cacheable: bool) -> None:
        self.ids, self.rows, self.share, self.version, self.cacheable = ids, rows, share, version, cacheable
        self.matrix: Vectors | None = None
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        self.run_starts = np.concatenate([[0], breaks]).astype(np.int64) if len(rows) else breaks
        self.success_rates = [1.0, 1.0]
        """How often over-fetching of each width was enough lately, 0 to 1: what the shared layer learns."""
        self.use_count = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, item: int) -> bool:
        return bool(self.has(np.array([item]))[0])

    def has(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of these are allowed; of any shape."""
        if not len(self.ids):
            return np.zeros(ids.shape, dtype=bool)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found: NDArray[np.bool_] = self.ids[place] == ids
        return found


class MatrixCache:
    """The tables of the restrictions used last, bounded in bytes; the one used longest ago goes first."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self._holders: OrderedDict[int, Allowed] = OrderedDict()
        self._lock = Lock()  # searches run beside each other

    def get(self, allowed: Allowed) -> Vectors | None:
        with self._lock:
            if id(allowed) in self._holders:
                self._holders.move_to_end(id(allowed))
            return allowed.matrix

    def store(self, allowed: Allowed, matrix: Vectors) -> None:
        with self._lock:
            if matrix.nbytes > self.capacity_bytes or allowed.matrix is not None:
                return
            while self.used_bytes + matrix.nbytes > self.capacity_bytes:
                _, oldest = self._holders.popitem(last=False)
                self._release(oldest)
            allowed.matrix = matrix
            self._holders[id(allowed)] = allowed
            self.used_bytes += matrix.nbytes

    def _release(self, allowed: Allowed) -> None:
        if allowed.matrix is not None:
            self.used_bytes -= allowed.matrix.nbytes
            allowed.matrix = None

    def clear(self) -> None:
        with self._lock:
            for allowed in self._holders.values():
                self._release(allowed)
            self._holders.clear()
