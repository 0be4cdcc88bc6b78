"""XMP packets, as programs write them and as attackers do."""

from __future__ import annotations

import time

import pytest

from indexers.pictures.xmp import MAX_BYTES, parse_xmp
from indexers.types import Json
from tests.support.descriptions import make_xmp

LIGHTROOM = make_xmp(
    'xmp:Rating="4" xmp:Label="Red" photoshop:City="Wien" photoshop:DateCreated="2003-05-17T10:20:30.25+02:00" '
    'exif:GPSLatitude="48,12.6N" exif:GPSLongitude="16,30,36W" exif:GPSAltitude="125/10" exif:GPSAltitudeRef="1"',
    dc_title='<rdf:Alt><rdf:li xml:lang="de">Ein Boot</rdf:li><rdf:li xml:lang="x-default">A boat</rdf:li></rdf:Alt>',
    dc_description='<rdf:Alt><rdf:li xml:lang="x-default">Anna &amp; Bob</rdf:li></rdf:Alt>',
    dc_rights='<rdf:Alt><rdf:li xml:lang="x-default">© Bob</rdf:li></rdf:Alt>',
    dc_creator=["Bob", "Carol"],
    dc_subject=["lake", "Wien", "lake"],
    lr_hierarchicalSubject=["Places|Austria|Wien", "lake"],
)


def test_what_lightroom_writes() -> None:
    assert parse_xmp(LIGHTROOM) == {
        "title": "A boat",
        "caption": "Anna & Bob",
        "tags": ["lake", "Wien", "Places", "Austria"],
        "tag_paths": ["Places|Austria|Wien", "lake"],
        "rating": 4,
        "label": "Red",
        "creator": "Bob; Carol",
        "copyright": "© Bob",
        "city": "Wien",
        "taken_at": "2003-05-17T10:20:30",
        "utc_offset": "+02:00",
        "latitude": 48.21,
        "longitude": -16.51,
        "altitude": -12.5,
    }


@pytest.mark.parametrize(
    ("packet", "values"),
    [
        (
            make_xmp('digiKam:ColorLabel="5"', digiKam_TagsList=["People/Anna", "_Digikam_Internal_Tags_/Pick"]),
            {"label": "Blue", "tags": ["People", "Anna"]},
        ),
        (
            make_xmp('xmp:Rating="-1"', darktable_colorlabels=["2"], lr_hierarchicalSubject=["darktable|exported"]),
            {"label": "Green"},
        ),
        (
            make_xmp('MicrosoftPhoto:Rating="75"', MicrosoftPhoto_LastKeywordXMP=["a/b"]),
            {"rating": 4, "tags": ["a", "b"]},
        ),
        (make_xmp(xmp_Rating="3.0", dc_title="plain"), {"rating": 3, "title": "plain"}),
        (make_xmp('xmp:Rating="9" exif:GPSLatitude="91,0N" exif:GPSLongitude="1,0E"'), {}),
        (make_xmp('exif:GPSLatitude="48.5" exif:GPSLongitude="-16.25"'), {"latitude": 48.5, "longitude": -16.25}),
        (
            make_xmp(
                exif_GPSLatitude="48.5", exif_GPSLatitudeRef="S", exif_GPSLongitude="16.25", exif_GPSLongitudeRef="W"
            ),
            {"latitude": -48.5, "longitude": -16.25},
        ),
        (
            make_xmp('xmp:CreateDate="2003-05-17T10:20:30Z"'),
            {"taken_at": "2003-05-17T10:20:30", "utc_offset": "+00:00"},
        ),
        (
            make_xmp(dc_subject="<rdf:Bag><rdf:_1>a</rdf:_1><rdf:li><rdf:value>b</rdf:value></rdf:li></rdf:Bag>"),
            {"tags": ["a", "b"]},
        ),
        (make_xmp(dc_title="a\x01&#x1F;b&#31;&#10;c"), {"title": "ab\nc"}),
        (make_xmp(dc_title="whole") + b"left over </x:xmpmeta>", {"title": "whole"}),
        (make_xmp('exif:DateTimeOriginal="2003"', dc_subject=["", " \t"]), {}),
    ],
)
def test_what_other_programs_write(packet: bytes, values: Json) -> None:
    said = parse_xmp(packet)
    said.pop("tag_paths", None)
    assert said == values


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8", "utf-8-sig", "cp1252"])
def test_packets_in_other_encodings(coding: str) -> None:
    text = make_xmp(dc_title="Größe").decode().replace("\ufeff", "") + " " * 100
    assert parse_xmp(text.encode(coding)) == {"title": "Größe"}


@pytest.mark.parametrize(("stated", "coding"), [("utf-16", "utf-8"), ("utf-8", "utf-16"), ("windows-1251", "cp1251")])
def test_a_stated_encoding_counts_unless_the_zeros_say_another(stated: str, coding: str) -> None:
    text = f'<?xml version="1.0" encoding="{stated}"?>' + make_xmp(dc_title="Привет").decode().replace("\ufeff", "")
    assert parse_xmp(text.encode(coding)) == {"title": "Привет"}


def test_padding_around_a_packet_is_passed_over() -> None:
    assert parse_xmp(b"\0" + LIGHTROOM + b"\n" + b" " * 2000 + b"\0")["rating"] == 4


def test_what_is_said_of_other_pictures_is_passed_over() -> None:
    source = '<rdf:Description dc:title="another"><dc:subject>other</dc:subject></rdf:Description>'
    assert parse_xmp(make_xmp('dc:title="mine"', photoshop_Sources=source)) == {"title": "mine"}


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"no XML",
        LIGHTROOM[:-60],
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + LIGHTROOM.split(b"?>", 1)[1],
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b"<a>" * 100_000,
        b" " * (MAX_BYTES + 1),
    ],
)
def test_damaged_and_hostile_packets_are_refused(packet: bytes) -> None:
    with pytest.raises(ValueError, match="XMP"):
        parse_xmp(packet)


def test_entities_are_not_expanded() -> None:
    entities = '<!ENTITY a0 "haha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    started = time.perf_counter()
    with pytest.raises(ValueError, match="document type"):
        parse_xmp(f"<!DOCTYPE a [{entities}]><a>&a11;</a>".encode())
    assert time.perf_counter() - started < 1


def test_long_texts_and_lists_are_cut() -> None:
    said = parse_xmp(make_xmp(dc_title="x" * 100_000, dc_subject=[f"{n} " + "y" * 1000 for n in range(3000)]))
    assert (len(said["title"]), len(said["tags"]), max(map(len, said["tags"]))) == (10_000, 500, 200)
