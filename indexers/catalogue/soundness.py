"""Values of another kind than their column: SQLite stores anything anywhere, and nothing of ours would write them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue import schema

KINDS = {
    sa.String: "'text'",
    sa.LargeBinary: "'blob'",
    sa.Boolean: "'integer'",
    sa.Integer: "'integer'",
    sa.Float: "'real', 'integer'",
    schema.Number: "'real', 'integer'",
    sa.JSON: "'text', 'integer', 'real'",
}
"""By the type of a column what SQLite calls the values that it may hold."""


def _describe_wrong(column: sa.Column[Any]) -> str:
    """Return the condition, in SQL, that holds for the values that the column may not hold."""
    kinds = next(kinds for kind, kinds in KINDS.items() if isinstance(column.type, kind))
    wrong = f"typeof({column.name}) NOT IN ({kinds}, 'null')"
    return f"{wrong} OR NOT is_object({column.name})" if column is schema.item.c.metadata else wrong


def find_wrong_values(connection: Connection) -> list[str]:
    """Return which columns hold values of another kind: text that is none, metadata that is no object."""
    faults = []
    for table in schema.metadata.sorted_tables:
        counts = ", ".join(f"sum({_describe_wrong(column)})" for column in table.columns)
        row = connection.exec_driver_sql(f"SELECT {counts} FROM {table.name}").one()
        faults += [
            f"{count} values of {table.name}.{column.name} are not of its kind{_name_first(connection, column)}"
            for column, count in zip(table.columns, row, strict=True)
            if count
        ]
    return faults


def _name_first(connection: Connection, column: sa.Column[Any]) -> str:
    """Return which item has the first wrong value, in brackets; nothing if the table tells of no item."""
    key = "id" if column.table is schema.item else "item"
    if key not in column.table.columns:
        return ""
    query = f"SELECT {key} FROM {column.table.name} WHERE {_describe_wrong(column)} LIMIT 1"
    return f" (the first is item {connection.exec_driver_sql(query).scalar_one()})"


def delete_wrong_rows(connection: Connection, table: str) -> int:
    """Delete the rows of a table that hold values of another kind, and return their number."""
    wrong = " OR ".join(_describe_wrong(column) for column in schema.metadata.tables[table].columns)
    return int(connection.exec_driver_sql(f"DELETE FROM {table} WHERE {wrong}").rowcount)
