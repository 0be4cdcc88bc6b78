"""Stacks on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.bench.series import START, make_burst, write_group
from tests.support import pictures
from tests.support.shell import Shell


@pytest.fixture
def burst(shell: Shell, tmp_path: Path) -> Path:
    scene = pictures.noise(1, (16, 12)).resize((320, 240))
    write_group(tmp_path / "burst", make_burst(scene, [pictures.noise(2, (60, 60))], np.random.default_rng(0)), START)
    shell("add", tmp_path / "burst")
    return tmp_path / "burst"


def test_stacks_are_listed_and_get_another_cover(shell: Shell, burst: Path) -> None:
    [stack] = shell.json("stacks")["stacks"]
    assert stack["kind"] == "burst"
    assert len(stack["items"]) == len(list(burst.iterdir()))
    listed = shell("stacks").stdout
    assert "stack 1: burst" in listed
    assert "cover (the sharpest)" in listed
    assert "1 stack" in listed
    other = next(item for item in stack["items"] if item != stack["cover"])
    shell("decide", "cover", other)
    [again] = shell.json("stacks", "--kind", "burst")["stacks"]
    assert (again["cover"], again["cover_reason"]) == (other, "chosen")
    assert "no stacks found" in shell("stacks", "--kind", "crop").stdout


def test_what_is_wrong_is_one_sentence(shell: Shell, burst: Path, tmp_path: Path) -> None:
    assert "there is no kind of stacks 'pile'" in shell("stacks", "--kind", "pile", code=2).stderr
    pictures.noise(9, (90, 60)).save(tmp_path / "alone.png")
    shell("add", tmp_path / "alone.png")
    assert "is in no stack" in shell("decide", "cover", tmp_path / "alone.png", code=2).stderr
