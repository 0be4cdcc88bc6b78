"""Bringing old catalogues to the present schema: never silently, never half, and the kept ones still work."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from indexers.catalogue import schema
from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.upgrade import build_configuration, find_migrations, upgrade_catalogue
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CatalogueDamaged, CatalogueError, CollectionNotFound, SchemaTooNew, SchemaTooOld, WriterBusy
from indexers.types import Arrival
from retrieval import Collection
from tests.upgrades import make

KEPT = sorted(path.parent.name for path in make.HERE.glob(f"*/{database.FILE}"))


@pytest.fixture(params=KEPT)
def old_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A collection's folder with a database that an earlier version made."""
    folder = tmp_path / "collection"
    folder.mkdir()
    shutil.copy(make.HERE / request.param / database.FILE, folder)
    return folder


def execute(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / database.FILE, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_database_of_every_revision_is_kept() -> None:
    revisions = {revision.revision for revision in ScriptDirectory.from_config(build_configuration()).walk_revisions()}
    assert set(KEPT) == revisions
    for revision in KEPT:
        assert (make.HERE / revision / database.FILE).stat().st_size < 200_000


def test_a_kept_database_can_be_upgraded_and_used(old_folder: Path) -> None:
    before, after = upgrade_catalogue(old_folder)
    assert after == schema.REVISION
    with Collection.open(old_folder) as collection:
        with collection._catalogue.snapshot() as snapshot:
            assert len(snapshot.duplicates.decisions()) == (before >= "0004")
        assert [revision.name for revision in collection.clusterings()] == ["kinds"] * (before >= "0005")
        assert collection.count() == 4
        assert collection.count(where={"album": "kept"}) == 3
        assert collection.count(where={"number": 2**53 + 1, "camera.make": "x", "tags": {"$contains": "b"}}) == 1
        assert collection.count(where={"missing": True}) == 1
        item = collection.get("/pictures/red.png")
        assert (item.text, item.width, item.height, len(item.uris)) == ("words", 8, 6, 2)
        assert [failure.uri for failure in collection.failures()] == ["/pictures/broken.png"]
        assert collection.search(item=item.id, k=1)[0].key != item.key
        assert collection.search(where={"album": "kept"}, item="my own key", k=9).hits
        assert collection.verify().ok
        report = collection.add([make.Image.new("RGB", (4, 4), "black")], keys=["new"])
        assert report.items[0] > max(revision.id for revision in collection.items().items[:-1])
        assert report.items[0] > 5  # also above the id of the item that was removed


def test_the_present_revision_is_left_as_it_is(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival("a")])
    assert upgrade_catalogue(catalogue.folder) == (schema.REVISION, schema.REVISION)
    with catalogue.snapshot() as snapshot:
        assert snapshot.count() == 1
    assert not list(catalogue.folder.glob("*before-upgrade*"))


def test_a_newer_database_is_not_touched(old_folder: Path) -> None:
    execute(old_folder, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="schema 9999"):
        upgrade_catalogue(old_folder)
    with pytest.raises(SchemaTooNew):
        Collection.open(old_folder)


def test_tables_from_before_the_first_revision_are_made_by_the_migrations(tmp_path: Path) -> None:
    """There is one revision so far, so that "older" can only be: none. Any real older one is in `upgrades/`."""
    folder = tmp_path / "c"
    folder.mkdir()
    execute(folder, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    with pytest.raises(SchemaTooOld, match=f"nearkin upgrade -c {folder}"):
        Catalogue.open(folder)
    assert upgrade_catalogue(folder) == ("0000", schema.REVISION)
    assert [file.name for file in folder.glob("*before-upgrade*")] == [f"{database.FILE}.before-upgrade"]
    engine = database.connect(folder / database.FILE, 1)
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM item").scalar() == 0
    engine.dispose()


def test_an_upgrade_that_fails_leaves_the_database_and_a_copy(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    execute(
        folder,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
        "CREATE TABLE vector (theirs)",  # the last table of the first revision is in the way
    )
    before = read_definitions(folder / database.FILE)
    with pytest.raises(CatalogueError, match=r"vector already exists(?s:.*)The database is as it was before"):
        upgrade_catalogue(folder)
    assert read_definitions(folder / database.FILE) == before
    assert read_definitions(folder / f"{database.FILE}.before-upgrade") == before


def test_the_copy_that_was_made_before_leads_back(tmp_path: Path) -> None:
    shutil.copy(make.HERE / "0009" / database.FILE, tmp_path)
    before = read_definitions(tmp_path / database.FILE)
    assert upgrade_catalogue(tmp_path) == ("0009", schema.REVISION)
    copy = tmp_path / f"{database.FILE}.before-upgrade"
    assert read_definitions(copy) == before
    copy.replace(tmp_path / database.FILE)
    with pytest.raises(SchemaTooOld):
        Catalogue.open(tmp_path)
    assert upgrade_catalogue(tmp_path) == ("0009", schema.REVISION)


def test_a_database_whose_copy_is_not_sound_is_not_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(make.HERE / "0009" / database.FILE, tmp_path)
    copy_database = database.copy_database

    def lose_a_row(engine: Any, target: Path) -> None:
        copy_database(engine, target)
        connection = sqlite3.connect(target)
        connection.execute("DELETE FROM location WHERE id = 1")
        connection.commit()
        connection.close()

    before = read_definitions(tmp_path / database.FILE)
    monkeypatch.setattr(database, "copy_database", lose_a_row)
    with pytest.raises(CatalogueDamaged, match="the table location was not copied as a whole"):
        upgrade_catalogue(tmp_path)
    assert read_definitions(tmp_path / database.FILE) == before
    assert not list(tmp_path.glob("*before-upgrade*"))


def read_definitions(path: Path) -> list[tuple[str]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT sql FROM sqlite_master").fetchall()
    connection.close()
    return rows


def test_a_revision_that_nobody_knows_is_a_sentence(catalogue: Catalogue) -> None:
    execute(catalogue.folder, "UPDATE alembic_version SET version_num = '0000x'")
    with pytest.raises(CatalogueError, match="0000x"):
        upgrade_catalogue(catalogue.folder)


def test_it_waits_for_a_writer(catalogue: Catalogue) -> None:
    with WriterLock(catalogue.folder, 1).hold(), pytest.raises(WriterBusy):
        upgrade_catalogue(catalogue.folder, wait=0.1)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFound):
        upgrade_catalogue(tmp_path)


def test_what_is_not_ours_is_not_touched(tmp_path: Path) -> None:
    execute(tmp_path, "CREATE TABLE theirs (x)")
    with pytest.raises(CatalogueDamaged):
        upgrade_catalogue(tmp_path)


def test_migrations_are_found() -> None:
    assert (find_migrations() / "env.py").is_file()


def test_an_upgrade_that_meets_what_nobody_has_written_says_so(tmp_path: Path) -> None:
    shutil.copy(make.HERE / "0006" / database.FILE, tmp_path)
    execute(tmp_path, "UPDATE item SET metadata = '7'")
    with pytest.raises(CatalogueError, match=r"the upgrade of .* failed: .*its copy .*before-upgrade"):
        upgrade_catalogue(tmp_path)
    execute(tmp_path, "UPDATE item SET metadata = '{}'")
    assert upgrade_catalogue(tmp_path) == ("0006", schema.REVISION)
