"""What a file tells of its picture."""

from __future__ import annotations

from typing import Any

import pytest

from indexers.pictures.images import decode
from indexers.pictures.tags import Tags, parse_moment, read_tags
from tests.support import pictures

NOON, TAG, SUB_TAG = "2003:05:17 12:00:00", 0x0132, 0x8769


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
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    ("tags", "moment"),
    [
        ({0x9003: "2001:01:01 00:00:01", 0x9004: NOON, TAG: NOON}, "2001-01-01T00:00:01"),
        ({0x9003: "0000:00:00 00:00:00", 0x9004: "2002:01:01 00:00:01", TAG: NOON}, "2002-01-01T00:00:01"),
        ({TAG: NOON}, "2003-05-17T12:00:00"),
        ({}, None),
    ],
)
def test_the_first_sound_date_counts(tags: dict[int, str], moment: str | None) -> None:
    exif = pictures.exif({tag: text for tag, text in tags.items() if tag == TAG})
    exif.get_ifd(SUB_TAG).update({tag: text for tag, text in tags.items() if tag != TAG})
    assert decode(pictures.jpeg(exif=exif)).facts.taken_at == moment


@pytest.mark.parametrize(
    ("gps", "place"),
    [
        (
            {1: "N", 2: (48.0, 12.0, 36.0), 3: "W", 4: (16.0, 30.0, 0.0), 5: b"\1", 6: 12.5},
            {"latitude": 48.21, "longitude": -16.5, "altitude": -12.5},
        ),
        ({1: "S", 2: (33.5, 0.0, 0.0), 3: "E", 4: (151.25, 0.0, 0.0)}, {"latitude": -33.5, "longitude": 151.25}),
        ({6: 100.0}, {"altitude": 100.0}),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, {}),
        ({1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (10.0, 0.0, 0.0)}, {}),
        ({1: "N", 2: (48.0, 0.0, 0.0)}, {}),
    ],
)
def test_where_it_was_taken(gps: dict[int, Any], place: dict[str, float]) -> None:
    exif = pictures.exif()
    exif.get_ifd(0x8825).update(gps)
    assert decode(pictures.jpeg(exif=exif)).facts.place == place


def test_without_tags_a_picture_is_upright() -> None:
    assert read_tags(pictures.quarters()) == Tags()
