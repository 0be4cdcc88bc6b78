from __future__ import annotations

import pytest
import sqlalchemy as sa

from indexers.catalogue import dialects
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.schema import failure, item, setting, vector
from indexers.errors import CatalogueDamaged

pytestmark = pytest.mark.databases

BY_KEY = sa.select(item.c.id, item.c.key, item.c.hash).where(item.c.key == sa.bindparam("key", type_=sa.String))


def test_a_statement_gives_the_rows_that_it_gives_through_sqlalchemy(catalogue: Catalogue) -> None:
    with catalogue.transaction() as transaction:
        rows = [{"key": key, "hash": key.encode(), "added_at": 0, "metadata": {}} for key in ("a", "b'", "%s", "é")]
        transaction._do(sa.insert(item), rows)
    with catalogue.engine.begin() as connection:
        for key in ("a", "b'", "%s", "é", "none"):
            expected = [tuple(row) for row in connection.execute(BY_KEY, {"key": key})]
            assert [tuple(row) for row in dialects.fetch_all(connection, BY_KEY, key=key)] == expected
            assert len(expected) == (key != "none")


def test_many_rows_are_inserted_with_every_kind_of_value(catalogue: Catalogue) -> None:
    rows = [
        {
            "uri": f"file:///{n}\t\\N\n{n}",
            "size": n if n % 2 else None,
            "stage": "é",
            "reason": "\\",
            "attempts": n,
            "at": 1,
        }
        for n in range(1200)
    ]
    settings = [{"key": f"s{n}", "value": value} for n, value in enumerate([[1, "a"], {"b": None}, "c", 2.5, True])]
    with catalogue.transaction() as transaction:
        transaction._insert_rows(failure, rows)
        transaction._insert_rows(setting, settings)
        space = transaction.add_space("s", None, {}, "", 1, "cosine")
        transaction._do(sa.insert(item).values(id=7, key="a", added_at=0, metadata={}))
        transaction._insert_rows(vector, [{"space": space.id, "item": 7, "data": bytes(range(256))}])
    with catalogue.engine.begin() as connection:
        columns = [failure.c[name] for name in rows[0]]
        read = connection.execute(sa.select(*columns).order_by(failure.c.attempts)).all()
        assert [row._asdict() for row in read] == rows
        assert connection.execute(sa.select(vector.c.data)).scalar_one() == bytes(range(256))
    with catalogue.snapshot() as snapshot:
        assert [snapshot.setting(row["key"]) for row in settings] == [row["value"] for row in settings]


def test_damage_is_told_with_the_name_of_the_database(catalogue: Catalogue) -> None:
    with catalogue.engine.begin() as connection:
        error = dialects.damage_error(connection, "it rains in")
    assert isinstance(error, CatalogueDamaged)
    assert catalogue.database.name in str(error)
    assert "it rains in" in str(error)
