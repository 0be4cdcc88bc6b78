"""Followers: replay, rebuild, whose past a file belongs to, what is saved when, several processes at once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import CatalogueDamaged
from indexers.followers import base
from indexers.followers import stored_file as storage
from indexers.followers.base import Follower, Followers
from indexers.followers.stored import FlatFollower, IndexFollower
from indexers.types import Arrival, Change, Space
from indexers.vectors.exact import Exact
from indexers.vectors.hnsw import Hnsw
from retrieval import Collection
from tests.conftest import vectors


@pytest.fixture
def space(catalogue: Catalogue) -> Space:
    with catalogue.transaction() as writing:
        return writing.add_space("s", None, {}, "", 8, "cosine")


def put(catalogue: Catalogue, space: Space, *names: str, seed: int = 0) -> None:
    with catalogue.transaction() as writing:
        data = vectors(len(names), seed)
        writing.put([Arrival(name, vector=one) for name, one in zip(names, data, strict=True)], space.id)


def remove(catalogue: Catalogue, *names: str) -> None:
    with catalogue.transaction() as writing:
        writing.remove(writing.resolve(names))


def opened(catalogue: Catalogue, space: Space, build: Any = None) -> Followers:
    folder = catalogue.folder / "spaces" / str(space.id)
    flat = FlatFollower(space, lambda: Exact(8, "cosine"), "exact", folder / "flat", catalogue.identity)
    index = IndexFollower(space, lambda: Hnsw(8, "cosine"), "hnsw", folder / "index", catalogue.identity, build)
    made = Followers(catalogue, [flat, index])
    made.open()
    return made


def ids(followers: Followers) -> list[list[int]]:
    """What each of them holds at this moment."""
    with followers.current_snapshot():
        return [sorted(one.index.ids().tolist()) for one in followers.members]  # type: ignore[attr-defined]


def positions(followers: Followers) -> list[int]:
    return [one.position for one in followers.members]


# ---- forward


def test_they_follow_the_catalogue(catalogue: Catalogue, space: Space) -> None:
    followers = opened(catalogue, space)
    assert ids(followers) == [[], []]
    put(catalogue, space, "a", "b", "c")
    assert ids(followers) == [[1, 2, 3]] * 2
    remove(catalogue, "b")
    put(catalogue, space, "a", "d", seed=1)
    assert ids(followers) == [[1, 3, 4]] * 2
    with catalogue.snapshot() as snapshot:
        assert positions(followers) == [snapshot.number] * 2


def test_a_change_of_an_item_alone_moves_them_on(catalogue: Catalogue, space: Space) -> None:
    followers = opened(catalogue, space)
    put(catalogue, space, "a")
    ids(followers)
    with catalogue.transaction() as writing:
        writing.update(1, {"x": 1})
    with followers.current_snapshot() as snapshot:
        assert positions(followers) == [snapshot.number] * 2 == [3, 3]


def test_other_spaces_do_not_concern_them(catalogue: Catalogue, space: Space) -> None:
    with catalogue.transaction() as writing:
        other = writing.add_space("other", None, {}, "", 8, "cosine")
    followers = opened(catalogue, space)
    put(catalogue, other, "a")
    assert ids(followers) == [[], []]


class Log(Follower):
    """Remembers what it is told; brought forward by `catch_up` only."""

    name: ClassVar[str] = "log"

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.told: list[Change] = []

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        self.told += changes

    def reset(self) -> None:
        self.told, self.position = [], 0


def test_those_that_searching_does_not_need_are_left_for_later(catalogue: Catalogue, space: Space) -> None:
    log = Log(space)
    followers = Followers(catalogue, [log])
    followers.open()
    put(catalogue, space, "a")
    with followers.current_snapshot():
        pass
    followers.advance(include_slow=False)
    assert (log.position, log.told) == (0, [])
    assert followers.advance() == 2
    assert (log.position, [change.kind for change in log.told]) == (2, ["vector set"])
    put(catalogue, space, "a", seed=1)
    remove(catalogue, "a")
    followers.advance()
    assert [change.kind for change in log.told] == ["vector set", "vector removed"]


# ---- taking up what is stored


def test_a_saved_state_is_taken_up_and_the_rest_replayed(catalogue: Catalogue, space: Space) -> None:
    first = opened(catalogue, space)
    put(catalogue, space, "a", "b")
    ids(first)
    assert first.save()
    put(catalogue, space, "c", seed=1)
    remove(catalogue, "a")
    again = opened(catalogue, space)
    assert again.repairs == []
    assert ids(again) == [[2, 3]] * 2
    assert [one.index.generation for one in again.members] == [1, 1]  # type: ignore[attr-defined]


def test_nothing_is_saved_twice(catalogue: Catalogue, space: Space) -> None:
    followers = opened(catalogue, space)
    put(catalogue, space, "a")
    ids(followers)
    for again, generation in ((False, 1), (False, 1), (True, 2)):
        followers.save(force=again)
        with catalogue.snapshot() as snapshot:
            assert snapshot.follower("flat", space.id) == (2, generation)
    assert followers.count_unsaved() == 0
    put(catalogue, space, "b")
    ids(followers)
    assert followers.count_unsaved() == 2


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
    first = opened(catalogue, space)
    put(catalogue, space, *(f"k{n}" for n in range(50)))
    ids(first)
    first.save()
    act, words = DAMAGES[damage]
    act(catalogue.folder / "spaces" / str(space.id) / name)
    assert len(first.find_damage()) == 1
    again = opened(catalogue, space)
    assert ids(again) == [list(range(1, 51))] * 2
    [told] = again.repairs
    assert told.startswith(f"{name} of 's'")
    assert words in told
    assert told.endswith("rebuilt from the catalogue")
    again.save(force=True)
    assert opened(catalogue, space).repairs == []


def test_a_state_that_was_never_saved_is_not_missed(catalogue: Catalogue, space: Space) -> None:
    put(catalogue, space, "a")
    assert opened(catalogue, space).repairs == []


def test_an_older_copy_is_noticed(catalogue: Catalogue, space: Space, tmp_path: Path) -> None:
    followers = opened(catalogue, space)
    folder = catalogue.folder / "spaces"
    put(catalogue, space, "a")
    ids(followers)
    followers.save()
    shutil.copytree(folder, tmp_path / "copy")
    put(catalogue, space, "b", seed=1)
    ids(followers)
    followers.save()
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    again = opened(catalogue, space)
    assert (
        [told for told in again.repairs if "older copy (generation 1, the newest is 2)" in told] == again.repairs != []
    )
    assert ids(again) == [[1, 2]] * 2


def test_another_collections_files_are_noticed(catalogue: Catalogue, space: Space, tmp_path: Path) -> None:
    other = Catalogue.create(tmp_path / "other")
    with other.transaction() as writing:
        theirs = writing.add_space("s", None, {}, "", 8, "cosine")
    for each, one in ((catalogue, space), (other, theirs)):
        followers = opened(each, one)
        put(each, one, "a", seed=one.id + (each is other))
        ids(followers)
        followers.save()
    shutil.rmtree(catalogue.folder / "spaces")
    shutil.copytree(other.folder / "spaces", catalogue.folder / "spaces")
    other.close()
    again = opened(catalogue, space)
    assert all("has collection" in told for told in again.repairs)
    assert len(again.repairs) == 2
    with again.current_snapshot() as snapshot:
        found = again.members[0].index.search(vectors(1, space.id), 1)  # type: ignore[attr-defined]
        assert found.scores[0, 0] == pytest.approx(1)
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
    put(catalogue, space, "new 1", "new 2", seed=2)
    catalogue.close()
    with Collection.open(folder) as collection:
        assert collection.info().change == change
        assert all("another history" in told for told in collection.info().repairs)
        assert len(collection.info().repairs) == 2
        assert [hit.key for hit in collection.search(vector=vectors(2, 2)[0], k=1)] == ["new 1"]
        assert {hit.key for hit in collection.search(vector=vectors(1)[0])} == {"a", "b", "c", "new 1", "new 2"}
        assert collection.verify().ok


def test_a_file_from_before_pruned_changes_is_rebuilt(
    catalogue: Catalogue, space: Space, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(base, "CHANGES_KEPT", 0)
    idle = opened(catalogue, space)
    put(catalogue, space, "a")
    ids(idle)
    shutil.copytree(catalogue.folder, tmp_path / "away")
    busy = opened(catalogue, space)
    put(catalogue, space, "b", seed=1)
    remove(catalogue, "a")
    ids(busy)
    busy.save()
    with catalogue.snapshot() as snapshot:
        assert snapshot.oldest == snapshot.number == 6
    assert ids(idle) == [[2]] * 2  # reloads what the other one saved
    assert idle.repairs == []


def test_an_old_file_says_that_changes_are_no_longer_kept(
    catalogue: Catalogue, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    followers = opened(catalogue, space)
    put(catalogue, space, "a", "b")
    ids(followers)
    followers.save()
    with catalogue.transaction() as writing:
        writing._connection.exec_driver_sql("DELETE FROM follower")
    put(catalogue, space, "c", seed=1)
    with catalogue.transaction() as writing:
        for name in ("flat", "index"):
            writing.record_follower(name, space.id, writing.number, 0)
        writing.prune(0)
    again = opened(catalogue, space)
    assert all("is at change 4, and changes before 6 are no longer kept" in told for told in again.repairs)
    assert len(again.repairs) == 2
    assert ids(again) == [[1, 2, 3]] * 2


def test_changes_are_pruned_when_all_are_saved(
    catalogue: Catalogue, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    followers = opened(catalogue, space)
    put(catalogue, space, *(f"k{n}" for n in range(20)))
    ids(followers)
    followers.save()
    with catalogue.snapshot() as snapshot:
        assert snapshot.oldest == 0  # the newest ones stay for readers that idle
    monkeypatch.setattr(base, "CHANGES_KEPT", 5)
    followers.save(force=True)
    with catalogue.snapshot() as snapshot:
        assert snapshot.oldest == 35
    assert opened(catalogue, space).repairs == []


# ---- beside each other


def test_the_flat_file_stays_right_when_a_reader_moves_on_during_a_save(catalogue: Catalogue, space: Space) -> None:
    followers = opened(catalogue, space)
    flat = followers.members[0]
    assert isinstance(flat, FlatFollower)
    put(catalogue, space, "a")
    ids(followers)
    with catalogue.snapshot() as snapshot:
        flat.save(snapshot)
    put(catalogue, space, "b", seed=1)
    ids(followers)
    flat.after_save()
    assert ids(followers) == [[1, 2]] * 2


def test_after_a_save_the_flat_file_is_mapped_not_held(catalogue: Catalogue, space: Space) -> None:
    followers = opened(catalogue, space)
    put(catalogue, space, *(f"k{n}" for n in range(100)))
    ids(followers)
    followers.save()
    flat = followers.members[0].index  # type: ignore[attr-defined]
    assert len(flat) == 100
    with followers.current_snapshot():
        np.testing.assert_allclose(flat.take(np.array([3, 1])), scale_to_unit(vectors(100)[[2, 0]]), atol=1e-6)


def test_a_newer_state_of_another_process_is_not_overwritten(catalogue: Catalogue, space: Space) -> None:
    slow, fast = opened(catalogue, space), opened(catalogue, space)
    put(catalogue, space, "a")
    ids(slow)
    put(catalogue, space, "b", seed=1)
    ids(fast)
    fast.save()
    slow.save()
    header, _ = storage.verify(catalogue.folder / "spaces" / str(space.id) / "flat")
    assert (header.position, header.generation) == (4, 1)


def test_a_save_gives_way_to_a_writer(catalogue: Catalogue, space: Space) -> None:
    other = Catalogue.open(catalogue.folder, wait=0.05)
    followers = opened(other, space)
    put(catalogue, space, "a")
    ids(followers)
    with catalogue.transaction():
        assert followers.save() is False
    assert followers.save() is True
    other.close()


def test_searches_go_on_while_one_brings_in_changes(catalogue: Catalogue, space: Space) -> None:
    followers = opened(catalogue, space)
    put(catalogue, space, *(f"k{n}" for n in range(200)))
    done, faults = threading.Event(), list[BaseException]()

    def search() -> None:
        try:
            while not done.is_set():
                with followers.current_snapshot() as snapshot:
                    count = snapshot.vector_counts()[space.id]
                    for one in followers.members:
                        assert len(one.index) == count  # type: ignore[attr-defined]
                        found = one.index.search(vectors(1), 5)  # type: ignore[attr-defined]
                        assert found.position == snapshot.number
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        put(catalogue, space, *(f"t{turn}.{n}" for n in range(20)), seed=turn)
        remove(catalogue, f"t{turn}.3")
        followers.advance()
        followers.save()
    done.set()
    for thread in threads:
        thread.join()
    assert not faults


WRITER = """
import sys
import numpy as np
from retrieval import Collection
with Collection.open(sys.argv[1], save_changes=10, wait=60) as collection:
    for turn in range(12):
        data = np.random.default_rng(turn).standard_normal((5, 8))
        collection.add_vectors(data, keys=[f"{sys.argv[2]}.{turn}.{n}" for n in range(5)])
"""


def test_two_processes_add_and_save_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    with Collection.open(folder, create=True) as collection:
        collection.add_vectors(vectors(1), keys=["first"])
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name], stderr=subprocess.PIPE, text=True)
        for name in ("x", "y")
    ]
    for writer in writers:
        _, errors = writer.communicate()
        assert not writer.returncode, errors
    with Collection.open(folder) as collection:
        assert collection.info().repairs == ()
        assert collection.count() == 121
        assert collection.verify().ok


@pytest.fixture
def saved(catalogue: Catalogue, space: Space) -> Followers:
    followers = opened(catalogue, space)
    put(catalogue, space, "a", "b", "c")
    ids(followers)
    followers.save()
    return followers


def test_a_rebuild_makes_everything_anew(catalogue: Catalogue, space: Space, saved: Followers) -> None:
    saved.members[0].index.remove(np.array([1]))  # type: ignore[attr-defined]
    saved.rebuild()
    assert ids(saved) == [[1, 2, 3]] * 2
    assert opened(catalogue, space).repairs == []
    with catalogue.snapshot() as snapshot:
        assert snapshot.follower("flat", space.id)[1] == 2


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
