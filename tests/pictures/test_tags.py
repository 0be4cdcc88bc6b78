"""What a file tells of its picture."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from indexers.pictures.images import decode
from indexers.pictures.tags import Tags, read_tags
from tests.support import pictures
from tests.support.descriptions import insert_iptc, make_iptc, make_resources, make_xmp

NOON, TAG, SUB_TAG = "2003:05:17 12:00:00", 0x0132, 0x8769


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
        (
            {1: "N", 2: (48.0, IFDRational(1260, 100), IFDRational(0, 0)), 3: "E", 4: (16.5,)},
            {"latitude": 48.21, "longitude": 16.5},
        ),
        ({1: "N", 2: (IFDRational(0, 0),) * 3, 3: "E", 4: (16.0, 0.0, 0.0)}, {}),
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


def test_time_zones_go_with_their_dates() -> None:
    exif = pictures.exif({TAG: NOON})
    exif.get_ifd(SUB_TAG).update({0x9003: NOON, 0x9010: "+01:00", 0x9011: "+02:00", 0x9012: "+03:00"})
    assert read_tags(_open(pictures.jpeg(exif=exif))).description == {"utc_offset": "+02:00"}
    later = make_xmp('photoshop:DateCreated="2001-01-01T00:00:00-05:00"')
    facts = decode(pictures.jpeg(exif=pictures.exif({TAG: NOON}), xmp=later)).facts
    assert (facts.taken_at, facts.description) == ("2001-01-01T00:00:00", {"utc_offset": "-05:00"})


def test_what_windows_and_old_cameras_write_into_exif() -> None:
    tags = {0x9C9B: "Größe\0".encode("utf-16-le"), 0x9C9E: "a; b;a".encode("utf-16-le"), 0x4746: 4, 0x013B: "Bob"}
    values = {"title": "Größe", "tags": ["a", "b"], "rating": 4, "creator": "Bob"}
    tags |= {0x010E: "OLYMPUS DIGITAL CAMERA         ", 0x9C9C: "by the lake".encode("utf-16-le")}
    assert decode(pictures.jpeg(exif=pictures.exif(tags))).facts.description == values | {"caption": "by the lake"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp_in_every_kind_of_file(kind: str) -> None:
    packet = make_xmp('xmp:Rating="3" exif:GPSLatitude="1,30N" exif:GPSLongitude="2,0E"', dc_subject=["boat"])
    options: dict[str, Any] = {"xmp": packet}
    if kind == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
    elif kind == "TIFF":
        options = {"tiffinfo": {700: packet}}
    facts = decode(pictures.encoded(pictures.gradient(), kind, **options)).facts
    assert (facts.description, facts.place) == ({"tags": ["boat"], "rating": 3}, {"latitude": 1.5, "longitude": 2.0})


def test_iptc_in_jpeg_tiff_and_psd() -> None:
    block = make_iptc([(120, b"a boat"), (25, b"lake")])
    said = {"caption": "a boat", "tags": ["lake"]}
    assert decode(insert_iptc(pictures.jpeg(), block)).facts.description == said
    for tiffinfo in ({33723: block}, {34377: make_resources(block)}):
        assert decode(pictures.encoded(pictures.gradient(), "TIFF", tiffinfo=tiffinfo)).facts.description == said
    profile = PngImagePlugin.PngInfo()
    profile.add_text("Raw profile type iptc", f"\niptc\n{len(block):8}\n{block.hex()}\n", zip=True)
    assert decode(pictures.encoded(pictures.gradient(), "PNG", pnginfo=profile)).facts.description == said


def test_xmp_counts_before_iptc_unless_that_was_changed_since() -> None:
    old, new = make_iptc([(120, b"old")]), make_iptc([(120, b"new")])
    packet = make_xmp('dc:description="xmp"', dc_subject=["a"])
    digest = hashlib.md5(old, usedforsecurity=False).digest()
    jpeg = pictures.jpeg(xmp=packet)
    assert decode(insert_iptc(jpeg, new)).facts.description == {"caption": "xmp", "tags": ["a"]}
    assert decode(insert_iptc(jpeg, old, digest)).facts.description["caption"] == "xmp"
    assert decode(insert_iptc(jpeg, new, digest)).facts.description == {"caption": "new", "tags": ["a"]}


def test_tags_of_all_blocks_are_joined() -> None:
    packet = make_xmp(lr_hierarchicalSubject=["Places|Wien"])
    data = insert_iptc(pictures.jpeg(xmp=packet), make_iptc([(25, b"lake"), (25, b"Wien")]))
    assert decode(data).facts.description == {"tags": ["Places", "Wien", "lake"], "tag_paths": ["Places|Wien"]}


def test_texts_of_a_png() -> None:
    info = PngImagePlugin.PngInfo()
    for name, text in {"Title": "A boat", "Description": "on the lake", "Comment": "Created with GIMP"}.items():
        info.add_text(name, text)
    facts = decode(pictures.encoded(pictures.gradient(), "PNG", pnginfo=info)).facts
    assert facts.description == {"title": "A boat", "caption": "on the lake"}


@pytest.mark.parametrize("packet", [b"<a", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"\xff" * 100])
def test_a_broken_block_spoils_nothing_else(packet: bytes) -> None:
    exif = pictures.exif({0x010E: "A boat"}, taken=NOON)
    data = insert_iptc(pictures.jpeg(exif=exif, xmp=packet), make_iptc([(25, b"lake")]) + b"\x1c\x02\x19\x7f")
    facts = decode(data).facts
    assert facts.description == {"caption": "A boat", "tags": ["lake"]}
    assert facts.taken_at == "2003-05-17T12:00:00"


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))
