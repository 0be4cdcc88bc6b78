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
    assert "nearkin parts find tiles" in shell("search", "--item", "1", "--by", "tiles", code=2).stderr
    assert "kinds are: frames, pages" in shell("search", "--item", "1", "--by", "dogs", code=2).stderr


def test_a_place_is_a_page_a_time_and_a_box() -> None:
    assert describe_place(Part(1, 1, "x", None)) == "all of it"
    assert describe_place(Part(1, 1, "x", (1, 2, 3, 4), page=2)) == "page 2 1,2,3,4"
    assert describe_place(Part(1, 1, "x", None, start=3725.04)) == "at 1:02:05.0"
    assert format_time(61.5) == "1:01.5"


def test_clusters_and_outliers_of_parts_are_shown_with_their_places(shell: Shell, discs: Path, tmp_path: Path) -> None:
    shell("parts", "find", "tiles:3")
    clusters = shell.json("clusters", "--of", "tiles", "--level", "fine")
    assert clusters["of"] == "tiles"
    cluster = clusters["clusters"][0]
    shown = shell("cluster", f"#{cluster['id']}").stdout
    assert f"{cluster['size']} tiles, fine" in shown
    assert f"{cluster['medoid']:>7}  {discs}" in shown
    assert "unclustered tiles" in shell("clusters", "--of", "tiles", "--count", "1").stdout
    assert shell("rename", str(cluster["id"]), "grounds").stdout == f"#{cluster['id']} is now named 'grounds'\n"
    assert "grounds" in shell("clusters", "--of", "tiles").stdout
    assert len(shell.json("cluster", "grounds")["parts"]["parts"]) == min(cluster["size"], 100)
    (row,) = shell.json("outliers", "--of", "tiles", "-n", "1")["outliers"]
    out = shell("outliers", "--of", "tiles", "-n", "1").stdout
    assert f"tiles {row['part']['id']} {','.join(map(str, row['part']['box']))}" in out
    shell("loose", "--of", "tiles")
    shell("clusters", "--of", "tiles", "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "Clusters of tiles." in page
    assert page.count("data:image/webp") >= 1
    moved = shell("correct", "split", "grounds", *map(str, cluster["representatives"][:1]))
    assert "this is correction" in moved.stdout
    assert "regions" not in shell("corrections").stdout
    assert "no parts of the kind 'regions' were looked for" in shell("clusters", "--of", "regions", code=2).stderr


def test_info_tells_of_parts(shell: Shell, discs: Path) -> None:
    shell("parts", "find", "tiles:1")
    place_disc(9)[0].save(discs / "new.png")
    shell("add", discs)
    assert "tiles" in shell("info").stdout
    assert "in 4 pictures looked at, 1 not looked at yet; " in shell("info").stdout
    (tiles,) = shell.json("info")["parts"]
    assert (tiles["kind"], tiles["looked"], tiles["waiting"]) == ("tiles", 4, 1)
