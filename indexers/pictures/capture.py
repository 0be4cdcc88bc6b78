"""How a picture was taken, as EXIF states it: by this, shots of a burst, a bracket or a focus series are told from
copies, which say the same as their original."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from indexers.pictures.wording import clean_text, parse_moment
from indexers.types import Json

NUMBERS = {
    "exposure": (0x829A, 1e5),
    "aperture": (0x829D, 1e3),
    "iso": (0x8827, 1e8),
    "bias": (0x9204, 30.0),
    "focal": (0x920A, 1e5),
    "distance": (0x9206, 1e6),
}
"""By name: EXIF's tag and the largest number that makes sense. exposure: seconds; aperture: the f-number; bias: the
exposure compensation in EV; focal: the length in millimetres; distance: of the subject in metres."""
TEXTS = {"lens": 0xA434, "serial": 0xA431}
FIELDS: dict[str, type] = {
    "at": str,
    "camera": str,
    **dict.fromkeys(TEXTS, str),
    **dict.fromkeys(NUMBERS, float),
    "burst": str,
    "bracketed": bool,
    "screen": bool,
}
"""What is known of a shot, and its type. at: when, ISO 8601 with the fraction of a second as far as it is known; burst:
the id that a camera gives to all shots of one; bracketed: it varied the exposure; screen: it is a screenshot."""

_MAX_TEXT = 100
_MOMENTS = ((0x9003, 0x9291), (0x9004, 0x9292))  # taken and digitized, each with its fraction of a second
_EXPOSURE_MODE, _AUTO_BRACKET = 0xA402, 2
_MAKER_NOTE, _USER_COMMENT = 0x927C, 0x9286
_APPLE, _APPLE_START, _APPLE_BURST = b"Apple iOS\0", 14, 0x000B
_FRACTION = re.compile(r"\d{1,9}", re.ASCII)


def read_capture(more: Mapping[int, Any], camera: str | None) -> Json:
    """Return what EXIF's own block (`more`) says of a shot, under the keys of FIELDS; nothing for what is unsound."""
    values: Json = {"at": _read_moment(more), "camera": camera}
    for name, (tag, largest) in NUMBERS.items():
        with suppress(Exception):
            value = more.get(tag)
            number = float(value[0] if isinstance(value, tuple) else value)  # type: ignore[arg-type]
            if math.isfinite(number) and abs(number) < largest and (number > 0 or name == "bias"):
                values[name] = round(number, 6)
    for name, tag in TEXTS.items():
        values[name] = clean_text(more.get(tag), _MAX_TEXT)
    with suppress(Exception):
        values["burst"] = _read_apple_burst(more.get(_MAKER_NOTE))
    values["bracketed"] = more.get(_EXPOSURE_MODE) == _AUTO_BRACKET or None
    values["screen"] = _is_screenshot(more.get(_USER_COMMENT)) or None
    return {key: value for key, value in values.items() if value is not None}


def is_sound(capture: object) -> bool:
    """Return True for what `read_capture` may return: known keys, with values of their types."""
    return isinstance(capture, dict) and all(
        key in FIELDS and type(value) is FIELDS[key] and (not isinstance(value, float) or math.isfinite(value))
        for key, value in capture.items()
    )


def _read_moment(more: Mapping[int, Any]) -> str | None:
    """Return when the shutter opened; the fraction belongs to the date that is sound."""
    for date, fraction in _MOMENTS:
        moment = parse_moment(more.get(date))
        if moment is not None:
            digits = _FRACTION.match(str(more.get(fraction) or "").strip("\0 "))
            return f"{moment}.{digits[0]}" if digits else moment
    return None


def _is_screenshot(comment: Any) -> bool:
    """Return True if a telephone has noted that it took a picture of its screen."""
    text = bytes(comment[:64]) if isinstance(comment, bytes) else str(comment or "")[:64].encode("utf-8", "replace")
    return text.replace(b"\0", b"").removeprefix(b"ASCII").strip() == b"Screenshot"


def _read_apple_burst(note: Any) -> str | None:
    """Return the burst's id in a maker note of Apple's: a directory of tags as in a TIFF, counted from its start."""
    if not isinstance(note, bytes) or not note.startswith(_APPLE) or note[12:14] != b"MM":
        return None
    (count,) = struct.unpack_from(">H", note, _APPLE_START)
    for place in range(min(count, 200)):
        tag, kind, length, offset = struct.unpack_from(">HHII", note, _APPLE_START + 2 + 12 * place)
        if (tag, kind) == (_APPLE_BURST, 2) and length <= _MAX_TEXT:
            return clean_text(note[offset : offset + length].decode("ascii", "replace").strip("\0 "))
    return None
