"""Migrations: they lie beside the code or in the wheel, and are applied when a user calls for them, never silently."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from indexers.catalogue import schema, sqlite
from indexers.catalogue.links import check_folder
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CatalogueError, CollectionNotFound, NearkinError, SchemaTooNew, WriteFailed

PACKAGE = Path(__file__).parents[1]


def find_migrations() -> Path:
    """Return the folder with the migrations: in the wheel inside this package, in a checkout beside it."""
    inside = PACKAGE / "_migrations"
    return inside if inside.is_dir() else PACKAGE.parent / "migrations"


def upgrade_catalogue(folder: Path, wait: float = 5.0) -> tuple[str, str]:
    """Upgrade a catalogue to this version's schema, and return the revisions before and after.

    First a copy of the database is written beside it, which stays until the upgrade is complete. Raises SchemaTooNew,
    CollectionNotFound, WriterBusy, WriteFailed, CatalogueError.
    """
    check_folder(folder)
    path = folder / sqlite.FILE
    if not path.is_file():
        raise CollectionNotFound(f"there is no collection in {folder}")
    engine = sqlite.connect(path, wait)
    try:
        with WriterLock(folder, wait).hold():
            before = _read_revision(engine)
            if before > schema.REVISION:
                raise SchemaTooNew(
                    f"{path} was made by a newer nearkin (schema {before}, this one knows {schema.REVISION})"
                )
            if before < schema.REVISION:
                _apply(engine, path)
        return before, _read_revision(engine)
    finally:
        engine.dispose()


def _read_revision(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            raise sqlite.damage_error(Path(str(engine.url.database)), "it holds no nearkin tables")
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "0000")


def _apply(engine: sa.Engine, path: Path) -> None:
    from alembic import command

    copy = path.with_name(path.name + ".before-upgrade")
    try:
        sqlite.copy_database(engine, copy)
    except (OSError, sqlite3.Error) as error:
        raise WriteFailed(
            f"cannot copy {path} before the upgrade: {error}; free as much disk space as the file takes"
        ) from error
    config = build_configuration()
    try:
        with engine.execution_options(writing=True).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except NearkinError:
        raise
    except Exception as error:  # a migration computes with whatever the rows hold
        raise CatalogueError(
            f"the upgrade of {path} failed: {error}. The database is as it was before, and so is its copy {copy}; keep "
            "one of them, and report the error"
        ) from error
    revision = _read_revision(engine)
    if revision != schema.REVISION:
        raise CatalogueError(f"the upgrade of {path} ended at schema {revision}; the copy {copy} was not changed")
    copy.unlink()


def build_configuration() -> Any:
    """Return Alembic's configuration, without a file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(find_migrations()))
    config.set_main_option("path_separator", "os")
    return config
