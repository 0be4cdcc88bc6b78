"""Texts, dates and ratings as photo programs write them."""

from __future__ import annotations

from typing import Any

import pytest

from indexers.pictures import wording


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2003:05:17 10:20:30", "2003-05-17T10:20:30"),
        ("2003:05:17 10:20:30\0", "2003-05-17T10:20:30"),
        ("2003-05-17 10:20:30", "2003-05-17T10:20:30"),
        ("2003/05/17 10:20:30", "2003-05-17T10:20:30"),
        ("2003-05-17T10:20:30.123+02:00", "2003-05-17T10:20:30"),
        ("2003:05:17 10:20:30Z", "2003-05-17T10:20:30"),
        ("2003:05:17 10:20:30 +0200", "2003-05-17T10:20:30"),
        ("2003:05:17 10:20", "2003-05-17T10:20:00"),
        ("2003:05:17", "2003-05-17T00:00:00"),
        (b"2003:05:17 10:20:30\0", "2003-05-17T10:20:30"),
        ("2003:5:7 9:8:7", "2003-05-07T09:08:07"),
        ("2003: 5: 7  9: 8: 7", "2003-05-07T09:08:07"),
        ("20030517102030", "2003-05-17T10:20:30"),
        ("20030517T102030+0200", "2003-05-17T10:20:30"),
        ("20030517", "2003-05-17T00:00:00"),
        ("2003:05:17 10:20:30 PM", "2003-05-17T22:20:30"),
        ("2003:05:17 12:20:30 am", "2003-05-17T00:20:30"),
        ("2003:12:31 24:00:00", "2004-01-01T00:00:00"),
        ("2003:05:17 10:20:60", "2003-05-17T10:20:59"),
        ("2003:05:17 24:00:01", None),
        ("2003:05:17 10:20:61", None),
        ("9999:12:31 24:00:00", None),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2003:02:30 10:20:30", None),
        ("1825:12:31 00:00:00", None),
        ("2003:05:17 10:20:30 or so", None),
        ("17.05.2003", None),
        ("2" * 10**6, None),
        (7, None),
        (None, None),
    ],
)
def test_dates_in_all_their_forms(text: Any, moment: str | None) -> None:
    assert wording.parse_moment(text) == moment


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("+02:00", "+02:00"),
        ("-0330", "-03:30"),
        ("Z", "+00:00"),
        ("2003-05-17T10:20:30+02:00", "+02:00"),
        ("2003:05:17 10:20:30 -08:00", "-08:00"),
        (b"+05:45\0", "+05:45"),
        ("2003-05-17", None),
        ("2003:05:17 10:20:30", None),
        ("+25:00", None),
        ("   :  ", None),
        (None, None),
        (7, None),
    ],
)
def test_time_zones(text: Any, offset: str | None) -> None:
    assert wording.parse_offset(text) == offset


@pytest.mark.parametrize(
    ("value", "scale", "stars"),
    [
        *[(0, 5, 0), ("5", 5, 5), ("4.0", 5, 4), (-1, 5, None), (6, 5, None), ("nan", 5, None), ("x", 5, None)],
        *[(None, 5, None), (1, 100, 1), (50, 100, 3), (99, 100, 5), (0, 100, 0), (255, 100, None)],
    ],
)
def test_ratings(value: Any, scale: int, stars: int | None) -> None:
    assert wording.parse_rating(value, scale) == stars


def test_texts_become_what_every_reader_takes() -> None:
    assert wording.clean_text(" a\0b\u0308\ud800\x07\n") == "ab\u0308"
    assert wording.clean_text("u\u0308") == "ü"
    assert wording.clean_text("\0 ") is wording.clean_text(7) is None
    assert wording.clean_texts(["a", None, " a ", "", "b"]) == ["a", "b"]
    assert wording.is_clean("ü")
    assert not any(map(wording.is_clean, ["", " a", "a\0", 7, "u\u0308"]))


@pytest.mark.parametrize("text", ["OLYMPUS DIGITAL CAMERA         ", "SONY DSC", "dcim", "", None])
def test_what_cameras_write_into_every_picture_is_no_caption(text: Any) -> None:
    assert wording.clean_caption(text) is None


def test_hierarchies_are_split() -> None:
    assert wording.split_paths(["a/b", "/a//c ", "darktable/exported", ""], "/") == [["a", "b"], ["a", "c"]]
