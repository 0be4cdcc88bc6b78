"""Followers with a file: what is loaded, what is refused and rebuilt, whose past a file belongs to."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import CatalogueDamaged
from indexers.followers.stored import FlatFollower
from indexers.types import Space
from retrieval import Collection
from tests.conftest import vectors
from tests.support.followers import add_space, list_ids, open_followers, put_vectors, remove_items


def test_a_saved_state_is_taken_up_and_the_rest_replayed(catalogue: Catalogue, space: Space) -> None:
    first = open_followers(catalogue, space)
    put_vectors(catalogue, space, "a", "b")
    list_ids(first)
    assert first.save()
    put_vectors(catalogue, space, "c", seed=1)
    remove_items(catalogue, "a")
    again = open_followers(catalogue, space)
    assert again.repairs == []
    assert list_ids(again) == [[2, 3]] * 2
    assert [follower.index.generation for follower in again.members] == [1, 1]  # type: ignore[attr-defined]


def damage_byte(folder: Path) -> None:
    [payload] = [path for path in folder.glob("payload-*") if path.suffix == ""]
    data = bytearray(payload.read_bytes())
    data[len(data) // 2] ^= 1
    payload.write_bytes(data)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (damage_byte, "checksum is not the one written"),
    "all gone": (shutil.rmtree, "has lost its file"),
    "no header": (lambda folder: (folder / "header").unlink(), "has lost its file"),
    "an empty header": (lambda folder: (folder / "header").write_bytes(b""), "checksum is not"),
    "no payload": (lambda folder: [path.unlink() for path in folder.glob("payload-*")], "is missing"),
    "a cut payload": (
        lambda folder: [path.write_bytes(path.read_bytes()[:50]) for path in folder.glob("payload-*")],
        "has 50 bytes",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["flat", "index"])
def test_what_is_broken_is_rebuilt_and_told(catalogue: Catalogue, space: Space, name: str, damage: str) -> None:
    first = open_followers(catalogue, space)
    put_vectors(catalogue, space, *(f"k{n}" for n in range(50)))
    list_ids(first)
    first.save()
    act, words = DAMAGES[damage]
    act(catalogue.folder / "spaces" / str(space.id) / name)
    assert len(first.find_damage()) == 1
    again = open_followers(catalogue, space)
    assert list_ids(again) == [list(range(1, 51))] * 2
    [repair] = again.repairs
    assert repair.startswith(f"{name} of 's'")
    assert words in repair
    assert repair.endswith("rebuilt from the catalogue")
    again.save(force=True)
    assert open_followers(catalogue, space).repairs == []


def test_a_state_that_was_never_saved_is_not_missed(catalogue: Catalogue, space: Space) -> None:
    put_vectors(catalogue, space, "a")
    assert open_followers(catalogue, space).repairs == []


def test_an_older_copy_is_noticed(catalogue: Catalogue, space: Space, tmp_path: Path) -> None:
    followers = open_followers(catalogue, space)
    folder = catalogue.folder / "spaces"
    put_vectors(catalogue, space, "a")
    list_ids(followers)
    followers.save()
    shutil.copytree(folder, tmp_path / "copy")
    put_vectors(catalogue, space, "b", seed=1)
    list_ids(followers)
    followers.save()
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    again = open_followers(catalogue, space)
    assert (
        [repair for repair in again.repairs if "older copy (generation 1, the newest is 2)" in repair]
        == again.repairs
        != []
    )
    assert list_ids(again) == [[1, 2]] * 2


def test_another_collections_files_are_noticed(catalogue: Catalogue, space: Space, tmp_path: Path) -> None:
    other = Catalogue.create(tmp_path / "other")
    theirs = add_space(other)
    for owner, its_space in ((catalogue, space), (other, theirs)):
        followers = open_followers(owner, its_space)
        put_vectors(owner, its_space, "a", seed=its_space.id + (owner is other))
        list_ids(followers)
        followers.save()
    shutil.rmtree(catalogue.folder / "spaces")
    shutil.copytree(other.folder / "spaces", catalogue.folder / "spaces")
    other.close()
    again = open_followers(catalogue, space)
    assert all("has collection" in repair for repair in again.repairs)
    assert len(again.repairs) == 2
    with again.current_snapshot() as snapshot:
        nearest = again.members[0].index.search(vectors(1, space.id), 1)  # type: ignore[attr-defined]
        assert nearest.scores[0, 0] == pytest.approx(1)
        assert snapshot.count() == 1


def test_another_history_of_the_same_collection_is_noticed(tmp_path: Path) -> None:
    """An old copy of the database is put back, and work goes on until the change numbers are the same again."""
    folder = tmp_path / "c"
    with Collection.open(folder, create=True) as collection:
        collection.add_vectors(vectors(3), keys=["a", "b", "c"])
    shutil.copy(folder / database.FILE, tmp_path / "old.sqlite")
    with Collection.open(folder) as collection:
        collection.add_vectors(vectors(2, 1), keys=["lost 1", "lost 2"])
        change = collection.info().change
    for name in (database.FILE, f"{database.FILE}-wal", f"{database.FILE}-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "old.sqlite", folder / database.FILE)
    # as an older nearkin would, without a look at the derived files
    catalogue = Catalogue.open(folder)
    with catalogue.snapshot() as snapshot:
        [space] = snapshot.spaces()
    put_vectors(catalogue, space, "new 1", "new 2", seed=2)
    catalogue.close()
    with Collection.open(folder) as collection:
        assert collection.info().change == change
        assert all("another history" in repair for repair in collection.info().repairs)
        assert len(collection.info().repairs) == 2
        assert [hit.key for hit in collection.search(vector=vectors(2, 2)[0], k=1)] == ["new 1"]
        assert {hit.key for hit in collection.search(vector=vectors(1)[0])} == {"a", "b", "c", "new 1", "new 2"}
        assert collection.verify().ok


def test_an_old_file_says_that_changes_are_no_longer_kept(
    catalogue: Catalogue, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    followers = open_followers(catalogue, space)
    put_vectors(catalogue, space, "a", "b")
    list_ids(followers)
    followers.save()
    with catalogue.transaction() as writing:
        writing._connection.exec_driver_sql("DELETE FROM follower")
    put_vectors(catalogue, space, "c", seed=1)
    with catalogue.transaction() as writing:
        for name in ("flat", "index"):
            writing.record_follower(name, space.id, writing.number, 0)
        writing.prune(0)
    again = open_followers(catalogue, space)
    assert all("is at change 4, and changes before 6 are no longer kept" in repair for repair in again.repairs)
    assert len(again.repairs) == 2
    assert list_ids(again) == [[1, 2, 3]] * 2


def test_the_flat_file_stays_right_when_a_reader_moves_on_during_a_save(catalogue: Catalogue, space: Space) -> None:
    followers = open_followers(catalogue, space)
    flat = followers.members[0]
    assert isinstance(flat, FlatFollower)
    put_vectors(catalogue, space, "a")
    list_ids(followers)
    with catalogue.snapshot() as snapshot:
        flat.save(snapshot)
    put_vectors(catalogue, space, "b", seed=1)
    list_ids(followers)
    flat.after_save()
    assert list_ids(followers) == [[1, 2]] * 2


def test_after_a_save_the_flat_file_is_mapped_not_held(catalogue: Catalogue, space: Space) -> None:
    followers = open_followers(catalogue, space)
    put_vectors(catalogue, space, *(f"k{n}" for n in range(100)))
    list_ids(followers)
    followers.save()
    flat = followers.members[0].index  # type: ignore[attr-defined]
    assert len(flat) == 100
    with followers.current_snapshot():
        np.testing.assert_allclose(flat.take(np.array([3, 1])), scale_to_unit(vectors(100)[[2, 0]]), atol=1e-6)


def test_a_vector_that_was_cut_in_the_database_is_told_not_a_crash(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    with Collection.open(folder, create=True) as collection:
        collection.add_vectors(vectors(3))
    with sqlite3.connect(folder / database.FILE) as connection:
        connection.execute("UPDATE vector SET data = substr(data, 1, 20) WHERE item = 2")
    connection.close()
    with Collection.open(folder) as collection:
        assert "1 of space 'vectors' are damaged (the first is item 2)" in " ".join(collection.verify().problems)
    shutil.rmtree(folder / "spaces")
    with pytest.raises(CatalogueDamaged, match="the vector of item 2"):
        Collection.open(folder)
