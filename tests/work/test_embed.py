"""Work of the kind `embed` adds pictures as `add` does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from retrieval import Collection
from tests.support import pictures

pytestmark = pytest.mark.databases


def list_items(collection: Collection) -> list[tuple[str | None, dict[str, object]]]:
    return sorted((item.uri, dict(item.metadata)) for item in collection.walk())


def test_what_is_queued_is_added_with_its_metadata(collection: Collection, folder: Path) -> None:
    report = collection.queue(folder, metadata={"album": "discs"})
    assert (report.queued, report.known, report.failed) == (5, 0, 0)
    assert collection.count() == 0
    done = collection.work(batch=2)
    assert (done.done, done.failed, done.change) == (5, 0, collection.change())
    assert list_items(collection) == [(str(file), {"album": "discs"}) for file in sorted(folder.glob("*.png"))]
    assert collection.search(folder / "red.png", k=1)[0].uri == str(folder / "red.png")
    assert collection.info().work is None


def test_known_files_are_not_queued_unless_they_get_metadata_or_have_changed(filled: Collection, folder: Path) -> None:
    report = filled.queue(folder)
    assert (report.queued, report.known) == (0, 5)
    pictures.disc("white").save(folder / "red.png")
    assert filled.queue(folder).queued == 1
    assert filled.queue(folder / "blue.png", metadata={"new": True}).queued == 1
    assert filled.work().done == 2
    assert filled.count() == 5
    assert filled.get(str(folder / "blue.png")).metadata["new"] is True


def test_failures_are_told_and_tried_again_when_asked(collection: Collection, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    collection.queue([folder, folder / "nowhere.png"])
    (folder / "green.png").unlink()
    report = collection.work()
    assert (report.done, report.failed) == (4, 2)
    assert {failure.uri for failure in report.failures} == {str(folder / name) for name in ("broken.png", "green.png")}
    work = collection.info().work
    assert work
    assert (work.waiting, work.failed, len(work.failures)) == (0, 2, 2)
    assert collection.work().done == 0
    pictures.disc("green").save(folder / "green.png")
    pictures.disc("white").save(folder / "broken.png")
    again = collection.work(retry_failed=True)
    assert (again.done, again.failed, collection.count()) == (2, 0, 6)


def test_folders_that_files_must_lie_in_are_remembered(collection: Collection, folder: Path, tmp_path: Path) -> None:
    pictures.disc("white").save(tmp_path / "outside.png")
    collection.queue(folder, roots=[folder])
    (folder / "red.png").unlink()
    os.symlink(tmp_path / "outside.png", folder / "red.png")
    report = collection.work()
    assert (report.done, report.failed) == (4, 1)
    assert "white" not in str(collection.get(str(folder / "blue.png")))


def test_files_that_swap_their_names_keep_their_items(filled: Collection, folder: Path) -> None:
    before = {name: filled.get(str(folder / f"{name}.png")).id for name in ("red", "blue")}
    (folder / "red.png").rename(folder / "other.png")
    (folder / "blue.png").rename(folder / "red.png")
    (folder / "other.png").rename(folder / "blue.png")
    filled.queue(folder)
    filled.work(batch=1)
    assert {name: filled.get(str(folder / f"{name}.png")).id for name in ("red", "blue")} == {
        "red": before["blue"],
        "blue": before["red"],
    }
