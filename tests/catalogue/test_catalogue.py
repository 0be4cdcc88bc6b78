"""The catalogue as a whole: made once, refused when it is not ours, all or nothing, one moment at a time."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from indexers.catalogue import schema
from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import CatalogueDamaged, CollectionNotFound, SchemaTooNew, SchemaTooOld, WriteFailed, WriterBusy
from indexers.types import Arrival
from tests.conftest import vectors


def put_items(catalogue: Catalogue, *keys: str) -> list[int]:
    with catalogue.transaction() as writing:
        return [stored.item_id for stored in writing.put([Arrival(key) for key in keys])]


def write_revision(folder: Path, revision: str) -> None:
    with sqlite3.connect(folder / database.FILE) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()


def test_a_new_one_is_empty_and_remembers_what_it_was_told(tmp_path: Path) -> None:
    created = Catalogue.create(tmp_path / "deep" / "folder", {"embedder": "tiny"})
    with created.snapshot() as snapshot:
        assert (snapshot.number, snapshot.oldest) == (0, 0)
        assert snapshot.setting("embedder") == "tiny"
        assert snapshot.setting("nothing") is None
        assert snapshot.table_counts() == dict.fromkeys(("items", "locations", "attributes", "failures", "missing"), 0)
    assert created.find_faults() == []
    created.close()


def test_creating_twice_gives_the_same_one(catalogue: Catalogue) -> None:
    put_items(catalogue, "a")
    again = Catalogue.create(catalogue.folder)
    with again.snapshot() as snapshot:
        assert snapshot.count() == 1
    assert again.identity == catalogue.identity != ""
    again.close()


def test_threads_that_create_at_once_get_the_same_one(tmp_path: Path) -> None:
    identities: list[str] = []

    def create() -> None:
        created = Catalogue.create(tmp_path / "new")
        identities.append(created.identity)
        created.close()

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(identities) == 6
    assert len(set(identities)) == 1


@pytest.mark.parametrize("name", ["what? #1 100%", "a b", "é", "\udcff"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    created = Catalogue.create(tmp_path / name)
    put_items(created, "a")
    created.close()
    assert (tmp_path / name / database.FILE).is_file()
    again = Catalogue.open(tmp_path / name)
    with again.snapshot() as snapshot:
        assert snapshot.count() == 1
    again.close()


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFound, match="nearkin add PATH"):
        Catalogue.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteFailed, match="file/below"):
        Catalogue.create(tmp_path / "file" / "below")


def test_one_whose_making_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / database.FILE).write_bytes(b"")
    with pytest.raises(CollectionNotFound, match=r"creation of the collection .* was interrupted"):
        Catalogue.open(tmp_path)
    Catalogue.create(tmp_path).close()
    Catalogue.open(tmp_path).close()


def test_one_that_lost_its_tables_is_damaged_not_new(tmp_path: Path) -> None:
    (tmp_path / database.FILE).write_bytes(b"")
    (tmp_path / "spaces").mkdir()
    with pytest.raises(CatalogueDamaged, match="no nearkin tables"):
        Catalogue.open(tmp_path)


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / database.FILE) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    for opener in (Catalogue.open, Catalogue.create):
        with pytest.raises(CatalogueDamaged, match="no nearkin tables"):
            opener(tmp_path)


def test_a_newer_one_is_refused_with_the_way_out(catalogue: Catalogue) -> None:
    write_revision(catalogue.folder, "9999")
    with pytest.raises(SchemaTooNew, match=r"schema 9999; this one knows .*pip install --upgrade nearkin"):
        Catalogue.open(catalogue.folder)


def test_an_older_stamp_is_refused_until_it_is_upgraded(catalogue: Catalogue) -> None:
    write_revision(catalogue.folder, "0000")
    with pytest.raises(SchemaTooOld, match=f"schema 0000.*nearkin upgrade -c {catalogue.folder}"):
        Catalogue.open(catalogue.folder)
    write_revision(catalogue.folder, schema.REVISION)
    Catalogue.open(catalogue.folder).close()


def test_a_batch_is_all_there_or_not_at_all(catalogue: Catalogue) -> None:
    put_items(catalogue, "before")
    with pytest.raises(RuntimeError, match="half way"), catalogue.transaction() as writing:  # noqa: PT012
        writing.put([Arrival("a", metadata={"x": 1}, uri="/a.jpg"), Arrival("b")])
        writing.set_setting("colour", "red")
        raise RuntimeError("half way")
    with catalogue.snapshot() as snapshot:
        assert (snapshot.count(), snapshot.number) == (1, 1)
        assert snapshot.setting("colour") is None
        assert snapshot.table_counts()["attributes"] == snapshot.table_counts()["locations"] == 0


def test_change_numbers_strictly_grow(catalogue: Catalogue) -> None:
    seen = [0]
    for batch in (["a", "b"], ["c"], ["a"], ["d"]):
        put_items(catalogue, *batch)
        with catalogue.snapshot() as snapshot:
            seen.append(snapshot.number)
    assert seen == [0, 2, 3, 3, 4]  # what changes nothing takes no number


def test_the_numbers_of_a_batch_that_failed_are_given_again(catalogue: Catalogue) -> None:
    with pytest.raises(RuntimeError), catalogue.transaction() as writing:  # noqa: PT012
        writing.put([Arrival("a")])
        writing.finish()
        raise RuntimeError
    put_items(catalogue, "b")
    with catalogue.snapshot() as snapshot:
        assert snapshot.number == 1


def test_a_snapshot_sees_one_moment(catalogue: Catalogue) -> None:
    put_items(catalogue, "a")
    with catalogue.snapshot() as early:
        put_items(catalogue, "b", "c")
        assert early.count() == 1
        with catalogue.snapshot() as late:
            assert late.count() == 3
        assert (early.number, early.count()) == (1, 1)


def test_a_second_writer_waits_and_is_then_told_who_writes(catalogue: Catalogue) -> None:
    other = Catalogue.open(catalogue.folder, wait=0.1)
    with catalogue.transaction(), pytest.raises(WriterBusy, match=r"process \d+"), other.transaction():
        pytest.fail("two at once")
    with other.transaction() as writing:
        writing.put([Arrival("a")])
    other.close()


def test_its_size_counts_the_log(catalogue: Catalogue) -> None:
    before = catalogue.size_on_disk()
    with catalogue.transaction() as writing:
        space = writing.add_space("s", None, {}, "", 1000, "cosine")
        writing.put([Arrival(str(n), vector=row) for n, row in enumerate(vectors(50, dimension=1000))], space.id)
    assert catalogue.size_on_disk() >= before + 50 * 4000
