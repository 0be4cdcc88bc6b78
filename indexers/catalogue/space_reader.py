"""What can be read of spaces, their vectors, the log of changes, followers and settings, at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.readers import Readers
from indexers.catalogue.rows import read_state
from indexers.catalogue.schema import (
    chance,
    change,
    clustering,
    counter,
    event,
    follower,
    part_vector,
    setting,
    space,
    vector,
)
from indexers.errors import CatalogueDamaged
from indexers.types import Change, Ids, Space, Vectors

CANDIDATE_THRESHOLD = "near {}"  # the key of a setting, with the id of a space

# what a database says that no program of ours has written counts too: every reader must see the same space
_IS_CURRENT = sa.cast(space.c.current, sa.Integer) != 0
_CURRENT = sa.select(space.c.id).where(_IS_CURRENT).order_by(space.c.id).limit(1).scalar_subquery()
_CLUSTERS_POSITION = sa.select(clustering.c.position).where(clustering.c.space == _CURRENT).scalar_subquery()
_LAST_EVENT, _LAST_CHANCE = (sa.select(sa.func.max(table.c.id)).scalar_subquery() for table in (event, chance))
_STATE = sa.select(counter.c.number, counter.c.oldest, _CURRENT, _CLUSTERS_POSITION, _LAST_EVENT, _LAST_CHANCE)


class VectorTable(NamedTuple):
    """A table of vectors: those of items, or of parts. by_owners: the statement that reads some of a space, which is
    built once: building one costs more than running it."""

    table: sa.Table
    owner: sa.Column[int]
    what: str
    by_owners: sa.Select[Any]

    @classmethod
    def of(cls, table: sa.Table, owner: sa.Column[int]) -> VectorTable:
        """Return the table with its statement."""
        ids: sa.BindParameter[Any] = sa.bindparam("item_ids", expanding=True)
        query = sa.select(owner, table.c.data).where(table.c.space == sa.bindparam("space"), owner.in_(ids))
        return cls(table, owner, owner.name, query)


ITEM_VECTORS = VectorTable.of(vector, vector.c.item)
PART_VECTORS = VectorTable.of(part_vector, part_vector.c.part)


class SpaceReader(Readers):
    """What a snapshot reads of spaces. A space of parts holds vectors of these; else what is said of items holds."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        row = read_state(connection, _STATE)
        self.number: int = row[0]
        self.oldest: int = row[1]
        self.current_space_id: int | None = row[2]
        self._clusters_position: int | None = row[3]
        self._last_event: int = row[4] or 0
        self.last_chance: int = row[5] or 0  # what changes with any null distribution

    def _all(self, statement: sa.Executable) -> list[Any]:
        """Return rows, whose types SQLAlchemy's own hints don't follow through our conditions."""
        return list(self._connection.execute(statement).all())

    def _scalars(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).scalars())

    # ---- spaces and vectors

    def spaces(self) -> list[Space]:
        """Return all spaces of items, by id. At most one of them is current."""
        return [space for space in self._read_spaces() if space.parts is None]

    def part_spaces(self, beside: Space | None = None) -> list[Space]:
        """Return all spaces of parts, by id; beside: only those of its items."""
        spaces = [space for space in self._read_spaces() if space.parts is not None]
        return [space for space in spaces if beside is None or space.name == f"{beside.name}/{space.parts}"]

    def _read_spaces(self) -> list[Space]:
        rows = self._all(sa.select(space).order_by(space.c.id))
        return [Space(**{**row._mapping, "current": row.id == self.current_space_id}) for row in rows]

    @cached_property
    def _part_space_ids(self) -> frozenset[int]:
        return frozenset(self._scalars(sa.select(space.c.id).where(space.c.parts.is_not(None))))

    def _find_table(self, space_id: int) -> VectorTable:
        return PART_VECTORS if space_id in self._part_space_ids else ITEM_VECTORS

    def _select_owners(self, space_id: int) -> sa.Select[Any]:
        """Return a select of the items, or parts, that have a vector in a space."""
        kind = self._find_table(space_id)
        return sa.select(kind.owner.label("owner")).where(kind.table.c.space == space_id)

    def count_unembedded(self, space_id: int) -> int:
        """Return the number of items with a vector in another space and none in this one."""
        embedded = sa.select(vector.c.item).where(vector.c.space == space_id)
        query = sa.select(sa.func.count(vector.c.item.distinct())).where(vector.c.item.not_in(embedded))
        return int(self._scalars(query)[0])

    def vectors(self, space_id: int, item_ids: Sequence[int] | Ids) -> tuple[Ids, Vectors]:
        """Return the ids (sorted) and vectors, float32 (n, dimension), of those of these items that have one."""
        table, rows = self._find_table(space_id), list[tuple[int, bytes]]()
        for chunk in split_chunks([int(item_id) for item_id in item_ids]):
            parameters = {"space": space_id, "item_ids": chunk}
            rows += [(row[0], row[1]) for row in self._connection.execute(table.by_owners, parameters)]
        rows.sort()
        joined, width = b"".join(row[1] for row in rows), len(rows[0][1]) // 4 if rows else 0
        if len(joined) != 4 * width * len(rows):
            uneven = next((item_id for item_id, data in rows if len(data) != 4 * width), rows[0][0])
            raise CatalogueDamaged(
                f"the catalogue is damaged: the vector of {table.what} {uneven} or {rows[0][0]} in space {space_id} is "
                "cut short; restore a backup of the database"
            )
        matrix = np.frombuffer(joined, "<f4").reshape(len(rows), width).astype(np.float32, copy=False)
        return np.array([row[0] for row in rows], np.int64), matrix

    def changes(self, since: int, space_id: int) -> list[Change]:
        """Return the net result for each item after change `since`, by item. `since` 0 gives the present state.

        `since` must not lie below `oldest` unless it is 0.
        """
        if since == 0:
            ids = self._scalars(self._select_owners(space_id).order_by("owner"))
            return [Change(self.number, item_id, space_id, "vector set") for item_id in ids]
        query = sa.select(change.c.number, change.c.item, change.c.space, change.c.what)
        query = query.where(change.c.number > since, change.c.space == space_id).order_by(change.c.number)
        newest = {row[1]: Change(*row) for row in self._all(query)}
        return [newest[item_id] for item_id in sorted(newest)]

    def count_changes(self, since: int, space_id: int, limit: int) -> int:
        """Return the number of vectors of that space that have changed after change `since`, up to `limit`."""
        if since == 0:
            query = self._select_owners(space_id).limit(limit)
        else:
            query = sa.select(change.c.number).where(change.c.number > since, change.c.space == space_id).limit(limit)
        return len(self._scalars(query))

    def changed_item_ids(self, since: int) -> list[int]:
        """Return the items of which anything has changed after change `since`, not below `oldest`."""
        of_items = sa.or_(change.c.space.is_(None), change.c.space.not_in(self._part_space_ids))
        query = sa.select(change.c.item).where(change.c.number > since, of_items)
        return self._scalars(query.distinct().order_by(change.c.item))

    def is_unchanged(self, since: int, space_id: int) -> bool:
        """Return True if no vector of that space has changed after change `since`."""
        query = sa.select(change.c.number).where(change.c.number > since, change.c.space == space_id).limit(1)
        return since >= self.oldest and not self._scalars(query)

    def change_time(self, number: int) -> int:
        """Return when that change was made, in microseconds since 1970; 0 if it was pruned or never made."""
        return next(iter(self._scalars(sa.select(change.c.at).where(change.c.number == number))), 0)

    def follower(self, name: str, space_id: int) -> tuple[int, int]:
        """Return the position and generation of a follower when it was last saved; zeros if it never was."""
        query = sa.select(follower.c.position, follower.c.generation)
        rows = self._all(query.where(follower.c.name == name, follower.c.space == space_id))
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def misshapen_vectors(self, space_id: int, dimension: int) -> list[int]:
        """Return the items, or parts, whose vector in that space is not of the space's dimension."""
        is_wrong = sa.func.length(self._find_table(space_id).table.c.data) != 4 * dimension
        return self._scalars(self._select_owners(space_id).where(is_wrong))

    def vector_counts(self) -> dict[int, int]:
        """Return the number of vectors by space id."""
        counts: dict[int, int] = {}
        for kind in (ITEM_VECTORS, PART_VECTORS):
            query = sa.select(kind.table.c.space, sa.func.count()).group_by(kind.table.c.space)
            counts |= {row[0]: row[1] for row in self._all(query)}
        return counts

    # ---- settings

    def setting(self, key: str) -> Any:
        """Return the value of a setting; None if it was never set."""
        return next(iter(self._scalars(sa.select(setting.c.value).where(setting.c.key == key))), None)

    def candidate_threshold(self, space_id: int) -> float | None:
        """Return the similarity from which two vectors of a space are compared as pictures, if it was calibrated."""
        return cast("float | None", self.setting(CANDIDATE_THRESHOLD.format(space_id)))
