"""The tables of work belong to the catalogue's."""

from __future__ import annotations

from indexers.catalogue import schema, work_tables


def test_they_are_made_with_all_others() -> None:
    assert {work_tables.work, work_tables.worker} <= set(schema.metadata.sorted_tables)
