"""IPTC blocks, as programs of thirty years have written them."""

from __future__ import annotations

import struct

import pytest

from indexers.pictures.iptc import find_iptc, parse_iptc
from tests.support.descriptions import make_iptc, make_resources

BLOCK = make_iptc(
    [
        (5, b"A boat"),
        (120, "Anna fährt über den See".encode()),
        (25, b"lake"),
        (25, b"Anna"),
        (25, b"lake"),
        (55, b"20030517"),
        (60, b"102030+0200"),
        (80, b"Bob"),
        (90, b"Wien"),
        (101, "Österreich".encode()),
        (116, "© Bob".encode()),
    ]
)


def test_a_block_that_says_all() -> None:
    assert parse_iptc(BLOCK) == {
        "title": "A boat",
        "caption": "Anna fährt über den See",
        "tags": ["lake", "Anna"],
        "creator": "Bob",
        "copyright": "© Bob",
        "city": "Wien",
        "country": "Österreich",
        "taken_at": "2003-05-17T10:20:30",
        "utc_offset": "+02:00",
    }


@pytest.mark.parametrize("coding", ["utf-8", "cp1252"])
def test_texts_without_a_stated_encoding(coding: str) -> None:
    assert parse_iptc(make_iptc([(120, "Größe".encode(coding))], utf_8=False)) == {"caption": "Größe"}


@pytest.mark.parametrize(("mark", "coding"), [(b".A", "cp1252"), (b"-B", "iso8859-2"), (b"-L", "iso8859-5")])
def test_an_encoding_that_is_stated(mark: bytes, coding: str) -> None:
    text = "Привет" if coding == "iso8859-5" else "Größe"
    stated = struct.pack(">BBBH", 28, 1, 90, 3) + b"\x1b" + mark
    assert parse_iptc(stated + make_iptc([(120, text.encode(coding))], utf_8=False)) == {"caption": text}


@pytest.mark.parametrize(
    ("date", "time", "moment", "offset"),
    [
        (b"2003-05-17", b"10:20:30+02:00", "2003-05-17T10:20:30", "+02:00"),
        (b"20030517", b"1020", "2003-05-17T10:20:00", None),
        (b"20030517", b"rubbish", "2003-05-17T00:00:00", None),
        (b"20030000", b"102030", None, None),
    ],
)
def test_dates_as_programs_write_them(date: bytes, time: bytes, moment: str | None, offset: str | None) -> None:
    for day, clock in ((55, 60), (62, 63)):  # created, and digitized where that is missing
        said = parse_iptc(make_iptc([(day, date), (clock, time)]))
        assert (said.get("taken_at"), said.get("utc_offset")) == (moment, offset)


def test_a_length_of_its_own_length() -> None:
    text = b"x" * 40_000
    block = struct.pack(">BBBHI", 28, 2, 120, 0x8004, len(text)) + text
    assert parse_iptc(block)["caption"] == "x" * 10_000


@pytest.mark.parametrize("count", [0, 1, 4, 20, 40, 60, len(BLOCK) - 1])
def test_a_cut_block_is_read_as_far_as_it_goes(count: int) -> None:
    assert parse_iptc(BLOCK[:count]).keys() <= parse_iptc(BLOCK).keys()
    assert parse_iptc(BLOCK[:count]).get("title") == ("A boat" if count >= 20 else None)


@pytest.mark.parametrize(
    "block", [b"\x1c", b"\x1c\x02\x78\xff\xff" + b"\xff" * 20, b"\0" * 100, b"\x1c\x02\x37\0\x0820039999"]
)
def test_nonsense_says_nothing(block: bytes) -> None:
    assert parse_iptc(block) == {}


def test_a_block_among_photoshops_resources() -> None:
    assert find_iptc(make_resources(BLOCK)) == BLOCK
    assert find_iptc(b"8BIM") == find_iptc(b"") == find_iptc(b"8BIM\x04\x05\0\0\0\0\0\x01a\0") == b""
