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


# ---- items with keys of their own


@pytest.fixture
def keyed(collection: Collection, folder: Path) -> Collection:
    """Return a collection in which each file has a key of its own, the name of its colour, and a note of that name."""
    files = sorted(folder.iterdir())
    names = [file.stem for file in files]
    collection.add(files, keys=names, metadata=[{"note": name} for name in names])
    return collection


def read_places(collection: Collection) -> dict[str, list[str]]:
    """Return by key the names of the files of each item that is there; what has no key of its own is called `new`."""
    places: dict[str, list[str]] = {}
    for item in collection.walk(where={"missing": False}):
        name = item.metadata.get("note", "new")
        assert name in (item.key, "new")
        places.setdefault(name, []).extend(Path(uri).name for uri in item.uris)
    return places


UNCHANGED = {name: [f"{name}.png"] for name in ("black", "blue", "green", "red", "yellow")}


@pytest.mark.parametrize("way", ["sync", "add"])
def test_an_item_with_a_key_follows_its_renamed_file(keyed: Collection, folder: Path, way: str) -> None:
    before = keyed.get("red")
    (folder / "red.png").rename(folder / "moved.png")
    getattr(keyed, way)(folder)
    after = keyed.get("red")
    assert (after.id, after.uri, after.missing) == (before.id, str(folder / "moved.png"), False)
    assert (keyed.count(), read_places(keyed)) == (5, UNCHANGED | {"red": ["moved.png"]})
    assert keyed.search(folder / "moved.png", k=1)[0].key == "red"


def test_items_with_keys_follow_a_renamed_folder(keyed: Collection, folder: Path) -> None:
    folder.rename(folder.parent / "elsewhere")
    report = keyed.sync(folder.parent / "elsewhere")
    assert (report.added, report.known, keyed.count()) == (0, 5, 5)
    assert read_places(keyed) == UNCHANGED
    assert all(not item.missing for item in keyed.walk())


def test_all_items_with_keys_that_had_a_file_follow_it(keyed: Collection, folder: Path) -> None:
    keyed.add([folder / "red.png"], keys=["rouge"], metadata=[{"note": "rouge"}])
    (folder / "red.png").rename(folder / "moved.png")
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED | {"red": ["moved.png"], "rouge": ["moved.png"]}


def test_equal_files_with_keys_of_their_own_are_told_apart_when_both_move(keyed: Collection, folder: Path) -> None:
    twin = folder / "twin.png"
    twin.write_bytes((folder / "red.png").read_bytes())
    keyed.add([twin], keys=["twin"], metadata=[{"note": "twin"}])
    (folder / "red.png").rename(folder / "z.png")
    twin.rename(folder / "a.png")
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED | {"red": ["z.png"], "twin": ["a.png"]}


def test_a_copy_of_a_file_with_a_key_is_an_item_of_its_own(keyed: Collection, folder: Path) -> None:
    copy = folder / "copy.png"
    copy.write_bytes((folder / "red.png").read_bytes())
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED | {"new": ["copy.png"]}
    pictures.disc("orange").save(copy)  # says nothing of the item with a key
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED | {"new": ["copy.png"]}
    assert keyed.search(folder / "red.png", k=1)[0].key == "red"


@pytest.mark.parametrize("backup", ["a backup.png", "z backup.png"])
def test_an_item_with_a_key_follows_an_edit_though_its_earlier_picture_was_kept(
    keyed: Collection, folder: Path, backup: str
) -> None:
    (folder / backup).write_bytes((folder / "red.png").read_bytes())
    pictures.disc("orange").save(folder / "red.png")
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED | {"new": [backup]}
    assert keyed.get("red").hash != keyed.get(str(folder / backup)).hash


@pytest.mark.parametrize("moved", ["a.png", "z.png"])
def test_a_new_picture_in_the_place_of_a_moved_one_with_a_key_is_new(
    keyed: Collection, folder: Path, moved: str
) -> None:
    (folder / "red.png").rename(folder / moved)
    pictures.disc("orange").save(folder / "red.png")
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED | {"red": [moved], "new": ["red.png"]}


