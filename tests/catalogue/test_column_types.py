from __future__ import annotations

import pytest
import sqlalchemy as sa

from indexers.catalogue import schema
from indexers.catalogue.catalogue import Catalogue

EXACT = [0, 1, -1, 2**53 + 1, 2**62 + 1, 2**63 - 1, -(2**63), 0.5, 1e300, 5e-324, 0.1, 1 / 3, 1e22, 2.0**63]


@pytest.mark.databases
def test_numbers_come_back_exactly_and_are_told_from_their_neighbours(catalogue: Catalogue) -> None:
    rows = schema.attribute
    with catalogue.database.connect(writing=True) as connection:
        connection.execute(sa.insert(schema.item).values(id=1, key="a", added_at=0, metadata={}))
        for value in EXACT:
            connection.execute(sa.insert(rows).values(item=1, key="x", element=False, number=value))
            assert connection.execute(sa.select(rows.c.number)).scalar() == value
            for near in (value, value - 1 if value > 0 else value + 1):
                count = connection.execute(sa.select(sa.func.count()).where(rows.c.number == near)).scalar()
                assert count == (near == value)
            connection.execute(sa.delete(rows))


@pytest.mark.databases
def test_texts_are_ordered_by_the_numbers_of_their_letters(catalogue: Catalogue) -> None:
    words = ["Zebra", "apple", "a b", "a-b", "ab", "Äpfel", "10", "9", "\U0001f600", "\uffee"]
    with catalogue.transaction() as writing:
        for word in words:
            writing.set_setting(word, 1)
    with catalogue.engine.begin() as connection:
        key = schema.setting.c.key
        assert list(connection.execute(sa.select(key).where(key.in_(words)).order_by(key)).scalars()) == sorted(words)
