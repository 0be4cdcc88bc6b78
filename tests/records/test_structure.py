"""The records of ways and summaries."""

from __future__ import annotations

from retrieval.records.search import Hit
from retrieval.records.structure import NeighbourPath, Summary

HITS = (Hit(1, "a", 1.0, "/a.png", {}), Hit(2, "b", 0.25, None, {}))


def test_a_way_shows_its_steps() -> None:
    path = NeighbourPath("widest", HITS, 0.25, 9)
    assert repr(path).splitlines() == [
        "<widest path of 2 pictures, weakest link 0.2500",
        "  1.0000        1  /a.png",
        "  0.2500        2  b>",
    ]
    assert [hit["item"] for hit in path.to_dict()["hits"]] == [1, 2]
    assert "widest path, weakest link 0.250" in path._repr_html_()


def test_a_summary_shows_what_each_picture_stands_for() -> None:
    summary = Summary(HITS, 40, 9)
    assert repr(summary).splitlines()[-1] == "  25.0%        2  b>"
    assert summary.to_dict()["total"] == 40
    assert "2 pictures that stand for 40" in summary._repr_html_()
