"""What can still be read of a damaged database is found in the rescued one."""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.rescue import rescue_catalogue
from indexers.catalogue.upgrade import upgrade_catalogue
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CatalogueDamaged, CollectionNotFound, WriterBusy
from retrieval import Collection
from tests.conftest import vectors

COUNT = 1200


@pytest.fixture(scope="module")
def sound_folder(tmp_path_factory: pytest.TempPathFactory, key_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "a collection"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NEARKIN_KEY_FOLDER", str(key_folder))
        with Collection.open(folder, create=True) as made:
            keys = [f"k{n}" for n in range(COUNT)]
            metadata = [{"n": n, "name": f"number {n}"} for n in range(COUNT)]
            made.add_vectors(vectors(COUNT), keys=keys, uris=[f"/{key}.jpg" for key in keys], metadata=metadata)
            made.remove(f"k{COUNT - 1}")
    return folder


@pytest.fixture
def collection_folder(sound_folder: Path, tmp_path: Path) -> Path:
    """Return a copy of a sound collection, to be damaged."""
    return Path(shutil.copytree(sound_folder, tmp_path / "a collection"))


def find_leaf_pages(folder: Path, table: str) -> list[int]:
    """Places in the file of a table's leaves."""
    connection = sqlite3.connect(folder / database.FILE)
    try:
        query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'"
        return [(row[0] - 1) * database.PAGE_SIZE for row in connection.execute(query, (table,))]
    except sqlite3.OperationalError:
        pytest.skip("this SQLite was built without dbstat")
    finally:
        connection.close()


def overwrite(folder: Path, starts: list[int]) -> None:
    with open(folder / database.FILE, "r+b") as file:
        for start in starts:
            file.seek(start)
            file.write(b"\xff" * 4000)


@pytest.mark.parametrize("table", ["item", "vector", "location", "attribute"])
@pytest.mark.parametrize("which", [slice(0, 1), slice(-1, None), slice(1, None, 3)])
def test_what_can_be_read_is_kept(collection_folder: Path, table: str, which: slice) -> None:
    leaves = find_leaf_pages(collection_folder, table)
    overwrite(collection_folder, leaves[which])
    counts = rescue_catalogue(collection_folder)
    lost = len(leaves[which]) / len(leaves)
    with Collection.open(collection_folder) as collection:
        assert counts["item"] == collection.count()
        assert collection.count() >= (COUNT - 1) * (1 - lost) - 300
        assert collection.verify().ok
        if table in ("item", "attribute"):
            assert collection.count(where={"n": {"$gte": 0}}) == collection.count()
        for hit in collection.search(vector=vectors(COUNT)[500], k=3):
            assert collection.get(hit.key).metadata == {"n": int(hit.key[1:]), "name": f"number {hit.key[1:]}"}
        new = collection.add_vectors(vectors(2, 5), keys=[f"k{COUNT - 1}", "new"])
        assert min(new.items) > COUNT  # ids are not used again
        assert collection.search(vector=vectors(2, 5)[1], k=1)[0].key == "new"
    assert (collection_folder / f"{database.FILE}.damaged").is_file()
    assert not (collection_folder / "rescued").exists()


def test_the_words_of_the_error_work(collection_folder: Path) -> None:
    data = (collection_folder / database.FILE).read_bytes()
    (collection_folder / database.FILE).write_bytes(data[: len(data) * 4 // 5])
    words = ""
    try:
        with Collection.open(collection_folder) as collection:
            words = " ".join(collection.verify().problems)
    except CatalogueDamaged as error:
        words = str(error)
    match = re.search(r"nearkin rescue -c (.+)$", words)
    assert match
    assert shlex.split(match[1]) == [str(collection_folder)]
    assert rescue_catalogue(collection_folder)["item"] > 0
    with Collection.open(collection_folder) as collection:
        assert collection.verify().ok


PROGRAMS = (
    "CREATE TRIGGER evil AFTER INSERT ON vector BEGIN DELETE FROM vector; END",
    "ALTER TABLE event RENAME TO kept; CREATE VIEW event AS "
    "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x FROM r) SELECT x AS id FROM r",
)


@pytest.mark.parametrize("statements", PROGRAMS)
def test_a_program_in_a_database_is_not_run_but_left_behind(collection_folder: Path, statements: str) -> None:
    with closing(sqlite3.connect(collection_folder / database.FILE)) as connection:
        connection.executescript(statements)
    with pytest.raises(CatalogueDamaged, match=r"a program that no nearkin has written.*nearkin rescue"):
        Collection.open(collection_folder)
    with pytest.raises(CatalogueDamaged, match="a program that no nearkin has written"):
        upgrade_catalogue(collection_folder)
    assert rescue_catalogue(collection_folder)["vector"] == COUNT - 1
    with Collection.open(collection_folder) as collection:
        collection.add_vectors(vectors(1, 99), keys=["new"])
        assert collection.count() == COUNT
        assert collection.verify().ok


@pytest.mark.parametrize("part", ["COLLATE nobodys", "CHECK (nobodys(uri))"])
def test_a_schema_that_names_what_nobody_has_is_told_and_left_behind(collection_folder: Path, part: str) -> None:
    with closing(sqlite3.connect(collection_folder / database.FILE)) as connection:
        connection.executescript(
            "PRAGMA writable_schema=1; UPDATE sqlite_master "
            f"SET sql = replace(sql, 'uri VARCHAR', 'uri VARCHAR {part}') WHERE name = 'location'"
        )
    with Collection.open(collection_folder) as collection:
        assert not collection.verify().ok
        with pytest.raises(CatalogueDamaged, match=r"asks? for what no nearkin has.*nobodys.*nearkin rescue"):
            collection.add_vectors(vectors(1, 99), keys=["new"], uris=["file:///new.png"])
    rescue_catalogue(collection_folder)
    with Collection.open(collection_folder) as collection:
        collection.add_vectors(vectors(1, 99), keys=["new"], uris=["file:///new.png"])
        assert collection.verify().ok


def test_a_sound_one_comes_through_whole(collection_folder: Path) -> None:
    with Collection.open(collection_folder) as collection:
        before = collection.items(limit=COUNT).items
        hits = collection.search(vector=vectors(1)[0]).hits
        change = collection.info().change
    assert rescue_catalogue(collection_folder)["vector"] == COUNT - 1
    with Collection.open(collection_folder) as collection:
        assert collection.items(limit=COUNT).items == before
        assert collection.search(vector=vectors(1)[0]).hits == hits
        assert collection.info().change > change
        assert all("no longer kept" in repair for repair in collection.info().repairs)
        assert collection.verify().ok


def test_where_nothing_can_be_read_nothing_is_changed(collection_folder: Path) -> None:
    nothing = b"nothing" * 9999
    (collection_folder / database.FILE).write_bytes(nothing)
    with pytest.raises(CatalogueDamaged, match="nothing can be read"):
        rescue_catalogue(collection_folder)
    assert (collection_folder / database.FILE).read_bytes() == nothing
    assert not (collection_folder / "rescued").exists()


def test_it_waits_for_a_writer_and_needs_a_collection(collection_folder: Path, tmp_path: Path) -> None:
    with WriterLock(collection_folder, 1).hold(), pytest.raises(WriterBusy):
        rescue_catalogue(collection_folder, wait=0.1)
    with pytest.raises(CollectionNotFound):
        rescue_catalogue(tmp_path)
    shutil.rmtree(collection_folder)


def test_the_collection_keeps_its_identity(collection_folder: Path) -> None:
    def identity() -> str:
        catalogue = Catalogue.open(collection_folder)
        catalogue.close()
        return catalogue.identity

    before = identity()
    rescue_catalogue(collection_folder)
    assert identity() == before
