"""What a transaction writes of spaces, vectors, followers and settings, and the log of its changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue import dialects
from indexers.catalogue.schema import (
    change,
    counter,
    follower,
    item,
    setting,
    space,
    vector,
)
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.space_reader import CANDIDATE_THRESHOLD
from indexers.errors import WriteConflict
from indexers.types import Arrival, ChangeKind, Json, Metric, Space, StoredArrival


class SpaceWriter(Snapshot):
    """A snapshot that writes spaces, vectors, followers' positions and settings. `finish` numbers its changes."""

    is_beside = False
    """Whether other transactions write at the same time: what two of them may not both do raises WriteConflict."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.at = int(time.time() * 1e6)
        self._log: dict[tuple[int, int | None], ChangeKind] = {}

    def _do(self, statement: sa.Executable, rows: Sequence[Json] | None = None) -> None:
        if rows is None or rows:
            self._connection.execute(statement, rows)

    def _insert_rows(self, table: sa.Table, rows: Sequence[Json]) -> None:
        """Insert many rows, all with the same columns."""
        if rows:
            dialects.find(self._connection).insert_rows(self._connection, table, rows)

    def _log_change(self, item_id: int, space_id: int | None, kind: ChangeKind) -> None:
        before = self._log.pop((item_id, space_id), None)
        self._log[item_id, space_id] = "added" if before == "added" and kind == "changed" else kind

    def finish(self) -> None:
        """Give the changes their numbers. Every transaction that changes something writes the counter's row, which
        no other can write then before the commit: so numbers have no gaps, in the order of commits, on any database."""
        if not self._log:
            return
        counted = sa.update(counter).values(number=counter.c.number + len(self._log)).returning(counter.c.number)
        self.number = int(self._connection.execute(counted).scalar_one())
        self._check_beside()
        first = self.number - len(self._log) + 1
        rows = [
            {"number": number, "item": item_id, "space": space_id, "what": kind, "at": self.at}
            for number, ((item_id, space_id), kind) in enumerate(self._log.items(), first)
        ]
        self._insert_rows(change, rows)
        self._log.clear()

    def _demand_alone(self) -> None:
        """Raise WriteConflict if other transactions write at the same time."""
        if self.is_beside:
            raise WriteConflict("this takes a transaction that is alone; call again")

    def _check_beside(self) -> None:
        """Raise WriteConflict if others have committed meanwhile what this transaction should have seen."""

    # ---- vectors

    def add_space(
        self, name: str, embedder: str | None, settings: Json, fingerprint: str, dimension: int, metric: Metric
    ) -> Space:
        """Add a space. The first one becomes the current one."""
        row: Json = {"name": name, "embedder": embedder, "settings": settings, "fingerprint": fingerprint}
        row |= {"dimension": dimension, "metric": metric, "current": not self.spaces(), "parts": None}
        space_id = self._connection.execute(sa.insert(space).values(**row).returning(space.c.id)).scalar_one()
        return Space(id=space_id, **row)

    def set_current(self, space_id: int) -> None:
        """Make a space the one that is searched by default."""
        self._do(sa.update(space).values(current=space.c.id == space_id))

    def drop_space(self, space_id: int) -> None:
        """Delete a space with its vectors and the state of its followers, and those of parts that lie beside it."""
        beside = [row.id for of in self.spaces() if of.id == space_id for row in self.part_spaces(of)]
        for dropped_id in (space_id, *beside):
            table = self._find_table(dropped_id).table
            self._do(sa.delete(table).where(table.c.space == dropped_id))
            self._do(sa.delete(space).where(space.c.id == dropped_id))
        self._do(sa.delete(setting).where(setting.c.key == CANDIDATE_THRESHOLD.format(space_id)))

    def set_candidate_threshold(self, space_id: int, threshold: float) -> None:
        """Set the similarity from which two vectors of a space are compared as pictures."""
        self.set_setting(CANDIDATE_THRESHOLD.format(space_id), threshold)

    def set_vectors(self, space_id: int, vectors: dict[int, Any], new: set[int] | frozenset[int] = frozenset()) -> None:
        """Set or replace vectors, float32, by the id of the item, or of the part. An equal one counts as no change.

        new: ids that can't have a vector yet, which saves looking for it.
        """
        table, owner, owner_name, _ = self._find_table(space_id)
        data = {item_id: np.ascontiguousarray(values, "<f4").tobytes() for item_id, values in vectors.items()}
        for chunk in split_chunks([item_id for item_id in data if item_id not in new]):
            in_space = table.c.space == space_id
            query = sa.select(owner, table.c.data).where(in_space, owner.in_(chunk))
            before = {row[0]: row[1] for row in self._all(query)}
            for item_id in [item_id for item_id in chunk if before.get(item_id) == data[item_id]]:
                del data[item_id]
            changed = [item_id for item_id in chunk if item_id in data]
            self._do(sa.delete(table).where(in_space, owner.in_(changed)))
        self._insert_rows(
            table, [{"space": space_id, owner_name: item_id, "data": content} for item_id, content in data.items()]
        )
        for item_id in data:
            self._log_change(item_id, space_id, "vector set")

    def fill_vectors(self, arrivals: Sequence[Arrival], space_id: int) -> list[StoredArrival]:
        """Set the vectors of existing items. An item that was removed or replaced since it was read is passed over."""
        by_item = {
            arrival.item_id: arrival
            for arrival in arrivals
            if arrival.item_id is not None and arrival.vector is not None
        }
        for chunk in split_chunks(list(by_item)):
            query = sa.select(item.c.id, item.c.hash).where(item.c.id.in_(chunk))
            hashes = {row.id: row.hash for row in self._all(query)}
            same = [item_id for item_id in chunk if item_id in hashes and hashes[item_id] == by_item[item_id].hash]
            self.set_vectors(space_id, {item_id: by_item[item_id].vector for item_id in same})
        return [StoredArrival(item_id, True) for item_id in by_item]

    def drop_vectors(self, item_id: int) -> None:
        """Delete an item's vectors in every space."""
        for space_id in self._scalars(sa.select(vector.c.space).where(vector.c.item == item_id)):
            self._log_change(item_id, space_id, "vector removed")
        self._do(sa.delete(vector).where(vector.c.item == item_id))

    # ---- followers and settings

    def record_follower(self, name: str, space_id: int, position: int, generation: int) -> None:
        """Note the position that a follower's file has reached."""
        self._do(sa.delete(follower).where(follower.c.name == name, follower.c.space == space_id))
        self._do(sa.insert(follower).values(name=name, space=space_id, position=position, generation=generation))

    def prune(self, keep: int) -> None:
        """Delete changes that every stored follower has carried out, except for the newest `keep`."""
        lowest = next(iter(self._scalars(sa.select(sa.func.min(follower.c.position)))), None)
        oldest = min(lowest or 0, self.number - keep)
        if oldest > self.oldest:
            self._do(sa.delete(change).where(change.c.number < oldest))
            self._do(sa.update(counter).values(oldest=oldest))

    def set_setting(self, key: str, value: Any) -> None:
        """Set or replace a setting."""
        self._do(sa.delete(setting).where(setting.c.key == key))
        self._do(sa.insert(setting).values(key=key, value=value))
