"""Sidecars move with their pictures, come back with them, and stay with pictures that stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval import Collection
from retrieval.duplicates.sidecars import plan_sidecars
from retrieval.records.duplicates import Move
from tests.support.descriptions import make_xmp


def plan(folder: Path, *names: str, limit: int = 255) -> dict[str, str]:
    """Return by name where sidecars go when pictures of these names move to the folder `t`, or why they don't."""
    moves = [Move(str(folder / name), str(folder / "t" / name), "kept") for name in names]
    planned = plan_sidecars(moves, limit)
    return {Path(move.source).name: move.left or Path(move.target).name for move in planned if move.sidecar_of}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "t").mkdir()
    return tmp_path


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(name.encode())


def test_sidecars_of_both_forms_go_along(place: Path) -> None:
    write(place, "a.jpg", "a.jpg.xmp", "a.xmp", "b.jpg", "b.XMP", "c.jpg", "ab.xmp", "a.txt.xmp")
    assert plan(place, "a.jpg", "b.jpg", "c.jpg") == {"a.jpg.xmp": "a.jpg.xmp", "a.xmp": "a.xmp", "b.XMP": "b.XMP"}


def test_a_sidecar_that_two_pictures_share_stays_until_both_move(place: Path) -> None:
    write(place, "a.jpg", "a.cr2", "a.xmp", "a.jpg.xmp")
    assert plan(place, "a.jpg") == {"a.jpg.xmp": "a.jpg.xmp"}
    assert plan(place, "a.jpg", "a.cr2") == {"a.jpg.xmp": "a.jpg.xmp", "a.xmp": "a.xmp"}


def test_a_sidecar_whose_name_is_taken_is_called_after_the_whole_name_of_its_picture(place: Path) -> None:
    write(place, "a.jpg", "a.xmp", "b.jpg", "b.jpg.xmp")
    write(place / "t", "a.xmp", "b.jpg.xmp")
    left = "its name is taken, or too long, where its picture moves to"
    assert plan(place, "a.jpg", "b.jpg") == {"a.xmp": "a.jpg.xmp", "b.jpg.xmp": left}


def test_a_sidecar_keeps_to_the_name_of_its_picture(place: Path) -> None:
    write(place, "a.jpg", "a.jpg.xmp", "a.xmp")
    moves = plan_sidecars([Move(str(place / "a.jpg"), str(place / "t" / "a (2).jpg"), "kept")], 255)
    assert [Path(move.target).name for move in moves] == ["a (2).jpg", "a (2).jpg.xmp", "a (2).xmp"]
    assert plan(place, "a.jpg", limit=8)["a.jpg.xmp"].startswith("its name is taken, or too long")


def test_links_and_sidecars_of_what_stays_are_left_alone(place: Path) -> None:
    write(place, "a.jpg", "b.jpg", "b.jpg.xmp")
    (place / "a.jpg.xmp").symlink_to(place / "b.jpg.xmp")
    assert plan(place, "a.jpg") == {"a.jpg.xmp": "a link, which is not a copy"}
    stays = Move(str(place / "b.jpg"), str(place / "t" / "b.jpg"), "kept", left="the file has changed")
    assert plan_sidecars([stays], 255) == [stays]


def test_a_sidecar_moves_with_its_picture_and_back(collection: Collection, folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copies" / "red.png"
    copy.parent.mkdir()
    copy.write_bytes((folder / "red.png").read_bytes())
    sidecar = copy.with_name("red.png.xmp")
    sidecar.write_bytes(make_xmp(dc_title="A red disc"))
    collection.add([folder / "red.png", copy])
    planned = collection.move_duplicates(collection.duplicates(), tmp_path / "out")
    assert [Path(move.source).name for move in planned] == ["red.png", "red.png.xmp"]
    assert sidecar.exists()
    moves = collection.move_duplicates(collection.duplicates(), tmp_path / "out", dry_run=False)
    assert [(move.done, move.sidecar_of) for move in moves] == [(True, ""), (True, str(copy))]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.jsonl", "red.png", "red.png.xmp"]
    assert list(copy.parent.iterdir()) == []
    collection.undo_moves(tmp_path / "out" / "manifest.jsonl")
    assert sorted(path.name for path in copy.parent.iterdir()) == ["red.png", "red.png.xmp"]
    collection.sync(copy.parent)
    assert collection.get(str(copy)).metadata["title"] == "A red disc"


def test_a_sidecar_stays_if_its_picture_vanishes_before_it_moves(
    collection: Collection, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "z copy.png").write_bytes((folder / "red.png").read_bytes())
    (folder / "z copy.png.xmp").write_bytes(make_xmp(dc_title="A red disc"))
    collection.add([folder / "red.png", folder / "z copy.png"])
    groups = collection.duplicates()
    monkeypatch.setattr("retrieval.duplicates.moving._try_names", lambda _: (folder / "z copy.png").unlink())
    moves = collection.move_duplicates(groups, tmp_path / "out", dry_run=False)
    assert [move.left for move in moves] == ["the file has vanished", "its picture was not moved"]
    assert (folder / "z copy.png.xmp").exists()
