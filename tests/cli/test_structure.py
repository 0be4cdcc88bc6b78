"""Ways, surroundings and summaries on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.support.shell import Shell


@pytest.fixture
def shades(shell: Shell, tmp_path: Path) -> None:
    for number in range(12):
        shade = Image.new("RGB", (64, 48), (20 * number, 250 - 20 * number, 90))
        shade.save(tmp_path / f"shade-{number:02}.png")
    shell("add", *sorted(tmp_path.glob("shade-*.png")))


@pytest.mark.usefixtures("shades")
def test_a_way_is_listed_from_one_to_the_other(shell: Shell, tmp_path: Path) -> None:
    way = shell.json("path", 1, tmp_path / "shade-11.png")
    assert (way["hits"][0]["item"], way["hits"][-1]["uri"][-6:]) == (1, "11.png")
    listed = shell("path", 1, 12).stdout
    assert "the weakest link has a similarity of" in listed
    assert "shade-00.png" in listed
    assert shell.json("path", 1, 12, "--shortest")["kind"] == "shortest"
    page = tmp_path / "way.html"
    assert f"wrote {len(way['hits'])} pictures to" in shell("path", 1, 12, "--html", page).stdout
    assert "shade-00.png" in page.read_text("utf-8")


@pytest.mark.usefixtures("shades")
def test_what_lies_around_and_what_stands_for_all(shell: Shell, tmp_path: Path) -> None:
    around = shell.json("around", 1, 2, "--hops", 1, "-k", 3)["hits"]
    assert len(around) == 3
    assert not {1, 2} & {hit["item"] for hit in around}
    assert "shade-" in shell("around", 1).stdout
    summary = shell.json("summary", "-k", 3)
    assert (len(summary["hits"]), summary["total"]) == (3, 12)
    listed = shell("summary", "-k", 3, "--continue-from", summary["hits"][0]["item"]).stdout
    assert "3 pictures that stand for 12" in listed
    page = tmp_path / "summary.html"
    shell("summary", "-k", 2, "--html", page)
    assert page.read_text("utf-8").count("<figure") == 2
    assert "no pictures" in shell("summary", "--where", '{"a": 1}').stdout


@pytest.mark.usefixtures("shades")
def test_what_is_wrong_is_one_sentence(shell: Shell) -> None:
    assert "hops is at most 20; got 50" in shell("around", 1, "--hops", 50, code=2).stderr
    assert "there is no item" in shell("path", 1, "nobody.png", code=1).stderr
