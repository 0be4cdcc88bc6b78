"""Rows of float32 with ids: an immutable mapped base, and a tail in memory for what has been added since."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.errors import ItemNotFound, StoredFileDamaged
from indexers.types import Ids, Vectors

HEAD = struct.Struct("<8sqq8x")
MAGIC = b"nearkin2"
PAGE = 4096
BLOCK_ROWS = 4096
"""Rows that are copied at once while writing: 8 MB at 512 dimensions."""


class FrozenRows(NamedTuple):
    """Rows as they were at one moment, to be read while they change: only the vectors of ids that have been replaced or
    removed since may be others, or halves of two.

    ids: sorted. numbers: the row of each.
    """

    ids: Ids
    numbers: Ids
    base: Vectors
    tail: Vectors

    def take(self, places: Ids) -> Vectors:
        """Return the vectors of the ids at these places, float32 (n, dimension)."""
        numbers, split = self.numbers[places], len(self.base)
        vectors = np.empty((len(places), self.base.shape[1]), np.float32)
        in_base = numbers < split
        vectors[in_base], vectors[~in_base] = self.base[numbers[in_base]], self.tail[numbers[~in_base] - split]
        return vectors


class Rows:
    """A table of vectors. Row numbers count through the base, then through the tail; a replaced or removed row is dead.

    No Python object per item: `ids`, the live ids sorted, with `row_numbers`, the row of each; and `row_ids`, the id of
    each row (-1: dead). `version` changes with every change of content.
    `lengths` float32 (count,): that of each vector before it was prepared, which its row does not show for a cosine.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.version = 0
        self._set_base(np.empty(0, np.int64), np.empty((0, dimension), np.float32), np.empty(0, np.float32))

    def _set_base(self, ids: Ids, base: Vectors, lengths: Vectors) -> None:
        self.base = base
        self.tail = np.empty((0, self.dimension), np.float32)
        self.tail_count = 0
        self.ids, self.row_numbers = ids, np.arange(len(ids), dtype=np.int64)
        self.row_ids, self._lengths = ids.copy(), lengths
        self.version += 1

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def count(self) -> int:
        """The number of rows, dead ones included."""
        return len(self.base) + self.tail_count

    @property
    def dead_count(self) -> int:
        """The number of dead rows."""
        return self.count - len(self.ids)

    @property
    def lengths(self) -> Vectors:
        """The length of each vector before it was prepared, float32 (count,)."""
        return self._lengths[: self.count]

    def locate(self, ids: Ids) -> tuple[Ids, NDArray[np.bool_]]:
        """Return the place of each id, or where it would be inserted, among the sorted ids; and whether it is known."""
        places = np.searchsorted(self.ids, ids)
        if not len(self.ids):
            return places, np.zeros(len(ids), dtype=bool)
        known: NDArray[np.bool_] = self.ids[np.minimum(places, len(self.ids) - 1)] == ids
        return places, known

    def upsert(self, ids: Ids, vectors: Vectors, lengths: Vectors) -> int:
        """Add or replace vectors; each id comes once. Return the number of leading rows that hold what they held."""
        held = self.count
        places, known = self.locate(ids)
        rows = np.full(len(ids), -1, dtype=np.int64)
        rows[known] = self.row_numbers[places[known]]
        in_tail = rows >= len(self.base)  # a row of the tail may be overwritten, one of the base may not
        self.tail[rows[in_tail] - len(self.base)] = vectors[in_tail]
        held = min(held, int(rows[in_tail].min(initial=held)))
        self.row_ids[rows[known & ~in_tail]] = -1
        rows[~in_tail] = self._append_tail(ids[~in_tail], vectors[~in_tail])
        self._lengths[rows] = lengths
        self.row_numbers[places[known]] = rows[known]
        self._insert_ids(ids[~known], rows[~known])
        self.version += 1
        return held

    def _append_tail(self, ids: Ids, vectors: Vectors) -> Ids:
        start, stop = self.tail_count, self.tail_count + len(ids)
        if stop > len(self.tail):
            capacity = max(stop, len(self.tail) * 3 // 2, 64)
            tail = np.empty((capacity, self.dimension), np.float32)
            tail[:start] = self.tail[:start]
            self.tail = tail
            row_ids = np.full(len(self.base) + capacity, -1, np.int64)
            row_ids[: self.count] = self.row_ids[: self.count]
            self.row_ids, self._lengths = row_ids, np.resize(self._lengths, len(row_ids))
        self.tail[start:stop] = vectors
        self.row_ids[len(self.base) + start : len(self.base) + stop] = ids
        self.tail_count = stop
        return np.arange(len(self.base) + start, len(self.base) + stop, dtype=np.int64)

    def _insert_ids(self, ids: Ids, rows: Ids) -> None:
        order = np.argsort(ids, kind="stable")
        ids, rows = ids[order], rows[order]
        places = np.searchsorted(self.ids, ids)
        self.ids, self.row_numbers = np.insert(self.ids, places, ids), np.insert(self.row_numbers, places, rows)

    def remove(self, ids: Ids) -> int:
        """Remove the vectors of these ids; unknown ids are ignored. Return the number of leading rows that stay where
        they are."""
        places, known = self.locate(np.unique(ids))
        places = places[known]
        self.row_ids[self.row_numbers[places]] = -1
        self.ids, self.row_numbers = np.delete(self.ids, places), np.delete(self.row_numbers, places)
        self.version += 1
        live = int(np.count_nonzero(self.row_ids[len(self.base) : self.count] >= 0))
        if self.tail_count - live <= max(1024, live):
            return self.count
        self._compact_tail()
        return len(self.base)

    def _compact_tail(self) -> None:
        """Drop the dead rows of the tail."""
        live = np.flatnonzero(self.row_ids[len(self.base) : self.count] >= 0)
        new_rows = np.full(self.tail_count, -1, dtype=np.int64)
        new_rows[live] = np.arange(len(live)) + len(self.base)
        rows = np.concatenate([np.arange(len(self.base)), live + len(self.base)])
        self.row_ids, self._lengths = self.row_ids[rows], self._lengths[rows]
        self.tail, self.tail_count = self.tail[live], len(live)
        in_tail = self.row_numbers >= len(self.base)
        self.row_numbers[in_tail] = new_rows[self.row_numbers[in_tail] - len(self.base)]

    def freeze(self, ids: Ids) -> FrozenRows:
        """Return the rows of those of the ids, sorted, that are known, to be read while these rows change."""
        places, known = self.locate(ids)
        return FrozenRows(ids[known], self.row_numbers[places[known]], self.base, self.tail)

    def gather_rows(self, rows: Ids, out: Vectors | None = None) -> Vectors:
        """Gather rows, in ascending order, into one table (n, dimension): a new one, or the first rows of `out`."""
        out = np.empty((len(rows), self.dimension), np.float32) if out is None else out[: len(rows)]
        split = int(np.searchsorted(rows, len(self.base)))
        # mode "clip": with the default, numpy would fill a second buffer first
        if split:
            self.base.take(rows[:split], axis=0, out=out[:split], mode="clip")
        if split < len(rows):
            self.tail.take(rows[split:] - len(self.base), axis=0, out=out[split:], mode="clip")
        return out

    def take(self, ids: Ids) -> Vectors:
        """Return the vectors of these ids, in their order. Raises ItemNotFound for the first unknown one."""
        places, known = self.locate(ids)
        if not known.all():
            raise ItemNotFound(f"item {ids[~known][0]} has no vector here")
        return self.take_rows(self.row_numbers[places])

    def take_rows(self, rows: Ids) -> Vectors:
        """Return the vectors of rows, in their order, float32 (n, dimension)."""
        if not self.tail_count:
            return self.base.take(rows, axis=0, mode="clip")
        order = np.argsort(rows, kind="stable")
        vectors = np.empty((len(rows), self.dimension), np.float32)
        vectors[order] = self.gather_rows(rows[order])
        return vectors

    def save(self, path: Path) -> None:
        """Write the live rows by id: head, ids, lengths, vectors from the next page on. Holds one block at a time."""
        with open(path, "xb") as file:
            file.write(HEAD.pack(MAGIC, len(self.ids), self.dimension))
            file.write(np.ascontiguousarray(self.ids).data)
            file.write(self._lengths[self.row_numbers].data)
            file.write(b"\0" * (_compute_vectors_start(len(self.ids)) - file.tell()))
            for first in range(0, len(self.ids), BLOCK_ROWS):
                file.write(self.take_rows(self.row_numbers[first : first + BLOCK_ROWS]).data)

    def load(self, path: Path) -> None:
        """Map a file that `save` wrote. Raises StoredFileDamaged if it is of another shape."""
        with open(path, "rb") as file:
            head = file.read(HEAD.size)
            if len(head) < HEAD.size or not head.startswith(MAGIC):
                raise StoredFileDamaged(f"{path} is not a file of vectors in the format of this version")
            _, count, dimension = HEAD.unpack(head)
            size = _compute_vectors_start(count) + count * dimension * 4
            if count < 0 or dimension != self.dimension or path.stat().st_size != size:
                raise StoredFileDamaged(f"{path} does not hold {count} vectors of {self.dimension} coordinates")
            ids, lengths = np.fromfile(file, np.int64, count), np.fromfile(file, np.float32, count)
        if count:  # an empty mapping is refused by the operating system
            base: Vectors = np.asarray(
                np.memmap(path, np.float32, "r", _compute_vectors_start(count), (count, dimension))
            )
        else:
            base = np.empty((0, dimension), np.float32)
        self._set_base(ids, base, lengths)


def _compute_vectors_start(count: int) -> int:
    """Return where the vectors start: at a page, so that the mapping is aligned."""
    return -(-(HEAD.size + 12 * count) // PAGE) * PAGE
