"""Moving copies: never over another file, never across what can't be read back."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from indexers.errors import UsageError, WriteFailed
from retrieval.duplicates import moving
from retrieval.records.duplicates import Move


def test_a_target_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    assert moving._find_free_path(tmp_path / "a.jpg", set()).name == "a (2).jpg"
    assert moving._find_free_path(tmp_path / "a.jpg", {"a (2).jpg"}).name == "a (3).jpg"
    assert moving._find_free_path(tmp_path / "b.jpg", set()).name == "b.jpg"


def test_nothing_is_moved_over_another_file(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"1")
    target.write_bytes(b"2")
    with pytest.raises(FileExistsError):
        moving._shift(str(source), str(target))
    assert (source.read_bytes(), target.read_bytes()) == (b"1", b"2")


def make_moves(folder: Path, names: list[str]) -> list[Move]:
    """Write a file to keep and one for each name, and plan to move the others into a new folder `t`."""
    (folder / "kept").write_bytes(b"kept")
    for name in names:
        (folder / name).write_bytes(name.encode())
    return [Move(str(folder / name), str(folder / "t" / name), str(folder / "kept")) for name in names]


def test_what_was_moved_before_a_fault_is_in_the_manifest(tmp_path: Path) -> None:
    moves, manifest = make_moves(tmp_path, ["one", "two"]), tmp_path / "t" / "manifest.jsonl"
    manifest.parent.mkdir()
    (tmp_path / "t" / "two").write_bytes(b"in the way")
    with pytest.raises(WriteFailed, match=r"--undo .*manifest\.jsonl brings it back"):
        moving.carry_out(moves, manifest)
    assert not (tmp_path / "one").exists()
    assert (tmp_path / "two").read_bytes() == b"two"
    done = moving.undo(manifest)
    assert [move.done for move in done] == [False, True]
    assert (tmp_path / "one").read_bytes() == b"one"
    assert (tmp_path / "t" / "two").read_bytes() == b"in the way"


def test_moves_of_which_one_cannot_be_done_are_not_begun(tmp_path: Path) -> None:
    moves = make_moves(tmp_path, ["one", "two"])
    moves[1] = replace(moves[1], target=str(tmp_path / "t" / ("x" * 256)))
    with pytest.raises(WriteFailed, match=r"nothing was moved: rename .*two"):
        moving.carry_out(moves, tmp_path / "t" / "manifest.jsonl")
    assert (tmp_path / "one").exists()
    assert list((tmp_path / "t").iterdir()) == []


def test_a_disk_without_room_is_said_before_the_first_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk to move to")
    moves = make_moves(tmp_path, ["one"])
    moving.check_room(moves, other / "t")
    with open(tmp_path / "one", "wb") as file:
        file.truncate(shutil.disk_usage(other).free + 2**30)  # sparse: it takes no room here
    with pytest.raises(WriteFailed, match="nothing was moved: make room there"):
        moving.check_room(moves, other / "t")


@pytest.mark.parametrize(
    ("name", "number", "right"),
    [
        ("y" * 251 + ".jpg", 2, "y" * 247 + " (2).jpg"),
        ("y" * 251 + ".jpg", 1, "y" * 251 + ".jpg"),
        ("\u00e9" * 125 + "z.jpg", 2, "\u00e9" * 123 + " (2).jpg"),  # two bytes each: 123 of them and 8 are 254
        ("e\u0301" * 85, 2, "e\u0301" * 83 + " (2)"),  # the letter goes with its accent
        ("a." + "x" * 253, 2, "a." + "x" * 249 + " (2)"),
        ("\U0001f431" * 62 + ".webp", 10, "\U0001f431" * 61 + " (10).webp"),
    ],
)
def test_a_name_that_gets_too_long_is_shortened_by_whole_characters(
    tmp_path: Path, name: str, number: int, right: str
) -> None:
    addition = f" ({number})" if number > 1 else ""
    assert moving._fit_name(name, addition, 255) == right
    assert len(right.encode()) <= 255
    (tmp_path / right).touch()


def test_names_that_some_disks_take_for_one_get_numbers(tmp_path: Path) -> None:
    assert moving._find_free_path(tmp_path / "A.jpg", {"a.jpg"}).name == "A (2).jpg"
    assert moving._find_free_path(tmp_path / "e\u0301.jpg", {"\u00e9.jpg"}).name == "e\u0301 (2).jpg"


def note_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Note which paths are synced and removed, in order."""
    calls: list[tuple[str, str]] = []
    fsync, unlink = os.fsync, os.unlink

    def note_fsync(handle: int) -> None:
        calls.append(("sync", os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def note_unlink(path: str) -> None:
        calls.append(("unlink", str(path)))
        unlink(path)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "unlink", note_unlink)
    return calls


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="shows open files as Linux does")
@pytest.mark.parametrize("links", [True, False])
def test_a_moved_file_is_on_the_disk_before_its_source_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    source, target = tmp_path / "from" / "a", tmp_path / "to" / "a"
    for path in (source, target):
        path.parent.mkdir()
    source.write_bytes(b"1")
    calls = note_calls(monkeypatch)
    if not links:

        def refuse(*_: object) -> None:
            raise OSError(errno.EXDEV, "another disk")

        monkeypatch.setattr(os, "link", refuse)
    moving._shift(str(source), str(target))
    gone = calls.index(("unlink", str(source)))
    assert ("sync", str(target.parent)) in calls[:gone]
    assert links or ("sync", str(target)) in calls[:gone]
    assert ("sync", str(source.parent)) in calls[gone:]
    assert target.read_bytes() == b"1"
    assert [path.name for path in target.parent.iterdir()] == ["a"]


def test_undo_keeps_one_file_of_a_move_that_was_killed_between_its_steps(tmp_path: Path) -> None:
    moves, manifest = make_moves(tmp_path, ["one", "two"]), tmp_path / "t" / "manifest.jsonl"
    moving.carry_out(moves, manifest)
    os.link(tmp_path / "t" / "one", tmp_path / "one")
    (tmp_path / "two").write_bytes(b"two")  # a copy, as on another disk
    (tmp_path / "t" / moving.PART).write_bytes(b"half")
    assert [move.left for move in moving.undo(manifest)] == ["it was not moved"] * 2
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == ["manifest.jsonl"]
    assert [(tmp_path / name).read_bytes() for name in ("one", "two")] == [b"one", b"two"]


def test_nothing_moves_if_the_one_to_keep_has_vanished(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    move = Move(str(tmp_path / "one"), str(tmp_path / "t" / "one"), str(tmp_path / "kept"))
    assert moving.carry_out([move], tmp_path / "t" / "m.jsonl")[0].left == "the picture to keep has vanished"
    assert (tmp_path / "one").exists()


def test_undo_leaves_alone_what_is_not_as_it_was(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    lines = [{"nearkin manifest": 1}]
    lines += [{"from": str(tmp_path / f"{n}"), "to": str(tmp_path / "t" / f"{n}"), "kept": "k"} for n in "abc"]
    manifest.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a").write_bytes(b"moved")
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "t" / "b").write_bytes(b"moved")
    done = {Path(move.target).name: move for move in moving.undo(manifest)}
    assert done["a"].left == "its old place is occupied by another file"
    assert done["b"].done
    assert done["c"].left == "the moved file no longer exists"
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"moved")
    with pytest.raises(UsageError, match="cannot read"):
        moving.undo(tmp_path / "nothing")
