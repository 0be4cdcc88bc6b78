"""Which picture was made of which, and what was done to it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from indexers.catalogue.duplicates import PairRow
from retrieval.duplicates.shots import Shot
from retrieval.stacks.versions import (
    CROP,
    EDIT,
    INSIDE,
    SCREEN,
    find_file_pairs,
    find_versions,
    group_versions,
    list_likely,
    looks_like_screen,
    measure_shares,
)


def shot(number: int, stem: str, size: tuple[int, int] = (400, 300), **more: Any) -> Shot:
    about = {"format": "JPEG", "time": 100.0, "is_exact": False, "camera": "X", "folder": "/p", "capture": {"at": "t"}}
    return Shot(number, bytes([number]) * 20, size, stem=stem, **(about | more))


def pair(a: int, b: int, differs: list[str], matrix: Any, kind: str = "same picture", score: float = 0.99) -> PairRow:
    return PairRow(a, b, kind, score, {"differs": differs, "transform": matrix})


IDENTITY = [[1, 0, 0], [0, 1, 0]]


def test_shares_of_a_crop_are_what_is_left_and_all() -> None:
    half = [[1, 0, -100], [0, 1, 0]]  # the right three quarters of 400 x 300
    assert measure_shares(half, (400, 300), (300, 300)) == pytest.approx((0.75, 1.0))
    for nonsense in (None, [[0, 0, 0], [0, 0, 0]], "x", [[1]]):
        assert measure_shares(nonsense, (4, 3), (4, 3)) == (1.0, 1.0)


def test_a_crop_an_edit_and_a_copy() -> None:
    shots = {1: shot(1, "img_1"), 2: shot(2, "img_1 crop", (300, 300), camera="", capture={})}
    shots |= {3: shot(3, "img_1-edit", camera="", capture={}), 4: shot(4, "img_1 (1)", camera="", capture={})}
    proven = [
        pair(1, 2, ["cropped"], [[1, 0, -100], [0, 1, 0]]),
        pair(1, 3, ["brighter"], IDENTITY),
        pair(1, 4, ["recompressed"], IDENTITY),
    ]
    found = list(find_versions(proven, shots, {}))
    assert [(row.kind, row.original.id, row.derived.id, row.differences) for row in found] == [
        (CROP, 1, 2, ("cropped",)),
        (EDIT, 1, 3, ("brighter",)),
    ]
    assert [(kind, len(rows)) for kind, rows in group_versions(found)] == [(CROP, 1), (EDIT, 1)]


def test_words_are_turned_where_the_edited_one_comes_first() -> None:
    shots = {1: shot(1, "img_1-edit", capture={}), 2: shot(2, "img_1")}
    [row] = find_versions([pair(1, 2, ["brighter"], IDENTITY)], shots, {})
    assert (row.original.id, row.derived.id, row.differences) == (2, 1, ("darker",))


def test_what_lies_inside_another_picture_is_on_a_screen_if_that_is_one() -> None:
    small = [[0.5, 0, 20], [0, 0.5, 20]]
    page = {1: shot(1, "img_1"), 2: shot(2, "Screenshot_3", (800, 800), camera="", format="PNG", capture={})}
    [row] = find_versions([pair(1, 2, [], small, INSIDE)], page, {})
    assert (row.kind, row.original.id) == (SCREEN, 1)
    collage = {1: shot(1, "img_1"), 2: shot(2, "party", (800, 800), camera="", capture={})}
    [row] = find_versions([pair(1, 2, [], small, INSIDE)], collage, {})
    assert row.kind == INSIDE


def test_screens_are_known_by_what_they_say_their_name_or_their_size() -> None:
    assert looks_like_screen(shot(1, "Bildschirmfoto 2024-05-18"))
    assert looks_like_screen(shot(1, "x", capture={"screen": True}))
    assert looks_like_screen(shot(1, "x", (1170, 2532), format="PNG", camera=""))
    assert not looks_like_screen(shot(1, "x", (1170, 2532)))
    assert not looks_like_screen(shot(1, "sunscreen"))


def test_raw_and_jpeg_of_one_name_are_one_exposure_if_they_look_it() -> None:
    jpeg, raw = shot(1, "img_1"), shot(2, "img_1", format="DNG")
    [(kind, files, reason)] = find_file_pairs([jpeg, raw], lambda a, b: True)
    assert (kind, files, reason) == ("raw + jpeg", (jpeg, raw), "one exposure, as JPEG and as DNG")
    assert list(find_file_pairs([jpeg, raw], lambda a, b: False)) == []
    assert list(find_file_pairs([jpeg, shot(2, "img_2", format="DNG")], lambda a, b: True)) == []
    assert list(find_file_pairs([jpeg, shot(2, "img_1", format="DNG", camera="Y")], lambda a, b: True)) == []
    later = shot(2, "img_1", format="DNG", time=103.0)
    assert list(find_file_pairs([jpeg, later], lambda a, b: True)) == []
    unknown = shot(2, "img_1", format="DNG", time=math.nan)
    assert list(find_file_pairs([jpeg, unknown], lambda a, b: None)) == []


def test_names_that_go_on_are_likely_versions() -> None:
    a, b, c = shot(1, "img_1", time=math.nan), shot(2, "img_1-edit", time=math.nan), shot(3, "img_12", time=math.nan)
    assert [(x.id, y.id) for x, y in list_likely([c, b, a])] == [(1, 2)]
