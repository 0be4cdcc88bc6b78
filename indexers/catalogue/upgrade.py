"""Migrations: found beside the code or in the wheel, applied when asked, never silently."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from indexers.catalogue import schema
from indexers.catalogue import sqlite as database
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CatalogueError, CollectionNotFound, SchemaTooNew, WriteFailed

HERE = Path(__file__).parents[1]


def migrations() -> Path:
    """The folder with the migrations: in the wheel a part of this package, in a checkout beside it."""
    inside = HERE / "_migrations"
    return inside if inside.is_dir() else HERE.parent / "migrations"


def upgrade(folder: Path, wait: float = 5.0) -> tuple[str, str]:
    """Bring a catalogue to this version's schema; the revisions before and after.

    A copy of the database is put beside it first, and stays until the new one is whole. Raises SchemaTooNew,
    CollectionNotFound, WriterBusy, WriteFailed.
    """
    path = folder / database.FILE
    if not path.is_file():
        raise CollectionNotFound(f"there is no collection in {folder}")
    engine = database.connect(path, wait)
    try:
        with WriterLock(folder, wait).held():
            before = _revision(engine)
            if before > schema.REVISION:
                raise SchemaTooNew(
                    f"{path} was made by a newer nearkin (schema {before}, this one knows {schema.REVISION})"
                )
            if before < schema.REVISION:
                _apply(engine, path)
        return before, _revision(engine)
    finally:
        engine.dispose()


def _revision(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            raise database.damaged(Path(str(engine.url.database)), "it holds no nearkin tables")
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "0000")


def _apply(engine: sa.Engine, path: Path) -> None:
    from alembic import command
    from alembic.util import CommandError

    copy = path.with_name(path.name + ".before-upgrade")
    try:
        database.copy(engine, copy)
    except (OSError, sqlite3.Error) as error:
        raise WriteFailed(
            f"no copy of {path} could be made before the upgrade: {error}; free as much disk space"
        ) from error
    config = configuration()
    try:
        with engine.execution_options(writing=True).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (sa.exc.SQLAlchemyError, CommandError) as error:
        raise CatalogueError(
            f"the upgrade of {path} failed: {error}. It is as it was before, and so is the copy {copy}; keep one of "
            "them, and report what failed"
        ) from error
    found = _revision(engine)
    if found != schema.REVISION:
        raise CatalogueError(f"the upgrade of {path} ended at schema {found}; the copy {copy} is as it was before")
    copy.unlink()


def configuration() -> Any:
    """Alembic's configuration, without a file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations()))
    config.set_main_option("path_separator", "os")
    return config
