"""Merging at the command line: seen before, chosen, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from retrieval.cli.merging import parse_rules
from tests.cli.test_duplicates import shell
from tests.duplicates.test_finder import originals, place
from tests.support.shell import Shell

__all__ = ["originals", "place", "shell"]


def test_rules_are_parsed() -> None:
    assert parse_rules(False, None) is False
    assert parse_rules(True, []) is True
    assert parse_rules(False, ["rating=first", "a=b=own", "box=3", "box=7", "*=first"]) == {
        "rating": "first", "a=b": "own", "box": [3, 7], "*": "first",
    }  # fmt: skip
    for texts in (["rating"], ["=first"], ["rating="], ["a=1", "a=own"], ["a=own", "a=1"], ["a=own", "a=own"]):
        with pytest.raises(typer.BadParameter):
            parse_rules(True, texts)


@pytest.fixture
def said(shell: Shell, place: Path) -> Shell:
    """Say something of two of the cats: a conflict, tags and ratings."""
    shell("update", "p/chelsea.png", "--metadata", '{"tags": ["cat"], "box": 1}')
    shell("update", "p/cat half.jpg", "--metadata", '{"tags": ["ginger"], "rating": 4, "box": 2}', "--text", "Chelsea")
    return shell


def test_what_is_merged_is_shown_before(said: Shell, place: Path) -> None:
    kept = next(group["keep"] for group in said.json("duplicates")["groups"] if len(group["items"]) == 4)
    lines = said("duplicates", "--move-to", "t", "--merge").stdout.splitlines()
    assert f"into {kept}: rating 4 (greatest)" in lines
    assert f"into {kept}: text Chelsea (longest)" in lines
    assert any(line.startswith(f"into {kept}: tags ") and "(union)" in line for line in lines)
    assert any("box is yours to choose: " in line and "--merge-rule box=" in line for line in lines)
    assert lines[-1].endswith("use --apply to move them")
    message = said("duplicates", "--move-to", "t", "--merge", "--apply", code=2).stderr
    assert "nothing was merged: under 'box' they say" in message
    assert len(list(place.iterdir())) == 8
    assert "no picture to merge has the key 'bax'" in said("duplicates", "--merge-rule", "bax=first", code=2).stderr
    assert "there is no rule 'sum'" in said("duplicates", "--merge-rule", "box=sum", code=2).stderr
    merges = said.json("duplicates", "--merge")["merges"]
    assert [value["key"] for merge in merges for value in merge["values"] if value["is_open"]] == ["box"]
    planned = said.json("duplicates", "--move-to", "t", "--merge")
    assert planned["merges"] == merges
    assert len(planned["moves"]) == 5


def test_moving_and_merging_come_back_together(said: Shell, place: Path) -> None:
    before = said.json("items")["items"]
    output = said("duplicates", "--move-to", "t", "--merge-rule", "box=first", "--apply").stdout
    assert output.splitlines()[-1] == "5 moved"
    assert said.json("items")["items"] != before
    said("duplicates", "--undo", "t/manifest.jsonl")
    assert said.json("items")["items"] == before


def test_keeping_merges_and_is_one_decision(said: Shell) -> None:
    before = said.json("items", "p/chelsea.png")
    dry = said("decide", "keep", "p/chelsea.png", "--merge", "--dry-run").stdout
    assert "rating 4 (greatest)" in dry
    assert said.json("decide", "keep", "p/chelsea.png", "--dry-run")["merges"][0]["values"]
    assert "they say" in said("decide", "keep", "p/chelsea.png", "--merge", code=2).stderr
    assert said.json("items", "p/chelsea.png") == before
    lines = said("decide", "keep", "p/chelsea.png", "--merge-rule", "box=own").stdout.splitlines()
    assert "rating 4 (greatest)" in "\n".join(lines)
    decision = lines[-1].removeprefix("saved as decision ")
    assert "Chelsea" in said("items", "p/chelsea.png").stdout
    said("decide", "undo", decision)
    assert said.json("items", "p/chelsea.png") == before
    assert len(said.json("duplicates")["groups"]) == 2
    assert "go with keep" in said("decide", "not", 1, 2, "--merge", code=2).stderr
