from __future__ import annotations

import pytest
import sqlalchemy as sa

from indexers.catalogue import schema
from indexers.catalogue.catalogue import Catalogue


@pytest.mark.databases
def test_parts_and_their_vectors_go_with_the_item(catalogue: Catalogue) -> None:
    with catalogue.database.connect(writing=True) as connection:
        connection.execute(sa.insert(schema.item).values(id=1, key="a", added_at=0, metadata={}))
        connection.execute(sa.insert(schema.part).values(id=2, item=1, kind="tiles"))
        space = {"name": "x/tiles", "settings": {}, "fingerprint": "", "dimension": 1, "metric": "ip", "current": False}
        connection.execute(sa.insert(schema.space).values(id=1, parts="tiles", **space))
        connection.execute(sa.insert(schema.part_vector).values(space=1, part=2, data=b"1234"))
        connection.execute(
            sa.insert(schema.finding).values(item=1, kind="tiles", finder="tiles", version="1", content=b"")
        )
        connection.execute(sa.delete(schema.item))
        for table in (schema.part, schema.part_vector, schema.finding):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0
        connection.rollback()
