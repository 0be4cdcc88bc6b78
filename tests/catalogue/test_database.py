from __future__ import annotations

import pytest
import sqlalchemy as sa

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.schema import setting
from indexers.errors import CollectionClosed

pytestmark = pytest.mark.databases


def test_what_is_not_committed_is_undone(catalogue: Catalogue) -> None:
    database = catalogue.database
    for commits in (False, True):
        with database.hold(), database.connect(writing=True) as connection:
            connection.execute(sa.insert(setting).values(key="kept", value=commits))
            if commits:
                connection.commit()
        with database.connect() as connection:
            query = sa.select(setting.c.value).where(setting.c.key == "kept")
            assert list(connection.execute(query).scalars()) == [True] * commits


def test_a_moment_stays_as_it_was_while_others_write(catalogue: Catalogue) -> None:
    query = sa.select(sa.func.count()).select_from(setting)
    with catalogue.database.connect() as reading:
        before = reading.execute(query).scalar_one()
        with catalogue.transaction() as transaction:
            transaction.set_setting("new", 1)
        assert reading.execute(query).scalar_one() == before
    with catalogue.database.connect() as reading:
        assert reading.execute(query).scalar_one() == before + 1


def test_it_is_of_use_until_it_is_closed(catalogue: Catalogue) -> None:
    catalogue.database.check_current()
    catalogue.database.check_unchanged()
    assert catalogue.database.is_current()
    catalogue.close()
    assert not catalogue.database.is_current()
    with pytest.raises(CollectionClosed):
        catalogue.database.check_current()
