"""The answers of a search: hits that are a sequence, show themselves, and lead to their pictures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest

from indexers.errors import BadQuery, UnreadablePicture
from retrieval import Collection
from retrieval.records.search import Hit, Hits, format_odds


@pytest.fixture
def hits() -> Hits:
    return Hits(tuple(Hit(n, f"k{n}", 1 - n / 10, f"/{n}.jpg" if n else None, {"n": n}) for n in range(7)), 42)


def test_hits_are_a_sequence(hits: Hits) -> None:
    assert isinstance(hits, Sequence)
    assert len(hits) == 7
    assert hits[0].key == "k0"
    assert [hit.item for hit in hits[2:4]] == [2, 3]
    assert hits[-1] in hits
    assert [hit.item for hit in reversed(hits)] == [6, 5, 4, 3, 2, 1, 0]
    assert not Hits((), 0)


def test_their_repr_is_honest(hits: Hits) -> None:
    lines = repr(hits).splitlines()
    assert lines[0] == "<7 hits as of change 42"
    assert lines[1].split() == ["+1.0000", "0", "k0"]
    assert lines[2].split() == ["+0.9000", "1", "/1.jpg"]
    assert lines[-1] == "  ... 2 more>"
    assert repr(Hits((), 3)) == "<0 hits as of change 3>"


def test_a_hit_built_by_hand_says_that_it_has_no_picture(hits: Hits) -> None:
    for load in (hits[0].image, hits[0].thumbnail):
        with pytest.raises(UnreadablePicture, match="not connected to an open collection"):
            load()


def test_hits_show_thumbnails_in_a_notebook(filled: Collection, folder: Path) -> None:
    hits = filled.search(folder / "red.png", k=3)
    page = hits._repr_html_()
    assert page.count('src="data:image/webp;base64,') == 3
    encoded = b64encode(hits[0].thumbnail()).decode()
    assert encoded in page
    assert f"3 hits as of change {hits.as_of}" in page
    assert f"1.000 {hits[0].uri}" in page


def test_names_are_text_in_a_notebook_whatever_they_hold() -> None:
    evil = "<script>alert(1)</script>&\"'"
    page = Hits((Hit(1, evil, 0.5, None, {}),), 3)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#x27;" in page
    assert "<em>no picture</em>" in page


def test_only_the_best_are_shown_and_the_title_says_so() -> None:
    page = Hits(tuple(Hit(number, f"k{number}", 1.0, None, {}) for number in range(25)), 3)._repr_html_()
    assert page.count("<figure") == 20
    assert "25 hits as of change 3, the best 20:" in page
    assert Hits((), 3)._repr_html_() == "<p>0 hits as of change 3</p>"


def test_a_picture_that_is_gone_leaves_the_others_shown(filled: Collection, folder: Path) -> None:
    hits = filled.search(folder / "red.png", k=5)
    (folder / "blue.png").unlink()
    page = hits._repr_html_()
    assert page.count("<img") == 4
    assert page.count("<em>no picture</em>") == 1


def test_a_hit_and_groups_of_hits_show_thumbnails(filled: Collection, folder: Path) -> None:
    found = filled.search(folder / "red.png", k=3, group=True)
    assert found[0]._repr_html_().count("<img") == 1
    assert "<th>score</th>" in found[0]._repr_html_()
    page = found._repr_html_()
    assert page.count("<figure") == len(found)
    assert f"{len(found)} hits as of change {found.as_of}, in {len(found.groups)} groups" in page


@pytest.mark.parametrize("edge", [-1, 1.5, "64", None, True])
def test_edges_are_whole_numbers_of_pixels(filled: Collection, folder: Path, edge: object) -> None:
    hit = filled.search(folder / "red.png")[0]
    for load in (hit.image, hit.thumbnail):
        with pytest.raises(BadQuery, match="edge is a number of pixels, a whole number"):
            load(edge)  # type: ignore[operator]
    with pytest.raises(BadQuery):
        hit.thumbnail(0)


def test_odds_are_rounded_and_end_where_nothing_can_be_told() -> None:
    odds = [format_odds(chance) for chance in (1, 0.3, 0.0123, 4.9e-5, 1e-6, 9e-7)]
    assert odds == ["1 in 1", "1 in 3", "1 in 81", "1 in 20,000", "1 in 1,000,000", "< 1 in 1,000,000"]
    hit = Hit(1, "k", 0.5, None, {}, chance=1e-3, certainty="possible")
    assert hit.describe_chance() == "possible, 1 in 1,000 by chance"
    assert Hit(1, "k", 0.5, None, {}).describe_chance() == ""
    assert "0.500 possible k" in Hits((hit,), 3)._repr_html_()
