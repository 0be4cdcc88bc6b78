"""The follower of an index on a server, which is one for all machines: whoever is first brings it forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from indexers.catalogue.snapshot import Snapshot
from indexers.followers.stored import BLOCK, IndexFollower
from indexers.types import Change, Space
from indexers.vectors.base import Remote


class RemoteFollower(IndexFollower):
    """The approximate index of a space on a server. Nothing of it is stored on this machine.

    `position` is what this process knows that the index has reached; the server holds the true one, together with the
    vectors. An index that is ahead of a moment does no harm: its candidates are looked up in the flat file.
    """

    stored: ClassVar[bool] = False

    def __init__(self, space: Space, make_index: Callable[[], Remote]) -> None:
        self.space, self._make_index = space, make_index
        self._is_ahead = False
        self.index: Remote = make_index()

    def load(self, snapshot: Snapshot) -> str | None:
        """Find the position on the server. An index of another history is emptied by the next `apply`."""
        self.reset()
        with self.index.lead() as (position, stamp):
            reason = self._find_fault(position, stamp, snapshot)
        if position > snapshot.number:  # and still so at a newer moment, at which the loop calls again
            reason = f"is at change {position} on its server, and the catalogue at {snapshot.number}"
        self._is_ahead = position > snapshot.number
        self.position = 0 if reason else min(position, snapshot.number)
        return reason

    def _find_fault(self, position: int, stamp: int, snapshot: Snapshot) -> str | None:
        if 0 < position < snapshot.oldest:
            return f"is at change {position} on its server, and changes before {snapshot.oldest} are no longer kept"
        if position <= snapshot.number and stamp != snapshot.change_time(position):
            return f"belongs to another history on its server (its change {position} is not the catalogue's)"
        return None

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        with self.index.lead() as (position, stamp):
            if self._find_fault(position, stamp, snapshot) or (self._is_ahead and position > snapshot.number):
                self.index.clear()
                position = 0
            if position >= snapshot.number:  # another machine was faster
                return
            if position != self.position:
                changes = snapshot.changes(position, self.space.id)
            self._write(changes, snapshot)
            self.index.store_position(snapshot.number, snapshot.change_time(snapshot.number))
        self._is_ahead = False

    def _write(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        removed = [change.item_id for change in changes if change.kind == "vector removed"]
        self.index.remove(np.array(removed, np.int64))
        changed = [change.item_id for change in changes if change.kind == "vector set"]
        for start in range(0, len(changed), BLOCK):
            ids, vectors = snapshot.vectors(self.space.id, changed[start : start + BLOCK])
            self.index.add(ids, vectors)

    def restart(self) -> None:
        with self.index.lead():
            self.index.clear()
        self.reset()

    def reset(self) -> None:
        """Let go of the connection; what lies on the server stays."""
        self.index.close()
        self.index = self._make_index()  # type: ignore[assignment]

    def find_damage(self) -> str | None:
        return None
