from __future__ import annotations

import pytest
import sqlalchemy as sa

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.expressions import Cell, list_ids, spread_rows
from indexers.catalogue.metadata import spread_path
from indexers.catalogue.schema import Number, item

pytestmark = pytest.mark.databases

METADATA = {
    "a": {"b": 2.5, "c": ["x", None, True, {"d": 1}], "e": {}, "f": {"g": {"h": "deep"}}},
    "a.b": 2**53 + 1,
    "cafe\u0301": False,
    "$apart": {"b": 1},
}
KINDS = (sa.Boolean(), sa.Boolean(), Number(), sa.String(), sa.Boolean())


def test_a_list_of_ids_is_a_table(catalogue: Catalogue) -> None:
    with catalogue.engine.begin() as connection:
        for listed in ([], [3], [2**53 + 1, -1, 7] * 5000):
            ids = list_ids(sa.literal(str(listed), sa.String))
            assert list(connection.execute(sa.select(ids.c.value)).scalars()) == listed


def test_a_path_is_spread_as_filters_read_it(catalogue: Catalogue) -> None:
    with catalogue.transaction() as transaction:
        transaction._do(sa.insert(item).values(key="a", added_at=0, metadata=METADATA))
    paths = [("a",), ("a", "b"), ("a", "c"), ("a", "e"), ("a", "f"), ("a", "f", "g"), ("a.b",), ("caf\u00e9",)]
    with catalogue.engine.begin() as connection:
        for path in [*paths, ("b",), ("a", "x"), ("$apart", "b")]:
            rows = spread_rows(item.c.metadata, path)
            cells = [Cell(rows.c.value, place, kind) for place, kind in enumerate(KINDS)]
            read = connection.execute(sa.select(*cells).select_from(item.join(rows, sa.true()))).all()
            expected = sorted(map(repr, map(tuple, spread_path(METADATA, path))))
            assert sorted(map(repr, map(tuple, read))) == expected, path
