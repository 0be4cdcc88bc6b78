from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from indexers.errors import WriteFailed
from indexers.files import PATIENCE, move_over, replace_file, sync, write_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replace_file(path) as temporary:
        temporary.write_text("first")
    with (
        pytest.raises(UnicodeEncodeError),
        replace_file(path) as temporary,
        open(temporary, "w", encoding="ascii") as file,
    ):
        file.writelines(["half", "é"])
    assert path.read_text() == "first"
    assert names(tmp_path) == ["a"]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "no" / "a"
    with pytest.raises(WriteFailed, match=r"cannot write .*: No such file"), replace_file(path) as temporary:
        temporary.write_text("x")


def test_threads_that_write_the_same_file_do_not_mix(tmp_path: Path) -> None:
    path, both_inside = tmp_path / "a", threading.Barrier(2, timeout=10)

    def write(letter: str) -> None:
        with replace_file(path) as temporary, temporary.open("w") as file:
            file.write(letter)
            both_inside.wait()
            file.write(letter)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in ("xx", "yy")
    assert names(tmp_path) == ["a"]


def test_a_whole_file_is_written_in_a_folder_made_for_it(tmp_path: Path) -> None:
    write_file(tmp_path / "a" / "b", b"one")
    write_file(tmp_path / "a" / "b", b"two", durable=True)
    assert names(tmp_path / "a") == ["b"]
    assert (tmp_path / "a" / "b").read_bytes() == b"two"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteFailed, match=r"cannot write .*b: "):
        write_file(tmp_path / "file" / "b", b"one")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="shows open files as Linux does")
def test_a_durable_file_is_on_the_disk_with_its_name_and_its_new_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}")))
    write_file(tmp_path / "a" / "b" / "c", b"1", durable=True)
    assert synced[:2] == [str(tmp_path / "a"), str(tmp_path)]
    assert Path(synced[2]).suffix == ".part"
    assert synced[3:] == [str(tmp_path / "a" / "b")]


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    name = "y" * 251 + ".csv"
    write_file(tmp_path / name, b"1")
    assert names(tmp_path) == [name]


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    move_over(tmp_path / "a", tmp_path / "b")
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_text() == "a"


def test_a_move_that_is_not_permitted_is_said_at_once(
    tmp_path: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "shut").mkdir(mode=0o500)
    started = time.monotonic()
    with unprivileged(), pytest.raises(PermissionError):
        move_over(tmp_path / "a", tmp_path / "shut" / "b")
    assert time.monotonic() - started < PATIENCE


def test_a_folder_is_synced_where_that_can_be(
    tmp_path: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "nothing")
    (tmp_path / "shut").mkdir(mode=0o300)
    with unprivileged():
        sync(tmp_path / "shut")  # it can't be opened, as no folder can on Windows
