"""What all tables share."""

from __future__ import annotations

from indexers.catalogue import columns, schema


def test_columns_say_what_they_hold() -> None:
    assert columns.json_column("values", "array", lists="cluster").info == {"kind": "array", "lists": "cluster"}
    assert columns.cluster_column("cluster").info == {"refers": "cluster"}
    assert {key.ondelete for key in columns.item_column().foreign_keys} == {"CASCADE"}


def test_all_tables_are_of_one_database() -> None:
    assert schema.metadata is columns.metadata
