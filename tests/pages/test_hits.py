"""The page of hits: each picture with its score, strangers' names escaped, nothing of another host."""

from __future__ import annotations

import re
from pathlib import Path

from retrieval import Collection
from retrieval.pages.hits import render_hits


def test_each_hit_is_shown_and_leads_to_its_file(filled: Collection, folder: Path) -> None:
    hits = filled.search(folder / "red.png", k=3)
    page = render_hits(hits, "<b>hits</b>")
    assert "<b>" not in page
    assert page.count("data:image/webp;base64,") == 3
    assert f'<a href="{(folder / "red.png").as_uri()}">' in page
    assert "3 hits" in page
    assert f"{hits[0].score:.3f} red.png" in page
    assert "colour: red" in page
    assert not re.search(r"https?://", page)


def test_groups_have_their_headings(filled: Collection, folder: Path) -> None:
    hits = filled.search(folder / "red.png", group=True)
    page = render_hits(hits, "hits")
    names = [group.cluster.name or "unnamed" if group.cluster else "in no cluster" for group in hits.groups]
    assert [heading.split(", 5 items")[0] for heading in re.findall("<h2>(.*?)</h2>", page)] == names != []


def test_a_picture_that_is_gone_is_told(filled: Collection, folder: Path) -> None:
    hits = filled.search(item=1)
    for file in folder.glob("*.png"):
        file.unlink()
    page = render_hits(hits, "hits")
    assert page.count("no picture") == 4
    assert "data:image/webp" not in page


def test_items_without_a_file_lead_nowhere(ready_made: Collection) -> None:
    page = render_hits(ready_made.search(item="n1", k=2), "hits")
    assert "<a " not in page
    assert "0 hits" in render_hits(ready_made.search(query="nowhere"), "hits")
