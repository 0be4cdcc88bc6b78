"""Values of another kind than their column: told by verify, refused by an error of ours, left out by a rescue."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from indexers.catalogue import soundness
from indexers.catalogue.rescue import rescue_catalogue
from indexers.errors import CatalogueDamaged, ItemNotFound
from retrieval import Collection
from tests.conftest import vectors


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("metadata", "[1, 2]"),
        ("metadata", '"x"'),
        ("metadata", 7),
        ("metadata", "null"),
        ("metadata", "{broken"),
        ("metadata", "[" * 100_000),
        ("metadata", '{"a": ' + "9" * 5000 + "}"),
        ("metadata", b"\xff\xfe"),
        ("text", b"\xff\xfe"),
        ("key", b"\xff\xfe"),
        ("hash", "text"),
    ],
)
def test_a_value_of_another_kind_is_told_and_left_out_by_a_rescue(tmp_path: Path, column: str, value: object) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(6), metadata=[{"a": row} for row in range(6)], texts=["words"] * 6)
        assert collection.verify().ok
    database = sqlite3.connect(tmp_path / "c" / "catalogue.sqlite", isolation_level=None)
    database.execute(f"UPDATE item SET {column} = ? WHERE id = 3", (value,))
    database.close()
    with Collection.open(tmp_path / "c") as collection:
        for repair in (False, True):
            problems = collection.verify(repair=repair).problems
            assert problems == (f"database: 1 values of item.{column} are not of its kind (the first is item 3)",)
        with pytest.raises(CatalogueDamaged, match="damaged"):
            list(collection.items())
    assert rescue_catalogue(tmp_path / "c")["item"] == 5
    with Collection.open(tmp_path / "c") as collection:
        assert [item.id for item in collection.items()] == [1, 2, 4, 5, 6]
        assert collection.verify().ok


def make_clustered(folder: Path) -> None:
    with Collection.open(folder, create=True, scan_below=0) as collection:
        collection.add_vectors(vectors(40), metadata=[{"a": row} for row in range(40)], texts=["words"] * 40)
        collection.make_clustering("mine", method="kmeans", k=3)
        collection.catch_up()


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clustered") / "c"
    make_clustered(folder)
    return folder


def use(folder: Path) -> None:
    with Collection.open(folder) as collection:
        collection.search(vector=vectors(1)[0], k=3)
        collection.clusters("fine")
        for clustering in collection.clusterings():
            collection.clusters(clustering.name)
        collection.cluster_events()
        collection.add_vectors(vectors(2, seed=1))
        collection.catch_up()
        problems = collection.verify().problems
    if problems:
        raise CatalogueDamaged("; ".join(problems))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE counter SET oldest = 'x'",
        "UPDATE counter SET number = -9223372036854775808",
        "DELETE FROM counter",
        "UPDATE follower SET position = x'00'",
        "UPDATE space SET dimension = 'x'",
        "UPDATE member SET fine = 'x' WHERE item = 3",
        "UPDATE placed SET cluster = x'ff' WHERE item = 3",
        "DELETE FROM cluster",
        "UPDATE grouping SET labels = '{}'",
        "UPDATE setting SET value = '[]' WHERE key = 'identity'",
        "UPDATE words_config SET v = 0",
    ],
)
def test_whatever_a_wrong_value_leads_to_is_told_as_damage_that_a_rescue_mends(
    clustered: Path, tmp_path: Path, statement: str
) -> None:
    folder = tmp_path / "c"
    shutil.copytree(clustered, folder)
    database = sqlite3.connect(folder / "catalogue.sqlite", isolation_level=None)
    database.execute(statement)
    database.close()
    told = "is damaged: .* nearkin rescue -c|database: .* not of its kind|database: the index of words can't be read"
    with pytest.raises(CatalogueDamaged, match=told):
        use(folder)
    rescue_catalogue(folder)
    use(folder)


class OwnError(Exception):
    """An error of a user's."""


def test_an_error_of_a_user_stays_his_and_a_sound_database_is_searched_once(
    ready_made: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "PAUSE", 0)
    searches: list[int] = []
    find = soundness.find_wrong_values
    monkeypatch.setattr(soundness, "find_wrong_values", lambda connection: searches.append(1) or find(connection))

    def fail(*_: object) -> None:
        raise OwnError

    for _ in range(3):
        with pytest.raises(OwnError), ready_made._catalogue.snapshot():
            fail()
        with pytest.raises(OwnError), ready_made._catalogue.transaction():
            fail()
        with pytest.raises(OwnError):
            ready_made.backup(tmp_path / "backup", progress=fail)
    assert len(searches) == 1
    ready_made.add_vectors(vectors(1, seed=1))
    with pytest.raises(OwnError), ready_made._catalogue.snapshot():
        fail()
    assert len(searches) == 2
    monkeypatch.setattr(soundness, "PAUSE", 10**9)
    for seed in (2, 3):  # the database changes all the time
        ready_made.add_vectors(vectors(1, seed=seed))
        with pytest.raises(OwnError), ready_made._catalogue.snapshot():
            fail()
    assert len(searches) == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, ItemNotFound])
def test_interrupts_and_errors_of_ours_pass_at_once(
    ready_made: Collection, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setattr(soundness, "find_wrong_values", lambda _: pytest.fail("searched"))
    with pytest.raises(error), ready_made._catalogue.snapshot():
        raise error


def test_a_collection_that_turns_out_damaged_lets_go_of_all_its_files(clustered: Path, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    shutil.copytree(clustered, folder)
    collection = Collection.open(folder)
    collection.add_vectors(vectors(2, seed=1))
    database = sqlite3.connect(folder / "catalogue.sqlite", isolation_level=None)
    database.execute("UPDATE counter SET oldest = 'x'")
    database.close()
    with pytest.raises(CatalogueDamaged):
        collection.close()
    assert collection._opened.catalogue.database.is_closed
    assert collection._opened.spaces.views == []
