"""The commands about duplicates, as a user meets them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from retrieval.cli import duplicates
from tests.duplicates.test_finder import CATS, originals, place
from tests.support.shell import Shell

__all__ = ["originals", "place"]


@pytest.fixture
def shell(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a command line with a collection of the pictures in the folder `p`."""
    shell = Shell(tmp_path, monkeypatch)
    monkeypatch.setenv("NEARKIN_COLLECTION", "c")
    shell("add", "p", "--embedder", "classic")
    return shell


def test_duplicates_are_listed_with_what_to_keep(shell: Shell) -> None:
    output = shell("duplicates").stdout
    assert output.splitlines()[-1] == "2 groups"
    assert output.count("keep (") == 2
    assert "mirrored" in output
    assert all(name in output for name in CATS)
    assert "error: there is no rule" in shell("duplicates", "--rule", "x", code=2).stderr


def test_duplicates_are_exported(shell: Shell, tmp_path: Path) -> None:
    shell("duplicates", "--export", "d.csv")
    with (tmp_path / "d.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert sum(row["keep"] == "True" for row in rows) == 2
    shell("duplicates", "--export", "d.json")
    assert len(json.loads((tmp_path / "d.json").read_text())) == 2
    assert len(shell.json("duplicates")["groups"]) == 2
    assert "use .csv or .json" in shell("duplicates", "--export", "d.txt", code=2).stderr


def test_copies_are_moved_only_when_told_to_and_come_back(shell: Shell, place: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in place.iterdir())
    output = shell("duplicates", "--move-to", "t").stdout
    assert output.splitlines()[-1] == "5 to move; nothing was changed, use --apply to move them"
    assert sorted(path.name for path in place.iterdir()) == before
    assert "goes with --move-to" in shell("duplicates", "--apply", code=2).stderr
    assert shell("duplicates", "--move-to", "t", "--apply").stdout.splitlines()[-1] == "5 moved"
    assert len(list(place.iterdir())) == len(before) - 5
    assert shell("duplicates", "--undo", "t/manifest.jsonl").stdout.splitlines()[-1] == "5 moved back"
    assert sorted(path.name for path in place.iterdir()) == before
    assert "cannot read the manifest" in shell("duplicates", "--undo", "nothing", code=2).stderr


def test_check_tells_whether_a_picture_is_there(shell: Shell, place: Path, tmp_path: Path) -> None:
    Image.open(place / "astronaut.png").resize((200, 200)).save(tmp_path / "query.jpg")
    assert "astronaut.png" in shell("check", "query.jpg").stdout
    Image.new("RGB", (50, 50), "navy").save(tmp_path / "other.png")
    assert shell("check", "other.png").stdout == "not in the collection\n"
    assert shell.json("check", "query.jpg")["matches"][0]["kind"] == "same picture"


def test_before_many_pictures_it_is_said_what_compares_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from indexers.matching import features

    tell_start = duplicates.make_start_teller()
    for done, total in ((5, 10_000), (0, 3)):
        tell_start(done, total)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    tell_start(0, 10_000)
    assert re.search(
        r"comparing 10,000 pictures, .* by numpy: about \d+ (s|min); quicker with", capsys.readouterr().err
    )
    tell_start(0, 10_000)
    assert capsys.readouterr().err == "", "once is enough"


def test_it_is_said_again_how_long_when_it_takes_much_longer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = 100.0
    monkeypatch.setattr(duplicates, "time", SimpleNamespace(monotonic=lambda: clock))
    monkeypatch.setattr(duplicates, "SECONDS", {"opencv": 0.01, "numpy": 0.01})
    tell_start = duplicates.make_start_teller()
    tell_start(0, 1000)
    assert "about 10 s" in capsys.readouterr().err
    clock = 102.9
    tell_start(200, 1000)  # 14.5 s in all
    assert capsys.readouterr().err == ""
    clock = 120.0
    tell_start(400, 1000)
    assert "400 of 1,000 done; about 30 s more" in capsys.readouterr().err
    clock = 140.0
    for done in (400, 600, 1000):
        tell_start(done, 1000)
    assert capsys.readouterr().err == ""


def test_decisions(shell: Shell) -> None:
    group = shell.json("duplicates")["groups"][1]
    a, b = group["items"][:2]
    assert shell("decide", "not", a, b).stdout == "saved as decision 1\n"
    assert [a, b] != shell.json("duplicates")["groups"][1]["items"][:2]
    assert shell("decide", "undo", 1).stdout == "decision 1 was undone\n"
    assert shell.json("duplicates")["groups"][1]["items"] == group["items"]
    assert "use: decide not A B" in shell("decide", "perhaps", a, code=2).stderr


def test_one_is_kept_and_that_is_undone(shell: Shell) -> None:
    group = shell.json("duplicates")["groups"][0]
    other = next(item for item in group["items"] if item != group["keep"])
    saved = shell("decide", "keep", other).stdout.splitlines()
    assert saved[0].startswith(f"item {other} is kept, and these are settled: ")
    assert group["id"] not in [found["id"] for found in shell.json("duplicates")["groups"]]
    assert "in no group of duplicates" in shell("decide", "keep", other, code=2).stderr
    decisions = saved[1].removeprefix("saved as decision ").split(", ")
    assert len(decisions) == len(group["items"]) - 1
    assert shell("decide", "undo", *decisions).stdout.splitlines()[0] == f"decision {decisions[0]} was undone"
    assert shell.json("duplicates")["groups"][0]["items"] == group["items"]
    for words in (("keep",), ("keep", 1, 2), ("not", 1), ("undo",), ("undo", "--id", 1), ("undo", "x"), ("both", 1)):
        assert "undo" in shell("decide", *words, code=2).stderr


def test_copies_of_an_item_and_two_laid_over_each_other(shell: Shell, tmp_path: Path) -> None:
    group = shell.json("duplicates")["groups"][0]
    a, b = group["items"][:2]
    found = [match["item"] for match in shell.json("check", "--id", a)["matches"]]
    assert b in found
    assert a not in found
    assert "give a picture (a path or a URL), or an item" in shell("check", code=2).stderr
    assert "give a picture" in shell("check", "x.jpg", "--id", 1, code=2).stderr
    for name in ("o.png", "o.JPG", "o.webp"):
        assert shell("overlay", a, b, name).stdout == f"wrote {name}\n"
        with Image.open(tmp_path / name) as image:
            assert image.width > 100
    shell("overlay", "--id", a, "--id", b, "p.png")
    assert (tmp_path / "p.png").is_file()
    assert "p.png exists" in shell("overlay", a, b, "p.png", code=2).stderr
    for words in ((), (a, b), (a, "o.png"), (a, b, "o.txt"), (a, b, 3, "o.png")):
        assert "use: overlay A B FILE" in shell("overlay", *words, code=2).stderr
