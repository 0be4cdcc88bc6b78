"""The null distributions of scores, kept so that every process of one moment says the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue.schema import chance
from indexers.types import Ids


class StoredNulls(NamedTuple):
    """The null distributions of a space.

    - of_texts: whether texts ask;
    - drawn: the number of items from which the cohort was drawn;
    - cohort: int64 (n,), its items, sorted; of what is removed, no vector is kept;
    - nulls: as `indexers.vectors.chance.pack_nulls` writes them.
    """

    space_id: int
    of_texts: bool
    drawn: int
    cohort: Ids
    nulls: bytes


class ChanceReader:
    """Reads null distributions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, space_id: int, of_texts: bool) -> StoredNulls | None:
        """Return the null distributions of a space for pictures or for texts, if there are any."""
        columns = chance.c.drawn, chance.c.cohort, chance.c.nulls
        query = sa.select(*columns).where(chance.c.space == space_id, chance.c.texts.is_(of_texts))
        row = self._connection.execute(query.order_by(chance.c.id.desc()).limit(1)).first()
        if row is None:
            return None
        cohort = np.frombuffer(row[1][: len(row[1]) // 8 * 8], "<i8").astype(np.int64)
        return StoredNulls(space_id, of_texts, row[0], cohort, row[2])

    def count_drawn(self, space_id: int) -> int:
        """Return the number of items from which the cohort of a space was drawn; 0 if there is none."""
        query = sa.select(chance.c.drawn).where(chance.c.space == space_id, chance.c.texts.is_(False))
        return int(self._connection.execute(query.order_by(chance.c.id.desc()).limit(1)).scalar() or 0)


class ChanceWriter(ChanceReader):
    """Writes them too."""

    def put(self, stored: StoredNulls) -> None:
        """Keep null distributions in the place of those before."""
        is_same = sa.and_(chance.c.space == stored.space_id, chance.c.texts.is_(stored.of_texts))
        self._connection.execute(sa.delete(chance).where(is_same))
        values = {"space": stored.space_id, "texts": stored.of_texts, "drawn": stored.drawn, "nulls": stored.nulls}
        self._connection.execute(sa.insert(chance).values(**values, cohort=stored.cohort.astype("<i8").tobytes()))
