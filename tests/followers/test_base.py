"""The loop that drives followers: what it advances when, what is saved and recorded, several processes at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.followers import base, stored_file
from indexers.followers.base import Follower, Followers
from indexers.types import Change, Space
from indexers.vectors.rows import Rows
from retrieval import Collection
from tests.conftest import vectors
from tests.support.followers import add_space, list_ids, list_positions, open_followers, put_vectors, remove_items


def test_they_follow_the_catalogue(catalogue: Catalogue, space: Space) -> None:
    followers = open_followers(catalogue, space)
    assert list_ids(followers) == [[], []]
    put_vectors(catalogue, space, "a", "b", "c")
    assert list_ids(followers) == [[1, 2, 3]] * 2
    remove_items(catalogue, "b")
    put_vectors(catalogue, space, "a", "d", seed=1)
    assert list_ids(followers) == [[1, 3, 4]] * 2
    with catalogue.snapshot() as snapshot:
        assert list_positions(followers) == [snapshot.number] * 2


def test_a_change_of_an_item_alone_moves_them_on(catalogue: Catalogue, space: Space) -> None:
    followers = open_followers(catalogue, space)
    put_vectors(catalogue, space, "a")
    list_ids(followers)
    with catalogue.transaction() as writing:
        writing.update(1, {"x": 1})
    with followers.current_snapshot() as snapshot:
        assert list_positions(followers) == [snapshot.number] * 2 == [3, 3]


def test_other_spaces_do_not_concern_them(catalogue: Catalogue, space: Space) -> None:
    other = add_space(catalogue, "other")
    followers = open_followers(catalogue, space)
    put_vectors(catalogue, other, "a")
    assert list_ids(followers) == [[], []]


class Log(Follower):
    """Keeps the changes that it was given, and records their number as a setting; a slow follower."""

    name: ClassVar[str] = "log"

    def __init__(self, space: Space, patience: int = 0) -> None:
        super().__init__(space)
        self.patience = patience
        self.applied: list[Change] = []
        self.recorded = 0
        self.broken = False

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        self.applied += changes
        if self.broken:
            raise RuntimeError("half of the changes were applied")

    def reset(self) -> None:
        self.applied, self.position = [], 0

    def may_wait(self, snapshot: Snapshot) -> bool:
        return snapshot.number - self.position <= self.patience

    def needs_record(self, snapshot: Snapshot) -> bool:
        return self.recorded < len(self.applied)

    def record(self, transaction: Transaction) -> None:
        self.recorded = len(self.applied)
        transaction.set_setting(f"log {self.patience}", str(self.recorded))


def test_those_that_searching_does_not_need_are_left_for_later(catalogue: Catalogue, space: Space) -> None:
    log = Log(space)
    followers = Followers(catalogue, [log])
    followers.open()
    put_vectors(catalogue, space, "a")
    with followers.current_snapshot():
        pass
    followers.advance(include_slow=False)
    assert (log.position, log.applied) == (0, [])
    assert followers.advance() == 2
    assert (log.position, [change.kind for change in log.applied]) == (2, ["vector set"])
    put_vectors(catalogue, space, "a", seed=1)
    remove_items(catalogue, "a")
    followers.advance()
    assert [change.kind for change in log.applied] == ["vector set", "vector removed"]


def read_setting(catalogue: Catalogue, name: str) -> str | None:
    with catalogue.snapshot() as snapshot:
        return snapshot.setting(name)


def test_what_must_last_is_recorded_once_or_when_it_is_forced(catalogue: Catalogue, space: Space) -> None:
    log = Log(space)
    followers = Followers(catalogue, [log])
    put_vectors(catalogue, space, "a", "b")
    assert followers.record()
    assert read_setting(catalogue, "log 0") == "2"
    log.recorded = 2 + 1  # ahead: nothing is to be written
    assert followers.record()
    assert log.recorded == 3
    assert followers.record(force=True)
    assert log.recorded == 2


def test_a_record_gives_way_to_a_writer(catalogue: Catalogue, space: Space) -> None:
    other = Catalogue.open(catalogue.folder, wait=0.05)
    log = Log(space)
    followers = Followers(other, [log])
    put_vectors(catalogue, space, "a")
    with catalogue.transaction():
        assert followers.record() is False
    assert (log.recorded, len(log.applied)) == (0, 1)
    assert followers.record() is True
    assert log.recorded == 1
    other.close()


def test_followers_that_may_wait_are_left_until_all_are_asked_for(catalogue: Catalogue, space: Space) -> None:
    eager, patient = Log(space), Log(space, patience=50)
    followers = Followers(catalogue, [eager, patient])
    put_vectors(catalogue, space, "a", "b")
    assert followers.record(let_wait=True)
    assert [len(log.applied) for log in (eager, patient)] == [2, 0]
    with followers.complete_snapshot(let_wait=True) as snapshot:
        assert (eager.position, patient.position) == (snapshot.number, 0)
    with followers.complete_snapshot() as snapshot:
        assert list_positions(followers) == [snapshot.number] * 2
    followers.record()
    assert read_setting(catalogue, "log 50") == "2"


def test_half_of_a_change_is_thrown_away(catalogue: Catalogue, space: Space) -> None:
    log = Log(space)
    followers = Followers(catalogue, [log])
    put_vectors(catalogue, space, "a")
    log.broken = True
    with pytest.raises(RuntimeError, match="half"):
        followers.advance()
    assert (log.applied, log.position) == ([], 0)
    log.broken = False
    followers.advance()
    assert len(log.applied) == 1


def test_an_interrupt_between_two_steps_of_a_swap_leaves_answers_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a save the rows move from memory to the mapped file, in several steps."""
    rows = vectors(200)
    with Collection.open(tmp_path / "collection", create=True, save_changes=150) as collection:
        collection.add_vectors(rows[:100], keys=[f"{number}" for number in range(100)])
        right = collection.search_many(rows[:100], k=1).ids.ravel()
        set_base = Rows._set_base

        def interrupt(table: Rows, *arguments: object) -> None:
            monkeypatch.setattr(Rows, "_set_base", set_base)
            table.base = np.empty((7, table.dimension), np.float32)
            raise KeyboardInterrupt

        monkeypatch.setattr(Rows, "_set_base", interrupt)
        with pytest.raises(KeyboardInterrupt):
            collection.add_vectors(rows[100:], keys=[f"{number}" for number in range(100, 200)])
        assert collection.search_many(rows[:100], k=1).ids.ravel().tolist() == right.tolist()
        assert collection.verify().ok


