"""The page of duplicates: the proof of each, nothing of another host, strangers' names escaped."""

from __future__ import annotations

import re
from pathlib import Path

from retrieval import Collection
from retrieval.pages.duplicates import render_duplicates
from tests.duplicates.test_finder import library, originals, place

__all__ = ["library", "originals", "place"]


def test_each_copy_is_shown_beside_the_one_to_keep(library: Collection) -> None:
    page = render_duplicates(library, library.duplicates(), "<b>copies</b>")
    assert "<b>" not in page
    assert page.count("<section>") == 2
    assert page.count("data:image/webp;base64,") == 5
    assert page.count('class="keep"') == 2
    assert "mirrored" in page
    assert not re.search(r"https?://", page)
    assert "default-src &#x27;none&#x27;" in page


def test_a_picture_that_is_gone_is_told(library: Collection, place: Path) -> None:
    groups = library.duplicates()
    (place / "cat half.jpg").unlink()
    page = render_duplicates(library, groups, "copies")
    assert page.count("data:image/webp;base64,") == 4
    assert "there is no such file" in page


def test_no_copies(library: Collection) -> None:
    assert "No duplicates found." in render_duplicates(library, (), "none")
