"""How a picture was taken, from the EXIF of real files; what makes no sense is left out."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from indexers.pictures.capture import is_sound, read_capture
from indexers.pictures.images import decode
from indexers.types import Json
from tests.support import pictures

TAKEN, DIGITIZED, TAKEN_PART, DIGITIZED_PART = 0x9003, 0x9004, 0x9291, 0x9292
EXPOSURE, APERTURE, ISO, BIAS, DISTANCE, FOCAL = 0x829A, 0x829D, 0x8827, 0x9204, 0x9206, 0x920A
MODE, MAKER_NOTE, COMMENT, SERIAL, LENS = 0xA402, 0x927C, 0x9286, 0xA431, 0xA434


def capture_of(tags: dict[int, Any], first: dict[int, Any] | None = None) -> Json:
    """Return what is read of a JPEG with these tags in EXIF's own directory, and with those in its first one."""
    exif = Image.Exif()
    exif.update(first or {})
    exif.get_ifd(0x8769).update(tags)
    return decode(pictures.jpeg(exif=exif)).facts.capture


def make_apple_note(burst: bytes = b"3F2504E0-4F89-41D3-9A0C-0305E82C3301", tag: int = 0x000B) -> bytes:
    """Return a maker note as iPhones write it: a number, and the burst's id behind the directory."""
    place = 14 + 2 + 2 * 12 + 4
    rows = struct.pack(">HHII", 1, 9, 1, 14) + struct.pack(">HHII", tag, 2, len(burst) + 1, place)
    return b"Apple iOS\0\0\1MM" + struct.pack(">H", 2) + rows + bytes(4) + burst + b"\0"


def test_settings_are_read_from_a_jpeg() -> None:
    tags = {
        EXPOSURE: IFDRational(1, 250),
        APERTURE: IFDRational(28, 10),
        ISO: 400,
        BIAS: IFDRational(-2, 3),
        FOCAL: IFDRational(50),
        DISTANCE: IFDRational(5, 2),
        LENS: "EF50mm f/1.8",
        SERIAL: "0123",
    }
    assert capture_of(tags, {271: "Canon", 272: "Canon EOS 5D"}) == {
        "camera": "Canon EOS 5D",
        "exposure": 0.004,
        "aperture": 2.8,
        "iso": 400.0,
        "bias": -0.666667,
        "focal": 50.0,
        "distance": 2.5,
        "lens": "EF50mm f/1.8",
        "serial": "0123",
    }


def test_no_compensation_is_a_value_and_no_exposure_is_none() -> None:
    assert capture_of({BIAS: IFDRational(0, 1), EXPOSURE: IFDRational(0, 1), ISO: 0}) == {"bias": 0.0}


@pytest.mark.parametrize(
    ("tags", "moment"),
    [
        ({TAKEN: "2024:05:17 10:20:30", TAKEN_PART: "25"}, "2024-05-17T10:20:30.25"),
        ({TAKEN: "2024:05:17 10:20:30", TAKEN_PART: "007  "}, "2024-05-17T10:20:30.007"),
        ({TAKEN: "2024:05:17 10:20:30"}, "2024-05-17T10:20:30"),
        ({TAKEN: "2024:05:17 10:20:30", TAKEN_PART: "x5"}, "2024-05-17T10:20:30"),
        ({TAKEN: "2024:05:17 10:20:30", DIGITIZED_PART: "25"}, "2024-05-17T10:20:30"),
        ({TAKEN: "0000:00:00 00:00:00", TAKEN_PART: "1", DIGITIZED: "2024:05:17 10:20:31", DIGITIZED_PART: "9"},
         "2024-05-17T10:20:31.9"),
        ({TAKEN: "nonsense"}, None),
    ],
)  # fmt: skip
def test_the_moment_is_known_to_the_fraction_that_belongs_to_it(tags: dict[int, Any], moment: str | None) -> None:
    assert capture_of(tags).get("at") == moment


@pytest.mark.parametrize(("mode", "expected"), [(2, {"bracketed": True}), (0, {}), (1, {})])
def test_a_camera_says_that_it_varies_the_exposure(mode: int, expected: Json) -> None:
    assert capture_of({MODE: mode}) == expected


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (b"ASCII\0\0\0Screenshot", {"screen": True}),
        (b"ASCII\0\0\0Screenshot of a cat", {}),
        (b"ASCII\0\0\0", {}),
        (b"ASCII\0\0\0Screenshot" + b" " * 9, {"screen": True}),
    ],
)
def test_a_telephone_notes_that_it_took_its_screen(comment: bytes, expected: Json) -> None:
    assert capture_of({COMMENT: comment}) == expected


def test_the_id_of_a_burst_is_read_from_the_note_of_an_iphone() -> None:
    assert capture_of({MAKER_NOTE: make_apple_note()}) == {"burst": "3F2504E0-4F89-41D3-9A0C-0305E82C3301"}


@pytest.mark.parametrize(
    "note",
    [
        make_apple_note(tag=0x000C),
        make_apple_note(burst=b"x" * 200),
        make_apple_note(burst=b""),
        make_apple_note()[:20],
        make_apple_note().replace(b"MM", b"II", 1),
        make_apple_note().replace(b"Apple", b"Nikon"),
        b"",
    ],
)
def test_any_other_note_says_nothing(note: bytes) -> None:
    assert read_capture({MAKER_NOTE: note, ISO: 100}, None) == {"iso": 100.0}


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -1.0, 1e9, "fast", None, (), b"\1", IFDRational(0, 0), IFDRational(1, 0), [1]]
)
def test_nonsense_is_left_out_and_spoils_nothing_else(value: Any) -> None:
    assert read_capture({EXPOSURE: value, LENS: value if value != "fast" else 7, ISO: 100}, "X") == {
        "camera": "X",
        "iso": 100.0,
    }


def test_of_several_values_the_first_counts() -> None:
    assert read_capture({ISO: (200, 0)}, None) == {"iso": 200.0}


def test_texts_are_cleaned_and_not_endless() -> None:
    assert read_capture({LENS: " a\0b ", SERIAL: "7" * 1000}, None) == {"lens": "ab", "serial": "7" * 100}


def test_what_is_read_is_sound() -> None:
    tags = {TAKEN: "2024:05:17 10:20:30", ISO: 100, MODE: 2, LENS: "L", COMMENT: b"Screenshot"}
    capture = read_capture(tags | {MAKER_NOTE: make_apple_note()}, "X")
    assert set(capture) == {"at", "camera", "iso", "bracketed", "lens", "screen", "burst"}
    assert is_sound(capture)
    assert is_sound({})


@pytest.mark.parametrize(
    "capture",
    [None, [], "at", {"shutter": 1.0}, {"iso": 100}, {"iso": True}, {"iso": "100"}, {"iso": math.nan},
     {"exposure": math.inf}, {"bracketed": 1}, {"camera": None}, {"iso": 100.0, "lens": 5}, {1: 1.0}],
)  # fmt: skip
def test_anything_else_is_unsound(capture: object) -> None:
    assert not is_sound(capture)
