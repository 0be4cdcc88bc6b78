"""Which items may answer a search, prepared so that the same restriction is cheap to use again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from indexers.types import Ids, Vectors


class Allowed:
    """The items that may answer, bound to one version of the rows of an Exact.

    `ids`: the allowed ids, sorted, each once, stored or not. `rows`: the live rows of these, sorted. `share`: their
    share of all live rows. `matrix`: the rows gathered into one table, if they are cacheable and while there is room.
    `run_starts`: where in `rows` a run of neighbouring rows starts.
    """

    def __init__(self, ids: Ids, rows: Ids, share: float, version: int, cacheable: bool) -> None:
        self.ids, self.rows, self.share, self.version, self.cacheable = ids, rows, share, version, cacheable
        self.matrix: Vectors | None = None
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        self.run_starts = np.concatenate([[0], breaks]).astype(np.int64) if len(rows) else breaks
        self.success_rates = [1.0, 1.0]
        """How often over-fetching of each width has been enough lately, 0 to 1; the shared layer learns it."""
        self.use_count = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, item_id: int) -> bool:
        return bool(self.has(np.array([item_id]))[0])

    def has(self, ids: Ids) -> NDArray[np.bool_]:
        """Return which of these ids, of any shape, are allowed."""
        if not len(self.ids):
            return np.zeros(ids.shape, dtype=bool)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        is_allowed: NDArray[np.bool_] = self.ids[place] == ids
        return is_allowed


class MatrixCache:
    """The gathered tables of the Allowed used last, bounded in bytes; the least recently used goes first.

    A table belongs to its Allowed and goes with it: the cache holds no restriction that nobody else holds any more.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._holders: OrderedDict[int, ref[Allowed]] = OrderedDict()
        self._lock = Lock()  # searches run beside each other

    @property
    def used_bytes(self) -> int:
        """The bytes of all tables that are held."""
        with self._lock:
            return count_bytes(self._collect_living())

    def get(self, allowed: Allowed) -> Vectors | None:
        """Return the table if it is held, and mark it as just used."""
        with self._lock:
            if id(allowed) in self._holders:
                self._holders.move_to_end(id(allowed))
            return allowed.matrix

    def store(self, allowed: Allowed, matrix: Vectors) -> None:
        """Hold a table and release others for it; do nothing if it is larger than the capacity."""
        with self._lock:
            if matrix.nbytes > self.capacity_bytes or allowed.matrix is not None:
                return
            living = self._collect_living()
            used_bytes = count_bytes(living)
            for oldest in living:
                if used_bytes + matrix.nbytes <= self.capacity_bytes:
                    break
                used_bytes -= count_bytes([oldest])
                oldest.matrix = None
                del self._holders[id(oldest)]
            allowed.matrix = matrix
            self._holders[id(allowed)] = ref(allowed)

    def clear(self) -> None:
        """Release all tables."""
        with self._lock:
            for allowed in self._collect_living():
                allowed.matrix = None
            self._holders.clear()

    def _collect_living(self) -> list[Allowed]:
        """Forget the Allowed that are gone, and return the others, the least recently used first.

        Without a callback of the references: it could run while this thread holds the lock.
        """
        holders = [(key, holder()) for key, holder in self._holders.items()]
        self._holders = OrderedDict((key, self._holders[key]) for key, allowed in holders if allowed is not None)
        return [allowed for _, allowed in holders if allowed is not None]


def count_bytes(several: Sequence[Allowed]) -> int:
    """Return the bytes of their tables."""
    return sum(allowed.matrix.nbytes for allowed in several if allowed.matrix is not None)
