"""Which item of a group is kept: the best of them, unless a person prefers another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from retrieval.duplicates.grouping import build_groups
from retrieval.duplicates.keeping import explain_choice, rank_to_keep
from tests.duplicates.test_grouping import pair, row


@pytest.mark.parametrize(
    ("better", "worse", "why"),
    [
        ({"width": 200}, {"bytes": 9000}, "most pixels"),
        ({"format": "PNG"}, {"bytes": 9000}, "a format without loss"),
        ({"bytes": 2000}, {"metadata": {"a": 1}}, "most bytes"),
        ({"metadata": {"a": 1}}, {"taken_at": "2001-01-01"}, "most metadata"),
        ({"taken_at": "2001-01-01"}, {"taken_at": "2002-01-01"}, "earliest date"),
        ({"uris": ("/a.jpg",)}, {"uris": ("/long/path.jpg",)}, "shortest path"),
    ],
)
def test_what_to_keep_and_why(better: dict[str, Any], worse: dict[str, Any], why: str) -> None:
    good, bad = row(9, **better), row(3, **worse)
    found = build_groups([pair(9, 3)], {9: good, 3: bad}, [])[0]
    assert (found.keep, found.reason) == (9, why)
    assert explain_choice(good, [bad]) == why


def test_what_is_preferred_comes_first() -> None:
    small, large = row(1, width=10, format="HEIC"), row(2, width=900, taken_at="2020-01-01")
    assert build_groups([pair(1, 2)], {1: small, 2: large}, [], prefer="heic")[0].keep == 1
    assert build_groups([pair(1, 2)], {1: small, 2: large}, [], prefer="/p/1")[0].keep == 1
    assert build_groups([pair(1, 2)], {1: small, 2: large}, [], prefer="oldest")[0].keep == 2
    assert build_groups([pair(1, 2)], {1: small, 2: large}, [])[0].keep == 2


def test_a_preferred_folder_is_found_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    inside, outside = (
        row(1, uris=("/b.jpg", f"{tmp_path}/best/a.jpg")),
        row(2, width=900, uris=(f"{tmp_path}/bests.jpg",)),
    )
    for prefer in ("~/best/", "./best/", str(tmp_path / "best") + "/"):
        assert rank_to_keep(inside, prefer) < rank_to_keep(outside, prefer)
    assert rank_to_keep(outside, "~/other/") < rank_to_keep(inside, "~/other/")
