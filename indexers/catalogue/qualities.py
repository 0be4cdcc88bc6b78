"""How good pictures are: which of them were not measured yet, as those that an older version has added."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue.schema import item, location


class QualityReader:
    """Reads what is known of the quality of pictures."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def unmeasured(self) -> list[int]:
        """Return the pictures with a file whose quality was not measured, by id."""
        has_file = sa.exists().where(location.c.item == item.c.id, location.c.missing_since.is_(None))
        query = sa.select(item.c.id).where(item.c.hash.is_not(None), item.c.sharpness.is_(None), has_file)
        return list(self._connection.execute(query.order_by(item.c.id)).scalars())