def test_a_file_that_was_edited_and_renamed_is_new_and_its_item_keeps_what_was_said_of_it(
    keyed: Collection, folder: Path
) -> None:
    pictures.disc("orange").save(folder / "red.png")
    (folder / "red.png").rename(folder / "moved.png")
    keyed.sync(folder)
    assert (keyed.get("red").missing, keyed.get("red").metadata) == (True, {"note": "red"})
    keyed.add([folder / "moved.png"], keys=["red"])  # the user knows better
    assert read_places(keyed) == {**UNCHANGED, "red": ["moved.png"], "new": ["moved.png"]}


def test_an_edit_after_a_move_is_the_new_picture_of_its_item(keyed: Collection, folder: Path) -> None:
    (folder / "red.png").rename(folder / "moved.png")
    keyed.sync(folder)
    pictures.disc("orange").save(folder / "moved.png")
    keyed.sync(folder)
    assert (keyed.count(), read_places(keyed)) == (5, UNCHANGED | {"red": ["moved.png"]})


def test_files_with_keys_that_change_names_keep_their_items(keyed: Collection, folder: Path) -> None:
    (folder / "red.png").rename(folder / "x")
    (folder / "blue.png").rename(folder / "red.png")
    (folder / "x").rename(folder / "blue.png")
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED | {"red": ["blue.png"], "blue": ["red.png"]}
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED | {"red": ["blue.png"], "blue": ["red.png"]}


def test_what_is_said_of_a_deleted_file_with_a_key_stays_with_it_when_others_move_up(
    keyed: Collection, folder: Path
) -> None:
    (folder / "green.png").unlink()
    (folder / "red.png").rename(folder / "green.png")
    (folder / "yellow.png").rename(folder / "red.png")
    keyed.sync(folder)
    assert keyed.get("green").missing
    assert read_places(keyed) == {
        "black": ["black.png"],
        "blue": ["blue.png"],
        "red": ["green.png"],
        "yellow": ["red.png"],
    }


def test_a_picture_without_a_key_that_moves_over_a_file_with_one_stays_itself(keyed: Collection, folder: Path) -> None:
    pictures.disc("orange").save(folder / "orange.png")
    keyed.sync(folder)
    keyed.update(str(folder / "orange.png"), {"mine": True})
    (folder / "orange.png").rename(folder / "red.png")
    keyed.sync(folder)
    assert (keyed.get("red").missing, keyed.get("red").metadata) == (True, {"note": "red"})
    assert keyed.get(str(folder / "red.png")).metadata == {"mine": True}


def test_an_item_with_a_key_takes_a_copy_of_another_picture_that_is_written_over_its_file(
    keyed: Collection, folder: Path
) -> None:
    (folder / "red.png").write_bytes((folder / "blue.png").read_bytes())
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED
    assert keyed.get("red").hash == keyed.get("blue").hash


def test_a_new_picture_under_the_name_of_a_lost_one_with_a_key_is_new(keyed: Collection, folder: Path) -> None:
    (folder / "red.png").unlink()
    keyed.sync(folder)
    pictures.disc("orange").save(folder / "red.png")
    keyed.sync(folder)
    assert (keyed.get("red").missing, keyed.get("red").metadata) == (True, {"note": "red"})
    assert keyed.get(str(folder / "red.png")).metadata == {}


def test_another_file_for_a_key_takes_the_place_of_the_first(keyed: Collection, folder: Path) -> None:
    pictures.disc("orange").save(folder / "orange.png")
    keyed.add([folder / "orange.png"], keys=["red"])
    assert keyed.get("red").uris == (str(folder / "orange.png"),)
    keyed.sync(folder)
    assert read_places(keyed) == UNCHANGED | {"red": ["orange.png"], "new": ["red.png"]}
