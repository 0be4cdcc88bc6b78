"""Moving copies: never over another file, never across what can't be read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexers.errors import UsageError, WriteFailed
from retrieval.duplicates import moving
from retrieval.records.duplicates import Move


def test_a_target_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    assert moving._find_free_path(tmp_path / "a.jpg", set()).name == "a (2).jpg"
    assert moving._find_free_path(tmp_path / "a.jpg", {tmp_path / "a (2).jpg"}).name == "a (3).jpg"
    assert moving._find_free_path(tmp_path / "b.jpg", set()).name == "b.jpg"


def test_nothing_is_moved_over_another_file(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"1")
    target.write_bytes(b"2")
    with pytest.raises(FileExistsError):
        moving._shift(str(source), str(target))
    assert (source.read_bytes(), target.read_bytes()) == (b"1", b"2")


def test_what_was_moved_before_a_fault_is_in_the_manifest(tmp_path: Path) -> None:
    kept, one, two = tmp_path / "kept", tmp_path / "one", tmp_path / "two"
    for path in (kept, one, two):
        path.write_bytes(path.name.encode())
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "two").write_bytes(b"in the way")
    moves = [Move(str(path), str(tmp_path / "t" / path.name), str(kept)) for path in (one, two)]
    with pytest.raises(WriteFailed, match=r"--undo .*manifest\.jsonl brings it back"):
        moving.carry_out(moves, tmp_path / "t" / "manifest.jsonl")
    assert not one.exists()
    assert two.read_bytes() == b"two"
    done = moving.undo(tmp_path / "t" / "manifest.jsonl")
    assert [move.done for move in done] == [False, True]
    assert one.read_bytes() == b"one"
    assert (tmp_path / "t" / "two").read_bytes() == b"in the way"


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
