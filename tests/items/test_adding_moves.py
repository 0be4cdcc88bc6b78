"""What was said of a picture goes with it, and with the picture that it was edited into, and with no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval import Collection
from tests.support import pictures


@pytest.fixture
def said(collection: Collection, folder: Path) -> Collection:
    """Return a collection that knows something about red.png."""
    collection.sync(folder)
    collection.update(str(folder / "red.png"), {"note": "mine"})
    return collection


def test_a_new_picture_under_the_name_of_a_lost_one_inherits_nothing(said: Collection, folder: Path) -> None:
    lost = said.get(str(folder / "red.png")).id
    (folder / "red.png").unlink()
    said.sync(folder)
    pictures.disc("orange").save(folder / "red.png")
    said.sync(folder)
    assert said.get(str(folder / "red.png")).metadata == {}
    assert (said.get(lost).metadata, said.get(lost).missing) == ({"note": "mine"}, True)


def test_a_file_that_could_not_be_read_for_a_while_is_still_the_same(said: Collection, folder: Path) -> None:
    (folder / "red.png").write_bytes(b"half written")
    assert said.sync(folder).failed == 1
    pictures.disc("orange").save(folder / "red.png")
    said.sync(folder)
    assert said.get(str(folder / "red.png")).metadata == {"note": "mine"}


def test_an_edit_after_a_move_inherits(said: Collection, folder: Path) -> None:
    (folder / "red.png").rename(folder / "moved.png")
    said.sync(folder)
    pictures.disc("orange").save(folder / "moved.png")
    said.sync(folder)
    assert said.get(str(folder / "moved.png")).metadata == {"note": "mine"}


def test_an_edit_inherits_though_a_copy_was_deleted_at_once(said: Collection, folder: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "red.png").read_bytes())
    said.sync(folder)
    (folder / "copy.png").unlink()
    pictures.disc("orange").save(folder / "red.png")
    said.sync(folder)
    assert said.get(str(folder / "red.png")).metadata == {"note": "mine"}


def test_a_new_picture_in_the_place_of_one_that_was_moved_inherits_nothing(said: Collection, folder: Path) -> None:
    (folder / "red.png").rename(folder / "moved.png")
    pictures.disc("orange").save(folder / "red.png")
    said.sync(folder)
    assert said.get(str(folder / "red.png")).metadata == {}
    assert said.get(str(folder / "moved.png")).metadata == {"note": "mine"}