def test_a_restart_makes_one_follower_again_and_records_it(catalogue: Catalogue, space: Space) -> None:
    first, second = Log(space), Log(space, patience=1)
    followers = Followers(catalogue, [first, second])
    put_vectors(catalogue, space, "a")
    put_vectors(catalogue, space, "a", seed=1)
    followers.record()
    first.applied, second.applied = [], []
    followers.restart(first)
    assert [len(log.applied) for log in (first, second)] == [1, 0]
    assert read_setting(catalogue, "log 0") == "1"


def test_nothing_is_saved_twice(catalogue: Catalogue, space: Space) -> None:
    followers = open_followers(catalogue, space)
    put_vectors(catalogue, space, "a")
    list_ids(followers)
    for again, generation in ((False, 1), (False, 1), (True, 2)):
        followers.save(force=again)
        with catalogue.snapshot() as snapshot:
            assert snapshot.follower("flat", space.id) == (2, generation)
    assert followers.count_unsaved() == 0
    put_vectors(catalogue, space, "b")
    list_ids(followers)
    assert followers.count_unsaved() == 2


def test_a_file_from_before_pruned_changes_is_rebuilt(
    catalogue: Catalogue, space: Space, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(base, "CHANGES_KEPT", 0)
    idle = open_followers(catalogue, space)
    put_vectors(catalogue, space, "a")
    list_ids(idle)
    shutil.copytree(catalogue.folder, tmp_path / "away")
    busy = open_followers(catalogue, space)
    put_vectors(catalogue, space, "b", seed=1)
    remove_items(catalogue, "a")
    list_ids(busy)
    busy.save()
    with catalogue.snapshot() as snapshot:
        assert snapshot.oldest == snapshot.number == 6
    assert list_ids(idle) == [[2]] * 2  # reloads what the other one saved
    assert idle.repairs == []


def test_changes_are_pruned_when_all_are_saved(
    catalogue: Catalogue, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    followers = open_followers(catalogue, space)
    put_vectors(catalogue, space, *(f"k{n}" for n in range(20)))
    list_ids(followers)
    followers.save()
    with catalogue.snapshot() as snapshot:
        assert snapshot.oldest == 0  # the newest ones stay for readers that idle
    monkeypatch.setattr(base, "CHANGES_KEPT", 5)
    followers.save(force=True)
    with catalogue.snapshot() as snapshot:
        assert snapshot.oldest == 35
    assert open_followers(catalogue, space).repairs == []


def test_a_newer_state_of_another_process_is_not_overwritten(catalogue: Catalogue, space: Space) -> None:
    slow, fast = open_followers(catalogue, space), open_followers(catalogue, space)
    put_vectors(catalogue, space, "a")
    list_ids(slow)
    put_vectors(catalogue, space, "b", seed=1)
    list_ids(fast)
    fast.save()
    slow.save()
    header, _ = stored_file.verify(catalogue.folder / "spaces" / str(space.id) / "flat")
    assert (header.position, header.generation) == (4, 1)


def test_a_save_gives_way_to_a_writer(catalogue: Catalogue, space: Space) -> None:
    other = Catalogue.open(catalogue.folder, wait=0.05)
    followers = open_followers(other, space)
    put_vectors(catalogue, space, "a")
    list_ids(followers)
    with catalogue.transaction():
        assert followers.save() is False
    assert followers.save() is True
    other.close()


def test_searches_go_on_while_one_brings_in_changes(catalogue: Catalogue, space: Space) -> None:
    followers = open_followers(catalogue, space)
    put_vectors(catalogue, space, *(f"k{n}" for n in range(200)))
    done, faults = threading.Event(), list[BaseException]()

    def search() -> None:
        try:
            while not done.is_set():
                with followers.current_snapshot() as snapshot:
                    count = snapshot.vector_counts()[space.id]
                    for follower in followers.members:
                        assert len(follower.index) == count  # type: ignore[attr-defined]
                        neighbours = follower.index.search(vectors(1), 5)  # type: ignore[attr-defined]
                        assert neighbours.position == snapshot.number
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        put_vectors(catalogue, space, *(f"t{turn}.{n}" for n in range(20)), seed=turn)
        remove_items(catalogue, f"t{turn}.3")
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
    followers = open_followers(catalogue, space)
    put_vectors(catalogue, space, "a", "b", "c")
    list_ids(followers)
    followers.save()
    return followers


def test_a_rebuild_makes_everything_anew(catalogue: Catalogue, space: Space, saved: Followers) -> None:
    saved.members[0].index.remove(np.array([1]))  # type: ignore[attr-defined]
    saved.rebuild()
    assert list_ids(saved) == [[1, 2, 3]] * 2
    assert open_followers(catalogue, space).repairs == []
    with catalogue.snapshot() as snapshot:
        assert snapshot.follower("flat", space.id)[1] == 2
