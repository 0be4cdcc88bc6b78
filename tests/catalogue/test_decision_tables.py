"""The tables of what people decide."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from indexers.catalogue import decision_tables
from indexers.catalogue.columns import metadata


@pytest.mark.parametrize("table", [decision_tables.merging, decision_tables.correction])
def test_what_belongs_to_a_decision_goes_with_it(table: sa.Table) -> None:
    [reference] = table.foreign_keys
    assert reference.column is decision_tables.decision.c.id
    assert reference.ondelete == "CASCADE"
    assert table in metadata.sorted_tables
