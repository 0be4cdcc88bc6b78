"""How records show themselves in a notebook."""

from __future__ import annotations

import pytest
from PIL import Image

from indexers.errors import UnreadablePicture
from retrieval.records.notebook import LONGEST, render_fields, render_rows, render_thumbnails

EVIL = "<script>alert('1')</script>&"
SAFE = "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;"


class Pictures:
    """A source of pictures: item 1 has three bytes, all others have no place."""

    def load(self, item_id: int, edge: int = 0) -> Image.Image:
        raise UnreadablePicture(f"the picture of item {item_id} has no place")

    def make_thumbnail(self, item_id: int, edge: int = 160) -> bytes:
        if item_id != 1:
            raise UnreadablePicture(f"the picture of item {item_id} has no place")
        return b"abc"


def test_fields_are_rows_of_a_table() -> None:
    assert render_fields({"a": 1, "b": None, EVIL: EVIL}) == (
        f"<table><tr><th>a</th><td>1</td></tr><tr><th>b</th><td>null</td></tr>"
        f"<tr><th>{SAFE}</th><td>{SAFE}</td></tr></table>"
    )


def test_rows_share_their_columns_and_say_how_many_are_left_out() -> None:
    assert render_rows([{"a": 1}, {"a": 2, "b": [3, "é"]}], 5) == (
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>null</td></tr>"
        "<tr><td>2</td><td>[3, &quot;é&quot;]</td></tr></table><p>... 3 more</p>"
    )
    assert render_rows([], 0) == "<table><tr></tr></table>"


@pytest.mark.parametrize("value", ["x" * 500, ["x" * 500], {"x" * 500: 1}])
def test_long_values_are_cut(value: object) -> None:
    page = render_fields({"a": value})
    assert len(page) < LONGEST + 80
    assert "...</td>" in page


def test_an_entity_is_never_cut_in_two() -> None:
    page = render_fields({"a": "&" * 500})
    assert page == f"<table><tr><th>a</th><td>{'&amp;' * LONGEST}...</td></tr></table>"


def test_thumbnails_lie_inside_the_page_and_captions_are_text() -> None:
    page = render_thumbnails(EVIL, [(1, EVIL), (2, "gone")], Pictures())
    assert page.startswith(f"<p>{SAFE}</p>")
    assert page.count("<figure") == 2
    assert '<img alt="" src="data:image/webp;base64,YWJj">' in page
    assert "<em>no picture</em>" in page
    assert "<script>" not in page


def test_without_a_source_captions_stand_alone() -> None:
    page = render_thumbnails("title", [(1, "a")], None)
    assert "<img" not in page
    assert "<em>no picture</em>" in page


def test_records_within_a_record_are_a_table_without_empty_columns() -> None:
    page = render_fields({"rows": [{"a": 1, "b": None, "c": []}, {"a": 2.123456, "b": None, "c": []}], "d": [1, 2]})
    assert "<td><table><tr><th>a</th></tr><tr><td>1</td></tr><tr><td>2.1235</td></tr></table></td>" in page
    assert "<td>[1, 2]</td>" in page
    assert "... 10 more" in render_fields({"rows": [{"a": number} for number in range(30)]})
