"""Followers that keep vectors in a checked file: the flat vector file, and the index over it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from indexers.errors import StoredFileDamaged
from indexers.followers.base import Follower
from indexers.reads import Snapshot
from indexers.types import Change, Space
from indexers.vectors import storage
from indexers.vectors.base import VectorIndex

BLOCK = 4096  # vectors read at a time: 8 MB of 512 dimensions


class StoredVectors(Follower):
    """Carries set and removed vectors into a member of the vector family, and keeps it in a folder of its own."""

    on_read: ClassVar[bool] = True
    stored: ClassVar[bool] = True

    def __init__(self, space: Space, index: VectorIndex, kind: str, folder: Path, collection: str) -> None:
        self.index = index
        super().__init__(space)
        self._kind, self._folder, self._collection = kind, folder, collection
        self._generation = 0

    @property
    def position(self) -> int:
        return self.index.position

    @position.setter
    def position(self, number: int) -> None:
        self.index.position = number

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        gone = [change.item for change in changes if change.what == "vector removed"]
        if gone:
            self.index.remove(np.array(gone, np.int64))
        there = [change.item for change in changes if change.what == "vector set"]
        for start in range(0, len(there), BLOCK):
            ids, vectors = snapshot.vectors(self.space.id, there[start : start + BLOCK])
            if len(ids):
                self.index.add(ids, self.index.prepare(vectors))

    def reset(self) -> None:
        self.index.reset()
        self.position = 0
