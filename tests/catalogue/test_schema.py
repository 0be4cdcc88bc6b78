"""The tables: what a database made of them promises, and that migrations lead to the same ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from indexers.catalogue import schema
from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.full_text import include_object
from indexers.catalogue.upgrade import build_configuration
from tests.support.databases import Server, parse_database

OPTIONS = {"compare_type": True, "compare_server_default": True, "include_object": include_object}
FIRST_ON_SERVERS = "0014"
"""The schema of the first catalogues in PostgreSQL."""
EXACT = [0, 1, -1, 2**53 + 1, 2**62 + 1, 2**63 - 1, -(2**63), 0.5, 1e300, 5e-324, 0.1]


def read_definitions(engine: sa.Engine) -> set[str]:
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT IN ('sqlite_sequence', 'alembic_version')"
        )
        return {" ".join(row[0].replace("\t", " ").split()) for row in rows}


def migrate(path: Path) -> sa.Engine:
    """A database made by the migrations alone."""
    engine = database.connect(path, 1)
    config = build_configuration()
    with engine.execution_options(writing=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return engine


def test_the_revision_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(build_configuration()).get_current_head() == schema.REVISION


def test_migrations_from_nothing_give_the_tables_of_today(tmp_path: Path) -> None:
    engine = migrate(tmp_path / "migrated.sqlite")
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts=OPTIONS)
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_migrations_say_the_same_as_the_tables_word_for_word(tmp_path: Path, catalogue: Catalogue) -> None:
    """Alembic compares neither CHECKs, AUTOINCREMENT nor what a foreign key does on delete."""
    engine = migrate(tmp_path / "migrated.sqlite")
    ours, theirs = read_definitions(catalogue.engine), read_definitions(engine)
    engine.dispose()

    def sort_words(statements: set[str]) -> set[str]:
        return {
            "".join(sorted(statement.replace('"', "").replace(",", " ").replace("(", " ").replace(")", " ").split()))
            for statement in statements
        }

    assert sort_words(ours) == sort_words(theirs)


def test_migrations_can_be_taken_back(tmp_path: Path) -> None:
    engine = migrate(tmp_path / "migrated.sqlite")
    config = build_configuration()
    with engine.execution_options(writing=True).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


@pytest.mark.parametrize("value", EXACT)
def test_a_number_comes_back_exactly(catalogue: Catalogue, value: float) -> None:
    with catalogue.database.connect(writing=True) as connection:
        connection.execute(sa.insert(schema.item).values(key="a", added_at=0, metadata={}))
        rows = schema.attribute
        connection.execute(sa.insert(rows).values(item=1, key="x", element=False, number=value))
        assert connection.execute(sa.select(rows.c.number)).scalar() == value
        for near in (value, value - 1 if value > 0 else value + 1):
            count = connection.execute(sa.select(sa.func.count()).where(rows.c.number == near)).scalar()
            assert count == (near == value)
        connection.rollback()


def test_ids_are_never_used_again_even_by_sql(catalogue: Catalogue) -> None:
    with catalogue.database.connect(writing=True) as connection:
        for _ in range(2):
            connection.execute(sa.insert(schema.item).values(key="a", added_at=0, metadata={}))
            last = connection.execute(sa.select(schema.item.c.id)).scalar()
            connection.execute(sa.delete(schema.item))
        assert last == 2
        connection.rollback()


def test_the_change_number_is_the_rows_own_address(catalogue: Catalogue) -> None:
    with catalogue.engine.begin() as connection:
        indices = connection.exec_driver_sql("PRAGMA index_list('change')").all()
    assert indices == []


@pytest.mark.parametrize("table", schema.metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_says_what_it_is_for(table: sa.Table) -> None:
    assert table.comment


def test_later_migrations_have_the_types_of_every_database() -> None:
    """Those up to the first schema in PostgreSQL have run on SQLite alone, which knows no other integers and texts."""
    folder = Path(ScriptDirectory.from_config(build_configuration()).versions)
    for file in sorted(folder.glob("[0-9]*.py")):
        if file.name[:4] > FIRST_ON_SERVERS:
            assert not re.search(r"sa\.(Integer|String)\b", file.read_text()), f"{file}: import Integer, Text"


def test_tables_on_a_server_are_those_of_today(postgresql: Server) -> None:
    catalogue = Catalogue.create(parse_database(postgresql.create_schema()))
    with catalogue.engine.begin() as connection:
        # (two texts of JSON are not compared by the server)
        context = MigrationContext.configure(connection, opts={**OPTIONS, "compare_server_default": False})
        assert compare_metadata(context, schema.metadata) == []
    catalogue.close()
