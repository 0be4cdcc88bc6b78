"""Rows of float32 named by ids: an immutable mapped base, and a tail in memory for what came since."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexers.errors import ItemNotFound, StoredFileDamaged
from indexers.types import Ids, Vectors

HEAD = struct.Struct("<8sqqd")
MAGIC = b"nearkin2"
PAGE = 4096
BLOCK_ROWS = 4096
"""Rows that are copied at once while writing: 8 MB at 512 dimensions."""


class Rows:
    """Row numbers count through the base first, then through the tail; a row that was replaced or removed is dead.

    No Python object per item: a sorted array of live ids with the row of each, and the id of each row (-1: dead).
    `version` changes with every change of content. `longest` bounds the length of every row. `lengths` float32
    (count,): that of each vector before it was prepared, which for a cosine is no longer to be seen in its row.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.version = 0
        self._set_base(np.empty(0, np.int64), np.empty((0, dimension), np.float32), np.empty(0, np.float32), 0.0)

    def _set_base(self, ids: Ids, base: Vectors, lengths: Vectors, max_length: float) -> None:
        self.base, self.max_length = base, max_length
        self.tail = np.empty((0, self.dimension), np.float32)
        self.tail_count = 0
        self.ids, self.row_numbers = ids, np.arange(len(ids))
        self.row_ids, self._lengths = ids.copy(), lengths
        self.version += 1

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def count(self) -> int:
        """Rows, dead ones included."""
        return len(self.base) + self.tail_count

    @property
    def dead_count(self) -> int:
        return self.count - len(self.ids)

    @property
    def lengths(self) -> Vectors:
        return self._lengths[: self.count]

    def locate(self, ids: Ids) -> tuple[Ids, NDArray[np.bool_]]:
        """Where each id stands, or would stand, among the sorted ids; and whether it is there."""
        place = np.searchsorted(self.ids, ids)
        if not len(self.ids):
            return place, np.zeros(len(ids), dtype=bool)
        found: NDArray[np.bool_] = self.ids[np.minimum(place, len(self.ids) - 1)] == ids
        return place, found

    def upsert(self, ids: Ids, vectors: Vectors, lengths: Vectors) -> None:
        """Add or replace; ids are distinct."""
        place, known = self.locate(ids)
        rows = np.full(len(ids), -1)
        rows[known] = self.row_numbers[place[known]]
        here = rows >= len(self.base)  # a row of the tail may be overwritten, one of the base may not
        self.tail[rows[here] - len(self.base)] = vectors[here]
        self.row_ids[rows[known & ~here]] = -1
        rows[~here] = self._append_tail(ids[~here], vectors[~here])
        self._lengths[rows] = lengths
        self.row_numbers[place[known]] = rows[known]
        self._insert_ids(ids[~known], rows[~known])
        if len(vectors):
            self.max_length = max(self.max_length, float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors).max())))
        self.version += 1

    def _append_tail(self, ids: Ids, vectors: Vectors) -> Ids:
        start, stop = self.tail_count, self.tail_count + len(ids)
        if stop > len(self.tail):
            grown = np.empty((max(stop, len(self.tail) * 3 // 2, 64), self.dimension), np.float32)
            grown[:start] = self.tail[:start]
            self.tail = grown
            names = np.full(len(self.base) + len(grown), -1, np.int64)
            names[: self.count] = self.row_ids[: self.count]
            self.row_ids, self._lengths = names, np.resize(self._lengths, len(names))
        self.tail[start:stop] = vectors
        self.row_ids[len(self.base) + start : len(self.base) + stop] = ids
        self.tail_count = stop
        return np.arange(len(self.base) + start, len(self.base) + stop)

    def _insert_ids(self, ids: Ids, rows: Ids) -> None:
        order = np.argsort(ids, kind="stable")
        ids, rows = ids[order], rows[order]
        place = np.searchsorted(self.ids, ids)
        self.ids, self.row_numbers = np.insert(self.ids, place, ids), np.insert(self.row_numbers, place, rows)

    def remove(self, ids: Ids) -> None:
        """Forget; unknown ids are passed over."""
        place, known = self.locate(np.unique(ids))
        place = place[known]
        self.row_ids[self.row_numbers[place]] = -1
        self.ids, self.row_numbers = np.delete(self.ids, place), np.delete(self.row_numbers, place)
        self.version += 1
        live = int(np.count_nonzero(self.row_ids[len(self.base) : self.count] >= 0))
        if self.tail_count - live > max(1024, live):
            self._compact_tail()

    def _compact_tail(self) -> None:
        """Give the dead rows of the tail back."""
        kept = np.flatnonzero(self.row_ids[len(self.base) : self.count] >= 0)
        moved = np.full(self.tail_count, -1)
        moved[kept] = np.arange(len(kept)) + len(self.base)
        rows = np.concatenate([np.arange(len(self.base)), kept + len(self.base)])
        self.row_ids, self._lengths = self.row_ids[rows], self._lengths[rows]
        self.tail, self.tail_count = self.tail[kept], len(kept)
        mine = self.row_numbers >= len(self.base)
        self.row_numbers[mine] = moved[self.row_numbers[mine] - len(self.base)]

    def gather_rows(self, rows: Ids, out: Vectors | None = None) -> Vectors:
        """Rows, sorted by number, as one table (n, dimension)."""
        out = np.empty((len(rows), self.dimension), np.float32) if out is None else out[: len(rows)]
        split = int(np.searchsorted(rows, len(self.base)))
        # mode "clip": with the default, numpy would fill a second buffer first
        if split:
            self.base.take(rows[:split], axis=0, out=out[:split], mode="clip")
        if split < len(rows):
            self.tail.take(rows[split:] - len(self.base), axis=0, out=out[split:], mode="clip")
        return out

    def take(self, ids: Ids) -> Vectors:
        """The vectors of these ids, in their order. Raises ItemNotFound for the first that is not there."""
        place, known = self.locate(ids)
        if not known.all():
            raise ItemNotFound(f"no vector of item {ids[~known][0]} is kept here")
        rows = self.row_numbers[place]
        order = np.argsort(rows, kind="stable")
        result = np.empty((len(ids), self.dimension), np.float32)
        result[order] = self.gather_rows(rows[order])
        return result

    def save(self, path: Path) -> None:
        """Live rows by id: head, ids, lengths, vectors from the next page on. Holds one block of rows at a time."""
        with open(path, "xb") as file:
            file.write(HEAD.pack(MAGIC, len(self.ids), self.dimension, self.max_length))
            file.write(np.ascontiguousarray(self.ids).data)
            file.write(self._lengths[self.row_numbers].data)
            file.write(b"\0" * (_compute_vectors_start(len(self.ids)) - file.tell()))
            for first in range(0, len(self.ids), BLOCK_ROWS):
                rows = self.row_numbers[first : first + BLOCK_ROWS]
                order = np.argsort(rows, kind="stable")
                block = np.empty((len(rows), self.dimension), np.float32)
                block[order] = self.gather_rows(rows[order])
                file.write(block.data)

    def load(self, path: Path) -> None:
        """Map a file that `save` wrote. Raises StoredFileDamaged if it is of another shape."""
        with open(path, "rb") as file:
            head = file.read(HEAD.size)
            if len(head) < HEAD.size or not head.startswith(MAGIC):
                raise StoredFileDamaged(f"{path} is not a file of vectors as this version writes it")
            _, count, dimension, longest = HEAD.unpack(head)
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
        self._set_base(ids, base, lengths, longest)


def _compute_vectors_start(count: int) -> int:
    """Where the vectors begin: at a page, so that the mapping is aligned."""
    return -(-(HEAD.size + 12 * count) // PAGE) * PAGE
