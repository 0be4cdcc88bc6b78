"""The names in the path of a file."""

from __future__ import annotations

import pytest

from indexers.words.paths import describe_path, split_path


@pytest.mark.parametrize(
    ("uri", "steps"),
    [
        ("/home/anna/Pictures/Rome/a.jpg", ["Pictures", "Rome", "a.jpg"]),
        ("C:\\Users\\Anna\\Rome\\a.jpg", ["Rome", "a.jpg"]),
        ("https://example.org/gallery/a%20b.jpg?w=3", ["gallery", "a b.jpg"]),
        ("zip://in/x.png::/tmp/holiday.zip", ["tmp", "holiday.zip", "in", "x.png"]),
        ("%FF%00.jpg", ["\ufffd\0.jpg"]),
        ("", []),
    ],
)
def test_a_path_is_split(uri: str, steps: list[str]) -> None:
    assert split_path(uri) == steps


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("/home/anna/Rome/the trevi fountain.JPG", "Rome the trevi fountain"),
        ("/x/RomeTrip2019/IMG_12.jpg", "x RomeTrip2019 IMG_12 x Rome Trip 2019 IMG_12"),
        ("/x/\u732b.png", "x \u732b"),
        ("", ""),
    ],
)
def test_names_are_a_text(uri: str, text: str) -> None:
    assert describe_path(uri) == text
