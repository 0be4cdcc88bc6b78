"""The operating system's lock on a file."""

from __future__ import annotations

from pathlib import Path

from indexers.catalogue import file_lock


def test_one_open_file_at_a_time_has_the_lock(tmp_path: Path) -> None:
    first, second = (tmp_path / "lock").open("ab"), (tmp_path / "lock").open("ab")
    assert file_lock.try_lock(first)
    assert not file_lock.try_lock(second)
    file_lock.unlock(first)
    assert first.closed
    assert file_lock.try_lock(second)
    file_lock.unlock(second)
    file_lock.unlock(second)  # a second time does no harm


def test_a_file_that_is_dropped_is_unlocked(tmp_path: Path) -> None:
    file = (tmp_path / "lock").open("ab")
    assert file_lock.try_lock(file)
    file.close()
    with (tmp_path / "lock").open("ab") as other:
        assert file_lock.try_lock(other)


def test_a_deleted_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("ab") as file:
        assert file_lock.is_at(file, path)
        path.rename(tmp_path / "away")
        assert not file_lock.is_at(file, path)
        path.touch()
        assert not file_lock.is_at(file, path)
