"""Parts on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.cli.parts import describe_place, format_time
from retrieval.records.parts import Part
from tests.support.discs import place_disc, write_discs
from tests.support.shell import Shell


@pytest.fixture
def discs(shell: Shell, tmp_path: Path) -> Path:
    write_discs(tmp_path / "discs", 4)
    shell("add", tmp_path / "discs")
    return tmp_path / "discs"


def test_parts_are_found_listed_and_searched_by(shell: Shell, discs: Path) -> None:
    assert "no parts; `nearkin parts find subject`" in shell("parts", "1").stdout
    out = shell("parts", "find", "regions", "tiles:1").stdout
    assert "looked at 4 pictures" in out
    assert "0 failed" in out
    assert "looked at 0 pictures" in shell("parts", "find", "regions").stdout
    found = shell.json("parts", "1", "--kind", "regions")["parts"]
    assert {part["kind"] for part in found} == {"regions"}
    box = ",".join(map(str, found[0]["box"]))
    assert f"regions  {box}" in shell("parts", discs / "000 red.png").stdout
    query = discs.parent / "query.png"
    picture, _, place = place_disc(12)
    picture.save(query)
    hits = shell.json("search", query, "--region", ",".join(map(str, place)), "--by", "regions")["hits"]
    assert "red" in hits[0]["uri"]
    assert hits[0]["part"]["kind"] == "regions"


def test_wrong_use_is_told(shell: Shell, discs: Path) -> None:
    assert "say what to look for" in shell("parts", "find", code=2).stderr
    assert "give one item" in shell("parts", code=2).stderr
    assert "no finder 'dogs'" in shell("parts", "find", "dogs", code=2).stderr
    assert "X,Y,WIDTH,HEIGHT" in shell("search", "--item", "1", "--region", "1,2", code=2).stderr
    assert "nearkin parts find faces" in shell("search", "--item", "1", "--by", "faces", code=2).stderr


def test_a_place_is_a_page_a_time_and_a_box() -> None:
    assert describe_place(Part(1, 1, "x", None)) == "all of it"
    assert describe_place(Part(1, 1, "x", (1, 2, 3, 4), page=2)) == "page 2 1,2,3,4"
    assert describe_place(Part(1, 1, "x", None, start=3725.04)) == "at 1:02:05.0"
    assert format_time(61.5) == "1:01.5"
