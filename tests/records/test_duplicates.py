"""The records of duplicates."""

from __future__ import annotations

from retrieval import Collection
from retrieval.records.duplicates import DuplicateGroup, Match, Move, Pair, list_differences


def test_what_was_done_is_said_of_the_copy() -> None:
    found = Pair(1, 2, "same picture", 0.9, {"differs": ["darker", "cropped"]})
    assert list_differences(found, keep=1) == ["darker", "cropped"]
    assert list_differences(found, keep=2) == ["brighter", "cropped"]


def test_a_group_shows_thumbnails_and_which_item_to_keep(filled: Collection) -> None:
    ids = tuple(item.id for item in filled.items())[:2]
    group = DuplicateGroup(1, "same picture", ids, ids[1], "most pixels", (), 0.9, _pictures=filled._parts.pictures)
    page = group._repr_html_()
    assert page.count('<img alt="" src="data:image/webp;base64,') == 2
    assert f"item {ids[1]}, keep: most pixels" in page
    assert "2 duplicates (same picture)" in page


def test_reasons_are_text_in_a_notebook() -> None:
    page = DuplicateGroup(1, "<i>", (1, 2), 1, "<script>", (), 0.9)._repr_html_()
    assert "<i>" not in page
    assert "<script>" not in page
    assert "keep: &lt;script&gt;" in page


def test_evidence_is_left_out_of_what_is_printed() -> None:
    pair = Pair(1, 2, "same picture", 0.9, {"differs": ["cropped"]})
    assert repr(pair) == "Pair(a=1, b=2, kind='same picture', score=0.9)"
    assert pair.to_dict()["evidence"] == {"differs": ["cropped"]}
    assert "evidence" not in repr(Match(1, "k", None, "same picture", 0.9, {}))
    assert Move("/a", "/b", "/c").to_dict() == {
        "source": "/a",
        "target": "/b",
        "kept": "/c",
        "done": False,
        "left": "",
        "sidecar_of": "",
    }
