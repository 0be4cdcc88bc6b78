"""Parts that are found again continue those that lay there, one each."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.finders import places
from indexers.finders.base import FoundPart
from indexers.finders.places import match_places


def boxes(*rows: tuple[int, int, int, int]) -> list[FoundPart]:
    return [FoundPart(row) for row in rows]


def test_parts_that_moved_a_little_are_the_same() -> None:
    before = boxes((0, 0, 20, 20), (50, 50, 20, 20), (100, 0, 10, 10))
    assert match_places(before, before[::-1]) == [2, 1, 0]
    assert match_places(before, boxes((52, 49, 20, 20), (0, 0, 9, 9), (1, 1, 20, 20))) == [1, -1, 0]
    assert match_places([], before) == [-1, -1, -1]
    assert match_places(before, []) == []


def test_each_part_is_continued_once_by_what_shares_most() -> None:
    before = boxes((0, 0, 20, 20))
    assert match_places(before, boxes((3, 0, 20, 20), (1, 0, 20, 20), (0, 0, 20, 20))) == [-1, -1, 0]
    assert match_places(before, boxes((3, 0, 20, 20), (1, 0, 20, 20))) == [-1, 0]
    assert match_places(before * 2, before * 3) == [0, 1, -1]


def test_pages_and_frames_are_told_apart() -> None:
    pages = [FoundPart(page=number) for number in (1, 2, 3)]
    assert match_places(pages, pages[1:]) == [1, 2]
    frames = [FoundPart(start=float(second), end=float(second + 1)) for second in range(4)]
    assert match_places(frames, [FoundPart(start=0.1, end=1.0), FoundPart(start=2.0, end=2.5)]) == [0, 2]
    assert match_places(frames, [FoundPart(start=9.0, end=10.0), FoundPart((0, 0, 5, 5))]) == [-1, -1]


def test_of_very_many_only_equal_places_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_PAIRS", 3)
    before = boxes(*((int(x), 0, 10, 10) for x in np.arange(4) * 40))
    assert match_places(before, boxes((1, 0, 10, 10), (41, 0, 10, 10))) == [-1, -1]
    assert match_places(before, boxes((0, 0, 10, 10), (41, 0, 10, 10), (80, 0, 10, 10))) == [0, 1, 2]
